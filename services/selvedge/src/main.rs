//! The `selvedge` binary.

use std::process::ExitCode;

use selvedge::nats_child::{SUBCOMMAND, become_nats_server};

/// Requests and facts are many small strings that one thread makes and another drops.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == SUBCOMMAND) {
        let Err(error) = become_nats_server(arguments);
        eprintln!("nats-server: {error}");
        return ExitCode::FAILURE;
    }
    selvedge::cli::run()
}
