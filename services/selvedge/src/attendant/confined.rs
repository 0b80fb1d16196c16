//! The process that takes its own rights away and becomes the command.

use std::{
    convert::Infallible,
    ffi::OsString,
    fs, io,
    os::unix::process::{CommandExt as _, parent_id},
    process::{Command, ExitCode},
};

use super::Order;
use crate::sandbox::{Isolation, bwrap, landlock};

/// Code of a command that cannot be run, and of one that is not found, as shells have it.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Becomes the command. `arguments` are those after the subcommand. It returns only if that cannot be, with the
/// code to end with: nothing of the command has run then.
pub fn become_command(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match confine(arguments) {
        Ok(never) => match never {},
        Err((code, reason)) => {
            eprintln!("selvedge: {reason}");
            ExitCode::from(code)
        }
    }
}

fn confine(arguments: impl IntoIterator<Item = OsString>) -> Result<Infallible, (u8, String)> {
    let cannot = |reason: String| (CANNOT_RUN, reason);
    let mut arguments = arguments.into_iter();
    let parent: Option<u32> = arguments.next().and_then(|parent| parent.to_str()?.parse().ok());
    let path =
        arguments.next().ok_or_else(|| cannot("expected the parent's process id and an order".to_owned()))?;
    let order = fs::read(path).map_err(|error| cannot(format!("cannot read the order: {error}")))?;
    let order: Order =
        serde_json::from_slice(&order).map_err(|error| cannot(format!("cannot read the order: {error}")))?;
    end_with_parent().map_err(|error| cannot(format!("cannot be bound to its attendant: {error}")))?;
    // Had it ended before we asked, nobody would tell us.
    if parent != Some(parent_id()) {
        return Err(cannot("the attendant has ended already".to_owned()));
    }
    limit(&order).map_err(|error| cannot(format!("cannot be limited: {error}")))?;
    let mut command = command(&order).ok_or_else(|| cannot("an order without a command".to_owned()))?;
    if let Isolation::Landlock(_) = order.rules.isolation {
        give_up_root().map_err(|error| cannot(format!("root's rights cannot be given up: {error}")))?;
        landlock::restrict(&order.rules.grants).map_err(cannot)?;
    }
    let error = command.env_clear().envs(order.environment).current_dir(&order.directory).exec();
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
    let is_closed = error.kind() == io::ErrorKind::PermissionDenied
        && matches!(order.rules.isolation, Isolation::Landlock(_));
    let hint = if is_closed { ": the sandbox does not open it, --read DIR does" } else { "" };
    Err((code, format!("cannot run {}: {error}{hint}", command.get_program().display())))
}

fn command(order: &Order) -> Option<Command> {
    let (program, arguments) = order.command.split_first()?;
    let mut command = match &order.rules.isolation {
        Isolation::Bwrap(bwrap) => {
            let mut command = Command::new(bwrap);
            command.args(bwrap::arguments(&order.rules.grants, &order.directory)).arg(program);
            command
        }
        Isolation::Landlock(_) | Isolation::Cooperative => Command::new(program),
    };
    command.args(arguments);
    Some(command)
}

/// Root has rights that go around Landlock, as to read the memory of other processes: what a command of root's starts
/// with is what is left in the bounding set (capabilities(7)), and that is nothing. bubblewrap does the same.
#[cfg(target_os = "linux")]
fn give_up_root() -> io::Result<()> {
    use rustix::thread::{CapabilitySet, capability_is_in_bounding_set, remove_capability_from_bounding_set};
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    for capability in CapabilitySet::all().iter() {
        // The kernel need not know all of them.
        if capability_is_in_bounding_set(capability).unwrap_or(false) {
            remove_capability_from_bounding_set(capability)?;
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn give_up_root() -> io::Result<()> {
    Ok(())
}

fn limit(order: &Order) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let at_most = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    // What a process held in memory is nobody's to find on the disk.
    setrlimit(Resource::Core, at_most(0))?;
    if let Some(bytes) = order.memory_bytes {
        setrlimit(Resource::As, at_most(bytes))?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn end_with_parent() -> io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> io::Result<()> {
    Ok(())
}
