//! Asking for a lease until it is held, refused, or no longer waited for. One call waits no longer than a
//! round; the next one is the same request, so the place in the queue stays.

use std::{
    io::{self, IsTerminal as _, Write as _},
    pin::pin,
    time::Duration,
};

use selvedge_contracts::{
    call,
    fault::Fault,
    id::LeaseId,
    payload::lease::{Acquire, AcquireReply, Blocker, Lease, Release},
};
use selvedge_kit::client::Options;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Asking, left};
use crate::{
    exit::{Failure, INTERRUPTED},
    output::{Format, hint},
};

/// The first round is short: whoever waits should soon learn for whom.
const FIRST_ROUND_MS: u64 = 1_500;
/// Longest round: so old is what is said of whom is waited for.
const ROUND_MS: u64 = 10_000;
/// Longer than the wait, for the answer that it is over to arrive.
const ANSWER_MS: u64 = 5_000;
/// How long it may take to withdraw a request.
const WITHDRAW_MS: u64 = 3_000;
/// How often the line on the terminal is renewed.
const TICK: Duration = Duration::from_secs(1);

/// One request for a lease.
pub(super) struct Queue<'a> {
    pub(super) asking: &'a Asking,
    pub(super) request: Acquire,
    pub(super) key: String,
    /// People are told whom they wait for; programs read it in the end.
    pub(super) output: Format,
}

/// A key that no other request has.
pub(super) fn fresh_key() -> String {
    format!("cli-{:032x}", rand::random::<u128>())
}

impl Queue<'_> {
    /// Waits until the lease is held. If `stop` comes first, the request is withdrawn.
    ///
    /// # Errors
    /// The refusal; [`Failure::Ended`] if it was stopped.
    pub(super) async fn acquire(&self, stop: &CancellationToken) -> Result<Lease, Failure> {
        let mut progress = Progress::new(self.request.wait_ms.unwrap_or(0), self.output);
        let mut waiting = None;
        let granted = stop.run_until_cancelled(self.rounds(&mut progress, &mut waiting)).await;
        progress.clear();
        match granted {
            Some(granted) => granted,
            None => {
                self.withdraw(waiting).await;
                Err(Failure::Ended(INTERRUPTED))
            }
        }
    }

    async fn rounds(&self, progress: &mut Progress, waiting: &mut Option<LeaseId>) -> Result<Lease, Failure> {
        let last_answer_at = progress.until + Duration::from_millis(ANSWER_MS);
        let mut round_ms = if progress.is_wait() { FIRST_ROUND_MS } else { ROUND_MS };
        loop {
            let left_ms = millis(last_answer_at.saturating_duration_since(Instant::now()));
            match progress.during(self.ask(round_ms.min(left_ms.max(1)))).await {
                Ok(AcquireReply { lease, .. }) if lease.is_held() => return Ok(lease),
                Ok(AcquireReply { lease, blockers }) => {
                    *waiting = Some(lease.id);
                    progress.waits_for(blockers);
                }
                // The last one may have been granted: nobody but the holder could tell.
                Err(fault)
                    if fault.is_retryable() && progress.is_wait() && Instant::now() < progress.until =>
                {
                    progress.says(&format!("{fault}; trying again"));
                }
                Err(fault) => return Err(fault.into()),
            }
            if Instant::now() >= last_answer_at {
                return Err(
                    Fault::unavailable("the wait is over and nobody said how it ended; ask again").into()
                );
            }
            round_ms = ROUND_MS;
        }
    }

    async fn ask(&self, timeout_ms: u64) -> Result<AcquireReply, Fault> {
        let options = Options {
            idempotency_key: Some(self.key.clone()),
            timeout_ms: Some(timeout_ms),
            ..Options::default()
        };
        let answered = self.asking.client.call_with::<call::LeaseAcquire>(&self.request, &options).await;
        answered.map(|answered| answered.reply)
    }

    /// Gives back what may have been granted, or the place in the queue.
    async fn withdraw(&self, known: Option<LeaseId>) {
        let lease = match known {
            Some(lease) => Some(lease),
            // Only its answer says which lease it is.
            None => self.ask(FIRST_ROUND_MS).await.ok().map(|reply| reply.lease.id),
        };
        if let Some(lease) = lease {
            release(self.asking, &self.request, lease).await;
        }
    }
}

/// Gives a lease back at the end of a command; if that fails it says until when the lease stands.
pub(super) async fn release(asking: &Asking, request: &Acquire, lease: LeaseId) {
    let options = Options { timeout_ms: Some(WITHDRAW_MS), ..Options::default() };
    let wanted = Release { space: request.space.clone(), lease };
    let released = asking.client.call_with::<call::LeaseRelease>(&wanted, &options).await;
    if let Err(fault) = released {
        hint(&format!("{} is not released, and stands until it runs out: {fault}", wanted.lease));
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// What whoever waits is told: one line that is renewed on a terminal, a line for every change elsewhere.
struct Progress {
    began: Instant,
    until: Instant,
    wait_ms: u64,
    line: String,
    shown: Shown,
}

/// Where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Terminal,
    Lines,
    Nowhere,
}

impl Progress {
    fn new(wait_ms: u64, output: Format) -> Self {
        let began = Instant::now();
        let until = began + Duration::from_millis(wait_ms);
        let shown = match output {
            Format::Human if io::stderr().is_terminal() => Shown::Terminal,
            Format::Human => Shown::Lines,
            Format::Json | Format::Jsonl => Shown::Nowhere,
        };
        Self { began, until, wait_ms, line: String::new(), shown }
    }

    fn is_wait(&self) -> bool {
        self.wait_ms > 0
    }

    /// Awaits an answer and renews the line meanwhile.
    async fn during<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        loop {
            match tokio::time::timeout(TICK, &mut answer).await {
                Ok(answered) => return answered,
                Err(_) => self.draw(),
            }
        }
    }

    fn waits_for(&mut self, blockers: Vec<Blocker>) {
        let first = blockers.first().map(|blocker| {
            let more = match blockers.len() {
                1 => String::new(),
                more => format!(", and {} more", more - 1),
            };
            format!("{} {}{more}", blocker.holder, doing(blocker))
        });
        self.says(&first.unwrap_or_else(|| "its turn".to_owned()));
    }

    fn says(&mut self, line: &str) {
        let is_new = self.line != line;
        line.clone_into(&mut self.line);
        match self.shown {
            Shown::Terminal => self.draw(),
            Shown::Lines if is_new => hint(&format!("waiting: {line}")),
            Shown::Lines | Shown::Nowhere => {}
        }
    }

    fn draw(&self) {
        if self.shown == Shown::Terminal && !self.line.is_empty() {
            let waited = left(millis(self.began.elapsed()));
            let line = format!("waiting {waited} of {}: {}", left(self.wait_ms), self.line);
            // What nobody can read is not missed.
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K{line}");
        }
    }

    fn clear(&self) {
        if self.shown == Shown::Terminal && !self.line.is_empty() {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}

fn doing(blocker: &Blocker) -> String {
    let claims: Vec<String> = blocker.claims.iter().map(ToString::to_string).collect();
    let verb = match blocker.state {
        selvedge_contracts::payload::lease::LeaseState::Held => "holds",
        selvedge_contracts::payload::lease::LeaseState::Waiting => "waits for",
    };
    format!("{verb} {}", claims.join(", "))
}
