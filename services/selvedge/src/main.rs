//! The `selvedge` binary.

use std::process::ExitCode;

use selvedge::{attendant, held, nats_child};

/// Requests and facts are many small strings that one thread makes and another drops.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next().unwrap_or_default();
    if first == nats_child::SUBCOMMAND {
        let Err(error) = nats_child::become_nats_server(arguments);
        eprintln!("nats-server: {error}");
        return ExitCode::FAILURE;
    }
    if first == held::SUBCOMMAND {
        return held::become_command(arguments);
    }
    if first == attendant::ATTEND {
        return attendant::attend(arguments);
    }
    if first == attendant::CONFINED {
        return attendant::become_command(arguments);
    }
    selvedge::cli::run()
}
