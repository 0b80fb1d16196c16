//! This machine: room on the disk, and what holds commands to their bounds.

use super::report::Finding;
use crate::{
    home::Home,
    sandbox::{Isolation, Wish, choose},
    status::size,
};

/// Less than this and writes may fail soon.
const TIGHT_BYTES: u64 = 1 << 30;
/// Less than this and they are about to.
const FULL_BYTES: u64 = 128 << 20;

/// Whether the store has room to grow, if it is on this machine.
pub(super) fn disk(home: &Home) -> Finding {
    let store = home.nats();
    let folder = if store.exists() { store } else { home.path().to_owned() };
    match rustix::fs::statvfs(&folder) {
        Ok(disk) => {
            let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
            judge(free_bytes, &format!("{} free under {}", size(free_bytes), folder.display()))
        }
        Err(error) => Finding::warn(
            "disk space",
            format!("cannot tell of {}: {error}", folder.display()),
            "look with df",
        ),
    }
}

/// By what workers and verifiers isolate the commands that they run here.
pub(super) fn isolation() -> Finding {
    const CHECK: &str = "commands of others";
    match choose(Wish::Auto) {
        Ok(Isolation::Cooperative) | Err(_) => Finding::warn(
            CHECK,
            Isolation::Cooperative.told(),
            "a Linux kernel of 5.13 or newer with Landlock enabled, or bubblewrap on PATH",
        ),
        Ok(isolation) => Finding::ok(CHECK, isolation.told()),
    }
}

fn judge(free_bytes: u64, seen: &str) -> Finding {
    let (check, fix) =
        ("disk space", "make room, or move the folder; server.max_store_bytes bounds the streams");
    match free_bytes {
        ..FULL_BYTES => Finding::fail(check, seen, fix),
        FULL_BYTES..TIGHT_BYTES => Finding::warn(check, seen, fix),
        TIGHT_BYTES.. => Finding::ok(check, seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn a_full_disk_fails_and_a_tight_one_warns() {
        for (free_bytes, wanted) in [(0, Level::Fail), (FULL_BYTES, Level::Warn), (TIGHT_BYTES, Level::Ok)] {
            assert_eq!(judge(free_bytes, "").level, wanted, "{free_bytes}");
        }
    }
}
