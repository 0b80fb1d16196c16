//! Keeping a session: heartbeats well inside its presence, a fresh credential at two thirds of its
//! life, a new session when the old one is lost, and its end when the keeper stops.

use std::ops::ControlFlow;

use selvedge_contracts::{
    call,
    fault::Fault,
    payload::{
        Nothing,
        session::{Session, SessionEnd},
    },
};
use selvedge_kit::{client::Client, clock::now_ms};
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
/// Longest pause between attempts to open a session again, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 10_000;
/// How long the goodbye may take.
const GOODBYE_MS: u64 = 3_000;

impl Keeper<'_> {
    /// Keeps the session until `stop`. The first failure to open it ends the command; later ones are
    /// waited out, unless they cannot be mended by waiting.
    pub(super) async fn run(&self, stop: &CancellationToken) -> Done {
        let mut opened = match stop.run_until_cancelled(self.sessions.open()).await {
            Some(opened) => opened?,
            None => return Ok(()),
        };
        loop {
            self.show(&opened)?;
            let client = match stop.run_until_cancelled(self.connect()).await {
                Some(client) => client?,
                None => return Ok(()),
            };
            let held = stop
                .run_until_cancelled(self.hold(&client, opened.session))
                .await;
            let Some(fault) = held else {
                return self.leave(&client).await;
            };
            hint(&format!("{fault}; opening the session anew"));
            opened = match stop
                .run_until_cancelled(self.patiently(async || self.sessions.start().await))
                .await
            {
                Some(opened) => opened?,
                None => return Ok(()),
            };
        }
    }

    async fn connect(&self) -> Result<Client, Failure> {
        self.patiently(async || self.sessions.connect().await).await
    }

    fn show(&self, opened: &Opened) -> Done {
        self.sessions.context.output.print(opened, Opened::human)?;
        Ok(())
    }

    /// Tries until it works or fails for a reason that waiting cannot mend.
    async fn patiently<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut pause_ms = 250;
        loop {
            match attempt().await {
                Err(failure) if failure.is_retryable() => hint(&format!("{failure}; trying again")),
                settled => return settled,
            }
            tokio::time::sleep(jittered(pause_ms)).await;
            pause_ms = (pause_ms * 2).min(LONGEST_PAUSE_MS);
        }
    }

    /// Keeps the session alive; gives the reason why it cannot any more.
    async fn hold(&self, client: &Client, mut session: Session) -> Fault {
        let mut missed = 0;
        let mut renew_at_ms = renewal(
            now_ms(),
            session.expires_at_ms,
            rand::random_range(0.0..1.0),
        );
        loop {
            let pause_ms =
                beat_ms(session.presence_ttl_ms).min(renew_at_ms.saturating_sub(now_ms()));
            tokio::time::sleep(jittered(pause_ms)).await;
            let kept = if now_ms() >= renew_at_ms {
                self.renew(client).await.map(|renewed| {
                    renew_at_ms = renewal(
                        now_ms(),
                        renewed.expires_at_ms,
                        rand::random_range(0.0..1.0),
                    );
                    session = renewed;
                })
            } else {
                client
                    .call::<call::Heartbeat>(&Nothing {})
                    .await
                    .map(|_| ())
            };
            if let ControlFlow::Break(fault) = judge(kept, &mut missed) {
                return fault;
            }
        }
    }

    async fn renew(&self, client: &Client) -> Result<Session, Fault> {
        let renewed = self
            .sessions
            .renew(client)
            .await
            .map_err(|failure| match failure {
                Failure::Fault(fault) => fault,
                other => Fault::unavailable(other.to_string()),
            })?;
        client.bus().reconnect().await;
        hint(&format!(
            "credential renewed until {}",
            instant(renewed.session.expires_at_ms)
        ));
        Ok(renewed.session)
    }

    async fn leave(&self, client: &Client) -> Done {
        if self.at_end == AtEnd::Leave {
            return Ok(());
        }
        let options = selvedge_kit::client::Options {
            timeout_ms: Some(GOODBYE_MS),
            ..Default::default()
        };
        let end = SessionEnd {
            reason: Some("its keeper stopped".to_owned()),
            ..SessionEnd::default()
        };
        let ended = client
            .call_with::<call::SessionEnd>(&end, &options)
            .await?
            .reply;
        hint(&format!("session {} ended", ended.session.id));
        Ok(())
    }
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
