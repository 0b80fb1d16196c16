//! The hidden subcommand that becomes nats-server: `selvedge __nats <parent> <binary> <arguments…>`.
//!
//! It exists because a death signal can only be asked for by the process it is for, between fork and
//! exec, and doing that from the parent would need unsafe code.

use std::{convert::Infallible, ffi::OsString, io, os::unix::process::CommandExt as _, process::Command};

/// Its name.
pub const SUBCOMMAND: &str = "__nats";

/// Becomes nats-server. `arguments` are those after the subcommand: the process id of the parent, the
/// binary, and the binary's own.
///
/// # Errors
/// If an argument is missing, the parent is gone already, or the binary cannot be run. There is no other
/// return.
pub fn become_nats_server(arguments: impl IntoIterator<Item = OsString>) -> io::Result<Infallible> {
    let mut arguments = arguments.into_iter();
    let wrong = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    let parent = arguments.next().and_then(|parent| parent.to_str()?.parse().ok());
    let parent: u32 = parent.ok_or_else(|| wrong("expected the parent's process id first"))?;
    let binary = arguments.next().ok_or_else(|| wrong("expected the path of nats-server second"))?;
    die_with_parent()?;
    // Had it ended before we asked, nobody would tell us.
    if std::os::unix::process::parent_id() != parent {
        return Err(io::Error::new(io::ErrorKind::NotConnected, "the parent has ended already"));
    }
    Err(Command::new(binary).args(arguments).exec())
}

#[cfg(target_os = "linux")]
fn die_with_parent() -> io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Elsewhere a left-over is stopped at the next start.
#[cfg(not(target_os = "linux"))]
fn die_with_parent() -> io::Result<()> {
    Ok(())
}
