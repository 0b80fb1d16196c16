//! The `selvedge` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    selvedge::cli::run()
}
