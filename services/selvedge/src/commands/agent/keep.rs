//! Keeping a session: heartbeats well inside its presence, a fresh credential at two thirds of its
//! life, a new session when the old one is lost, and its end when the keeper stops.

use std::ops::ControlFlow;

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    payload::{
        Nothing,
        session::{Session, SessionEnd},
    },
};
use selvedge_kit::{
    client::{Client, Options},
    clock::now_ms,
};
use tokio_util::sync::CancellationToken;

use super::pace::{beat_ms, jittered, renewal};
use crate::{
    exit::{Done, Failure},
    output::{hint, instant},
    sessions::{Opened, Sessions},
};

/// What becomes of the session when the keeper stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// It is ended.
    End,
    /// It stays open until its presence runs out.
    Leave,
}

/// Keeps one session.
pub(crate) struct Keeper<'a> {
    pub(super) sessions: Sessions<'a>,
    pub(super) at_end: AtEnd,
}

/// Heartbeats that may go unanswered before the session is opened anew.
const MOST_MISSED: u32 = 3;
/// First pause between attempts to open a session again, in milliseconds.
const FIRST_PAUSE_MS: u64 = 250;
/// Longest pause between attempts to open a session again, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 10_000;
/// How long the goodbye may take.
const GOODBYE_MS: u64 = 3_000;

impl<'a> Keeper<'a> {
    /// One that does not end the session.
    pub(crate) fn leaving(sessions: Sessions<'a>) -> Self {
        Self { sessions, at_end: AtEnd::Leave }
    }

    /// Keeps the session until `stop`. The first failure to open it ends the command; later ones are
    /// waited out, unless they cannot be mended by waiting. Whenever it stops, the session is ended.
    pub(super) async fn run(&self, stop: &CancellationToken) -> Done {
        let mut opened = self.sessions.open().await?;
        loop {
            self.show(&opened)?;
            let connected = patiently(stop, async || self.sessions.connect().await);
            let Some(client) = connected.await? else {
                return self.leave_anew().await;
            };
            let held = stop.run_until_cancelled(self.hold(&client, opened.session));
            let Some(fault) = held.await else {
                return self.leave(&client).await;
            };
            hint(&format!("{fault}; opening the session anew"));
            let started = patiently(stop, async || self.sessions.start().await);
            let Some(started) = started.await? else {
                return self.leave_anew().await;
            };
            opened = started;
        }
    }

    fn show(&self, opened: &Opened) -> Done {
        self.sessions.context.output.print(opened, Opened::human)?;
        Ok(())
    }

    /// Keeps the session alive; gives the reason why it cannot any more.
    pub(crate) async fn hold(&self, client: &Client, mut session: Session) -> Fault {
        let mut missed = 0;
        let mut renew_at_ms = renewal(now_ms(), session.expires_at_ms, rand::random_range(0.0..1.0));
        loop {
            let pause_ms = beat_ms(session.presence_ttl_ms).min(renew_at_ms.saturating_sub(now_ms()));
            tokio::time::sleep(jittered(pause_ms)).await;
            let kept = if now_ms() >= renew_at_ms {
                self.renew(client).await.map(|renewed| {
                    renew_at_ms = renewal(now_ms(), renewed.expires_at_ms, rand::random_range(0.0..1.0));
                    session = renewed;
                })
            } else {
                client.call::<call::Heartbeat>(&Nothing {}).await.map(|_| ())
            };
            if let ControlFlow::Break(fault) = judge(kept, &mut missed) {
                return fault;
            }
        }
    }

    async fn renew(&self, client: &Client) -> Result<Session, Fault> {
        let renewed = self.sessions.renew(client).await.map_err(|failure| match failure {
            Failure::Fault(fault) => fault,
            other => Fault::unavailable(other.to_string()),
        })?;
        client.bus().reconnect().await;
        hint(&format!("credential renewed until {}", instant(renewed.session.expires_at_ms)));
        Ok(renewed.session)
    }

    /// As [`Keeper::leave`], when there is no connection.
    async fn leave_anew(&self) -> Done {
        if self.at_end == AtEnd::Leave {
            return Ok(());
        }
        self.leave(&self.sessions.connect().await?).await
    }

    async fn leave(&self, client: &Client) -> Done {
        if self.at_end == AtEnd::Leave {
            return Ok(());
        }
        let options = Options { timeout_ms: Some(GOODBYE_MS), ..Options::default() };
        let end = SessionEnd { reason: Some("its keeper stopped".to_owned()), ..SessionEnd::default() };
        match client.call_with::<call::SessionEnd>(&end, &options).await {
            Ok(ended) => hint(&format!("session {} ended", ended.reply.session.id)),
            // Somebody else was first.
            Err(fault) if fault.code == Code::Denied => hint(&fault.to_string()),
            Err(fault) => return Err(fault.into()),
        }
        Ok(())
    }
}

/// Tries until it works or fails for a reason that waiting cannot mend; nothing if `stop` came first.
/// An attempt under way is not cut off, so that what it opened is known and can be ended.
async fn patiently<T>(
    stop: &CancellationToken,
    mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut pause_ms = FIRST_PAUSE_MS;
    while !stop.is_cancelled() {
        match attempt().await {
            Err(failure) if failure.is_retryable() => hint(&format!("{failure}; trying again")),
            settled => return settled.map(Some),
        }
        stop.run_until_cancelled(tokio::time::sleep(jittered(pause_ms))).await;
        pause_ms = (pause_ms * 2).min(LONGEST_PAUSE_MS);
    }
    Ok(None)
}

/// Whether to go on: an answer forgets what was missed; a refusal, or too much missed, ends it.
fn judge(kept: Result<(), Fault>, missed: &mut u32) -> ControlFlow<Fault> {
    match kept {
        Ok(()) => *missed = 0,
        Err(fault) if fault.is_retryable() && *missed + 1 < MOST_MISSED => *missed += 1,
        Err(fault) => return ControlFlow::Break(fault),
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_silences_are_borne_and_a_refusal_is_not() {
        let silence = || Err(Fault::unavailable("nobody answers"));
        let mut missed = 0;
        assert!(judge(silence(), &mut missed).is_continue());
        assert!(judge(silence(), &mut missed).is_continue());
        assert!(judge(Ok(()), &mut missed).is_continue());
        assert_eq!(missed, 0);
        for _ in 0..2 {
            assert!(judge(silence(), &mut missed).is_continue());
        }
        assert!(judge(silence(), &mut missed).is_break());
        assert!(judge(Err(Fault::denied("over")), &mut 0).is_break());
    }
}
