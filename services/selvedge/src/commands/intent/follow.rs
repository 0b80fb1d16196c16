//! Following an intent until nothing more follows of itself.

use std::time::Duration;

use futures::StreamExt as _;
use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::{Detail, Fault},
    id::IntentId,
    payload::intent::{IntentReply, IntentShow, IntentState},
    subject::Entity,
};
use selvedge_kit::clock::Deadline;
use tokio::time::timeout;

use super::short;
use crate::{
    commands::lease::{Asking, left},
    exit::{Ending, Failure},
};

/// Asked again after this, whatever was heard: news may be lost with a connection.
const EVERY: Duration = Duration::from_secs(2);
/// How long the subscription may take to stand, in milliseconds.
const STAND_MS: u64 = 5_000;
/// Longest wait for the verification of what was just proposed, in milliseconds: it follows at once.
const VERIFICATION_MS: u64 = 10_000;
/// Longest wait that may be asked for, in milliseconds: no intent lives longer before it is executed.
const LONGEST_MS: u64 = selvedge_contracts::payload::intent::MAX_INTENT_TTL_MS;

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) struct Patience(pub(in crate::commands) u64);

impl Patience {
    /// As it is typed.
    pub(in crate::commands) fn read(text: &str) -> Result<Self, String> {
        match crate::input::milliseconds(text)? {
            wait_ms @ 0..=LONGEST_MS => Ok(Self(wait_ms)),
            _ => Err("expected at most 30d".to_owned()),
        }
    }
}

/// Follows an intent until it is settled; `told` hears of every state on the way.
///
/// # Errors
/// [`Ending::Waiting`] if the time is up before.
pub(in crate::commands) async fn follow(
    asking: &Asking,
    id: &IntentId,
    patience: Patience,
    told: impl FnMut(&IntentReply),
) -> Result<IntentReply, Failure> {
    let seen = until(asking, id, patience, told, IntentState::is_settled).await?;
    if seen.intent.state.is_settled() { Ok(seen) } else { Err(still_waits(&seen, patience)) }
}

fn still_waits(seen: &IntentReply, Patience(wait_ms): Patience) -> Failure {
    let (id, state) = (short(&seen.intent.id), seen.intent.state.name());
    Ending::Waiting.failure(format!("{id} is still {state} after {}", left(wait_ms)), &[])
}

/// What was just proposed, once it is known whether it may be done.
pub(in crate::commands) async fn past_verification(
    asking: &Asking,
    proposed: IntentReply,
) -> Result<IntentReply, Failure> {
    if proposed.intent.state != IntentState::Proposed {
        return Ok(proposed);
    }
    let is_verified = |state| state != IntentState::Proposed;
    until(asking, &proposed.intent.id, Patience(VERIFICATION_MS), |_| {}, is_verified).await
}

/// The intent once its state is as wanted, or as it stands when the time is up.
async fn until(
    asking: &Asking,
    id: &IntentId,
    Patience(wait_ms): Patience,
    mut told: impl FnMut(&IntentReply),
    is_wanted: impl Fn(IntentState) -> bool,
) -> Result<IntentReply, Failure> {
    let deadline = Deadline::in_ms(wait_ms);
    let entity = Entity { mission: asking.mission.clone(), name: EntityName::Intent, id: id.into() };
    let bus = asking.client.bus();
    let news = bus.subscribe(&entity.live(), None).await;
    let mut news = news.map_err(|error| Fault::unavailable(error.to_string()))?;
    bus.flush(Deadline::in_ms(STAND_MS)).await;
    let mut last = None;
    loop {
        let wanted = IntentShow { intent: id.clone() };
        match asking.client.call::<call::IntentShow>(&wanted).await {
            Ok(answered) => {
                let seen = answered.reply;
                if last.as_ref().is_none_or(|last: &IntentReply| last.revision != seen.revision) {
                    told(&seen);
                }
                if is_wanted(seen.intent.state) || deadline.has_passed() {
                    return Ok(seen);
                }
                last = Some(seen);
            }
            Err(fault) if fault.is_retryable() && !deadline.has_passed() => {}
            Err(fault) => return Err(fault.into()),
        }
        // What is heard is only a reason to ask again.
        let pause = deadline.remaining().min(EVERY).max(Duration::from_millis(1));
        if let Ok(None) = timeout(pause, news.next()).await {
            tokio::time::sleep(pause).await; // the connection is gone: asking says so
        }
    }
}

/// How an intent ended: well only if it is committed.
///
/// # Errors
/// [`Failure::Ending`] with every reason, if it is settled and not committed.
pub(in crate::commands) fn outcome(reply: &IntentReply) -> Result<(), Failure> {
    let intent = &reply.intent;
    let Some(ending) = Ending::of(intent.state) else { return Ok(()) };
    let message = match intent.state {
        IntentState::Unknown => format!(
            "nobody knows whether {0} happened: find out, and `selvedge intent settle {0} happened` or `did-not`",
            short(&intent.id)
        ),
        IntentState::Stuck => format!(
            "{0} was done and cannot be taken back: see to it, and `selvedge intent settle {0} happened` once it is",
            short(&intent.id)
        ),
        state => format!("{} {}", short(&intent.id), ended(state)),
    };
    let reasons: Vec<Detail> = intent.reasons.clone();
    Err(ending.failure(message, &reasons))
}

fn ended(state: IntentState) -> String {
    match state {
        IntentState::Expired | IntentState::Failed => state.name().to_owned(),
        state => format!("was {}", state.name()),
    }
}
