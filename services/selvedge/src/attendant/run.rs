//! The attendant itself.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufRead as _, PipeReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, killpg},
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::{CONFINED, Ended, How, Order, Output, Why, capture, descendants::kill_all};

/// How long it is tried to kill what came of the command.
const KILLING: Duration = Duration::from_secs(5);
/// How often.
const AGAIN: Duration = Duration::from_millis(20);
/// Events that wait to be looked at.
const EVENTS: usize = 16;

/// Attends to a command; `arguments` are those after the subcommand. Ends with success once it is written how the
/// command ended.
pub fn attend(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Some(path) = arguments.into_iter().next() else {
        eprintln!("error: expected an order");
        return ExitCode::FAILURE;
    };
    match attended(Path::new(&path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot attend to a command: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the attendant hears of.
enum Event {
    /// The command has ended.
    Ended(How),
    /// Nothing is left of it.
    AllGone,
    /// It is to end.
    Stop,
    /// It is to be killed.
    Kill,
    /// Whoever wanted it has died.
    Orphaned,
}

fn attended(path: &Path) -> io::Result<()> {
    let order: Order = serde_json::from_slice(&fs::read(path)?)?;
    // A session of its own: signals of a terminal are for whoever wanted it.
    nix::unistd::setsid()?;
    adopt_orphans()?;
    let begun = Instant::now();
    let (group, captures) = start(path, &order)?;
    let (tell, told) = sync_channel(EVENTS);
    listen(tell.clone());
    watch(group, tell);
    let mut command = Attending { group, told, grace: Duration::from_millis(order.grace_ms) };
    let (how, why) = command.until_gone(begun + Duration::from_millis(order.timeout_ms));
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    // If something of it could not be killed, it may hold the pipe for ever.
    let left_out_bytes =
        if how.is_some() { captures.into_iter().filter_map(|it| it.join().ok()).sum() } else { 0 };
    let ended = Ended { how, why, took_ms, left_out_bytes };
    let written = order.ended.with_extension("part");
    fs::write(&written, serde_json::to_vec(&ended)?)?;
    fs::rename(written, order.ended)
}

#[cfg(target_os = "linux")]
fn adopt_orphans() -> io::Result<()> {
    // Any process id but none asks for it.
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

#[cfg(not(target_os = "linux"))]
fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

type Captures = Vec<thread::JoinHandle<u64>>;

/// Starts the command from this thread, which lives as long as the attendant: on Linux the death signal comes with
/// the end of the thread that started it.
fn start(path: &Path, order: &Order) -> io::Result<(Pid, Captures)> {
    let stdin = order.stdin.as_ref().map(File::open).transpose()?;
    let mut command = Command::new(own_binary()?);
    command.arg(CONFINED).arg(std::process::id().to_string()).arg(path).env_clear().process_group(0);
    command.stdin(stdin.map_or_else(Stdio::null, Stdio::from));
    let mut readers: Vec<(PipeReader, PathBuf)> = Vec::new();
    let (reader, writer) = io::pipe()?;
    match &order.output {
        Output::Together(path) => {
            command.stdout(writer.try_clone()?).stderr(writer);
            readers.push((reader, path.clone()));
        }
        Output::Apart { stdout, stderr } => {
            command.stdout(writer);
            readers.push((reader, stdout.clone()));
            let (reader, writer) = io::pipe()?;
            command.stderr(writer);
            readers.push((reader, stderr.clone()));
        }
    }
    let child = command.spawn()?;
    drop(command); // and with it our ends of the pipes
    let most = order.max_output_bytes;
    let captures = readers
        .into_iter()
        .map(|(reader, path)| thread::spawn(move || capture::keep(reader, &path, most)))
        .collect();
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok((Pid::from_raw(pid), captures))
}

/// This binary; on Linux also if another one lies in its place by now.
pub(super) fn own_binary() -> io::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { Ok(running) } else { std::env::current_exe() }
}

/// Hears what whoever wanted the command says.
fn listen(tell: SyncSender<Event>) {
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let event = if line == "kill" { Event::Kill } else { Event::Stop };
            if tell.send(event).is_err() {
                return;
            }
        }
        let _ = tell.send(Event::Orphaned); // it is over already
    });
}

/// Waits for all children: those without a parent become ours, so when none is left, nothing is.
fn watch(command: Pid, tell: SyncSender<Event>) {
    thread::spawn(move || {
        loop {
            let event = match waitpid(None, None) {
                Ok(WaitStatus::Exited(pid, status)) if pid == command => Event::Ended(How::Status(status)),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == command => {
                    Event::Ended(How::Signal(signal as i32))
                }
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(_) => Event::AllGone,
            };
            let is_last = matches!(event, Event::AllGone);
            if tell.send(event).is_err() || is_last {
                return;
            }
        }
    });
}

/// A command under way.
struct Attending {
    group: Pid,
    told: Receiver<Event>,
    grace: Duration,
}

/// How far a command is, and until when.
#[derive(Clone, Copy)]
enum Phase {
    Running(Instant),
    /// It was told to end.
    Stopping(Instant),
    /// It is being killed.
    Killing(Instant),
}

impl Attending {
    /// Until nothing of it is left.
    fn until_gone(&mut self, deadline: Instant) -> (Option<How>, Why) {
        let (mut how, mut why, mut phase) = (None, Why::Itself, Phase::Running(deadline));
        loop {
            match self.told.recv_timeout(wait(phase)) {
                Ok(Event::AllGone) | Err(RecvTimeoutError::Disconnected) => return (how, why),
                Ok(Event::Ended(ended)) => {
                    how = Some(ended);
                    phase = self.kill(phase);
                }
                Ok(Event::Stop) => (why, phase) = self.stop(phase, why, Why::Told),
                Ok(event @ (Event::Kill | Event::Orphaned)) => {
                    if how.is_none() && why == Why::Itself {
                        why = if matches!(event, Event::Kill) { Why::Told } else { Why::Orphaned };
                    }
                    phase = self.kill(phase);
                }
                Err(RecvTimeoutError::Timeout) => match phase {
                    Phase::Running(_) => (why, phase) = self.stop(phase, why, Why::Timeout),
                    Phase::Killing(until) if Instant::now() >= until => return (how, why),
                    Phase::Stopping(_) | Phase::Killing(_) => phase = self.kill(phase),
                },
            }
        }
    }

    /// Tells it to end, unless it was told already.
    fn stop(&self, phase: Phase, before: Why, because: Why) -> (Why, Phase) {
        let Phase::Running(_) = phase else { return (before, phase) };
        // It may have ended this very moment; a stopped process takes no other signal in.
        let _ = killpg(self.group, Signal::SIGTERM);
        let _ = killpg(self.group, Signal::SIGCONT);
        (because, Phase::Stopping(Instant::now() + self.grace))
    }

    fn kill(&self, phase: Phase) -> Phase {
        kill_all(self.group);
        match phase {
            Phase::Killing(_) => phase,
            Phase::Running(_) | Phase::Stopping(_) => Phase::Killing(Instant::now() + KILLING),
        }
    }
}

fn wait(phase: Phase) -> Duration {
    match phase {
        Phase::Running(until) | Phase::Stopping(until) => until.saturating_duration_since(Instant::now()),
        Phase::Killing(_) => AGAIN,
    }
}
