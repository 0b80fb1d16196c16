//! The hidden subcommand that becomes the command of `lease hold`: `selvedge __held <parent> <command…>`.
//!
//! It asks to be told to end when `lease hold` dies, so that a command does not go on under a lease that
//! nobody renews. As with nats-server, only the process itself can ask for that without unsafe code.

use std::{
    ffi::OsString,
    io,
    os::unix::process::{CommandExt as _, parent_id},
    process::{Command, ExitCode},
};

/// Its name.
pub const SUBCOMMAND: &str = "__held";
/// Code of a command that cannot be run, and of one that is not found, as shells have it.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Becomes the command. `arguments` are those after the subcommand: the process id of the parent, the
/// command, and its own. It returns only if that cannot be: with the code to end with.
pub fn become_command(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let parent: Option<u32> = arguments.next().and_then(|parent| parent.to_str()?.parse().ok());
    let Some(program) = arguments.next() else {
        eprintln!("error: expected the parent's process id and a command");
        return ExitCode::from(CANNOT_RUN);
    };
    // Where it cannot be asked for, the fencing token is what is left.
    let _ = end_with_parent();
    // Had it ended before we asked, nobody would tell us.
    if parent != Some(parent_id()) {
        eprintln!("error: lease hold has ended already");
        return ExitCode::from(CANNOT_RUN);
    }
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("error: cannot run {}: {error}", program.display());
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN })
}

#[cfg(target_os = "linux")]
fn end_with_parent() -> io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::TERM))?)
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> io::Result<()> {
    Ok(())
}
