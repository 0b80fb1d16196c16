//! Running git: without prompts, hooks or leftovers of our environment, with a deadline, and with no more
//! of what it says than is worth reading.

use std::{
    ffi::OsStr,
    io::{self, Read},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use selvedge_kit::clock::Deadline;

use super::location::PROTOCOLS;

/// Most that is read of what git says, of each stream.
const MOST_BYTES: usize = 1 << 20;
const POLL: Duration = Duration::from_millis(3);
/// The oldest git that can do what is asked of it here.
const OLDEST: (u32, u32) = (2, 30);
/// What git may know of our environment: where programs and its own configuration and keys are, and how the
/// network is reached.
const KEPT: &[&str] = &[
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
    "all_proxy",
    "ALL_PROXY",
];
/// How long what git said is waited for once git has ended: something that it started may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// No connection that is shared: its keeper would outlive git, and hold its pipes.
const SSH: &str = "ssh -oBatchMode=yes -oConnectTimeout=10 -oControlMaster=no -oControlPath=none";

/// What git said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) is_well: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// What went wrong, in git's words, in one line.
    pub(crate) fn reason(&self) -> String {
        const MOST_CHARS: usize = 500;
        let lines = self.stderr.lines().chain(self.stdout.lines().filter(|line| line.starts_with('!')));
        let kept: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
        kept.join("; ").chars().take(MOST_CHARS).collect()
    }
}

/// Runs git in a folder until the deadline; then it is killed, and all that it started.
///
/// # Errors
/// That it cannot be run, or did not end in time.
pub(crate) fn git<S: AsRef<OsStr>>(
    folder: &Path,
    arguments: &[S],
    deadline: Deadline,
) -> Result<Said, String> {
    let mut command = Command::new("git");
    command.env_clear().envs(KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    command
        .envs([("LC_ALL", "C"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_ALLOW_PROTOCOL", PROTOCOLS)])
        .envs([("GIT_SSH_COMMAND", SSH), ("GIT_ASKPASS", ""), ("SSH_ASKPASS", "")])
        .current_dir(folder)
        .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("git is not installed; install git {}.{} or later", OLDEST.0, OLDEST.1)
        }
        _ => format!("cannot run git: {error}"),
    })?;
    let (stdout, stderr) = (read(child.stdout.take()), read(child.stderr.take()));
    let ended = wait(&mut child, deadline);
    let (stdout, stderr) = (stdout.words(), stderr.words());
    match ended {
        Some(is_well) => Ok(Said { is_well, stdout, stderr }),
        None => Err("git did not end in time".to_owned()),
    }
}

/// Whether it ended well; nothing if it had to be killed.
#[allow(
    clippy::disallowed_methods,
    reason = "a thread of its own sleeps here, never a runtime's; the deadline bounds it"
)]
fn wait(child: &mut Child, deadline: Deadline) -> Option<bool> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if !deadline.has_passed() => thread::sleep(POLL),
            _ => break,
        }
    }
    // It may have ended just now, and waiting for what is gone fails: both are fine.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
    None
}

/// What comes out of a stream, as far as it has come.
struct Heard {
    kept: Arc<Mutex<Vec<u8>>>,
    /// Closed at the stream's end.
    end: mpsc::Receiver<()>,
}

impl Heard {
    fn words(self) -> String {
        // An end or none: what has come by now is all that git said.
        let _ = self.end.recv_timeout(LAST_WORDS);
        String::from_utf8_lossy(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// Keeps what is worth reading; the rest is let go, so that git is not held up.
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST_BYTES.saturating_sub(kept.len());
        kept.extend(bytes.iter().take(room));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read(stream: Option<impl Read + Send + 'static>) -> Heard {
    let (kept, (open, end)) = (Arc::<Mutex<Vec<u8>>>::default(), mpsc::channel());
    let heard = Heard { kept: Arc::clone(&kept), end };
    thread::spawn(move || {
        let (_open, Some(mut stream)) = (open, stream) else { return };
        // A stream that breaks off ends there.
        let _ = io::copy(&mut stream, &mut Kept(kept));
    });
    heard
}

/// Whether git is there and new enough.
///
/// # Errors
/// What to install.
pub(crate) fn check(deadline: Deadline) -> Result<(), String> {
    let said = git(Path::new("/"), &["version"], deadline)?;
    match version(&said.stdout) {
        Some(found) if found >= OLDEST => Ok(()),
        _ => {
            let found = said.stdout.trim();
            Err(format!("this machine has {found:?}; install git {}.{} or later", OLDEST.0, OLDEST.1))
        }
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("git version ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_git_prints_them() {
        assert_eq!(version("git version 2.47.3\n"), Some((2, 47)));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version("gitless"), None);
        assert!(check(Deadline::in_ms(10_000)).is_ok());
    }

    #[test]
    fn what_git_leaves_running_holds_nobody_up() {
        let before = std::time::Instant::now();
        let left = "alias.leave=!echo said; sleep 20 & exit 0";
        let said = git(Path::new("/"), &["-c", left, "leave"], Deadline::in_ms(10_000)).unwrap();
        assert_eq!((said.is_well, said.stdout.trim()), (true, "said"));
        assert!(before.elapsed() < Duration::from_secs(10), "its output is open for twenty seconds");
    }

    #[test]
    fn git_that_does_not_end_is_killed_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("pid");
        let alias = format!("alias.hang=!sleep 600 & echo $! > {}; wait", mark.display());
        let before = std::time::Instant::now();
        let error = git(folder.path(), &["-c", &alias, "hang"], Deadline::in_ms(2_000)).unwrap_err();
        assert!(error.contains("in time"), "{error}");
        assert!(before.elapsed() < Duration::from_secs(60));
        let started: i32 = std::fs::read_to_string(mark).unwrap().trim().parse().unwrap();
        // Signals are delivered in their own time.
        let (deadline, mut state) = (Deadline::in_ms(10_000), "not read".to_owned());
        while !(state.is_empty() || state.contains(") Z ")) {
            assert!(!deadline.has_passed(), "{state}");
            state = std::fs::read_to_string(format!("/proc/{started}/stat")).unwrap_or_default();
        }
    }
}
