//! The processes that came of this one, and their end.

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

/// Kills a process group and all that came of this process.
pub(super) fn kill_all(group: Pid) {
    // Each may have ended this very moment.
    let _ = killpg(group, Signal::SIGKILL);
    for pid in descendants(std::process::id(), &parents()) {
        let _ = kill(pid, Signal::SIGKILL);
    }
}

/// Processes and their parents (proc_pid_stat(5)).
fn parents() -> Vec<(u32, u32)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, parent(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect()
}

/// The name may hold anything, also parentheses and blanks.
fn parent(stat: &str) -> Option<u32> {
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

fn descendants(of: u32, parents: &[(u32, u32)]) -> Vec<Pid> {
    let mut found = vec![of];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let children: Vec<u32> = parents
            .iter()
            .filter(|(pid, its)| *its == parent && !found.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        found.extend(children);
    }
    found.into_iter().skip(1).filter_map(|pid| i32::try_from(pid).ok()).map(Pid::from_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_came_of_a_process_is_found_and_nothing_else() {
        let parents = [(1, 0), (2, 1), (10, 2), (11, 10), (12, 11), (20, 2), (13, 10)];
        let mut found: Vec<i32> = descendants(10, &parents).into_iter().map(Pid::as_raw).collect();
        found.sort_unstable();
        assert_eq!(found, [11, 12, 13]);
        assert_eq!(parent("7 (a) b (c)) S 42 7 7 0"), Some(42));
        assert_eq!(parent("nonsense"), None);
    }
}
