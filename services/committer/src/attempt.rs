//! One attempt at an intent's effect or undo, and those after it, until it has an end.
//!
//! An attempt is a fact before it is a deed: it says who acts and until when nobody else may. What cannot be
//! reached is tried again by the next attempt, which is on record before this one has been given up; what ran
//! out of time is left to whoever takes it over, who looks at the world first.

use std::{sync::Arc, time::Duration};

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    payload::intent::{Effect, Execution, Intent, Redeem},
};
use selvedge_kit::{
    client::Options,
    clock::{Deadline, now_ms},
    view::Entry,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    approvals,
    effects::{self, Carried, Earlier, Outcome, Side, Work, reason},
    record::{self, End},
    run,
    state::{Committer, entity},
};

/// Longest wait for governance and for one write, in milliseconds.
const STEP_MS: u64 = 10_000;
/// Longest that the end of an effect is tried to be recorded, in milliseconds; then whoever takes over finds out.
const RECORD_MS: u64 = 600_000;
/// First and longest pause before the next attempt at what cannot be reached, in milliseconds.
const PAUSE_MS: (u64, u64) = (250, 60_000);
/// Attempts after which an undo that cannot be carried out waits for a person: an hour or so.
const MAX_UNDO_ATTEMPTS: u32 = 100;

/// An attempt that is on record.
pub(crate) struct Attempt {
    /// The intent, as the fact of this attempt left it.
    intent: Arc<Intent>,
    revision: u64,
    earlier: Earlier,
    deadline: Deadline,
}

/// Begins an attempt at what was `seen`; nothing if it turns out that nobody may act on it.
///
/// # Errors
/// `unavailable` if governance or the ledger does not answer.
pub(crate) async fn begin(state: &Committer, seen: &Entry<Intent>) -> Result<Option<Attempt>, Fault> {
    let intent = seen.state.as_ref();
    if !intent.is_ready() {
        let earlier = if intent.state.is_settled() { Earlier::None } else { Earlier::Begun };
        let token = intent.execution.as_ref().and_then(|execution| execution.highest_token);
        return unless_moved_on(record(state, intent, token, earlier, 0).await);
    }
    if !approvals_hold(state, intent).await? {
        return Ok(None);
    }
    let request = Redeem { intent: intent.id.clone(), revision: seen.revision, token: intent.token.clone() };
    let options = Options { timeout_ms: Some(STEP_MS), ..Options::default() };
    let client = state.client.clone().in_mission(intent.mission.clone());
    let redeemed = match client.call_with::<call::IntentRedeem>(&request, &options).await {
        Ok(answered) => answered.reply,
        Err(fault) if fault.is_retryable() => return Err(fault),
        Err(fault) => {
            // What is stale governance has rejected, on the record.
            warn!(intent = %intent.id, error = %fault, "may not be executed");
            return Ok(None);
        }
    };
    state.config.steps.reached("redeemed");
    if now_ms() > redeemed.until_ms {
        return Err(Fault::unavailable("governance's word is too old by now"));
    }
    unless_moved_on(record(state, intent, redeemed.highest_token, Earlier::None, 0).await)
}

/// Holds the approvers' signatures against what is to be done; where they do not match it, that is the end.
async fn approvals_hold(state: &Committer, intent: &Intent) -> Result<bool, Fault> {
    let flaws = approvals::flaws(intent, state);
    if flaws.is_empty() {
        return Ok(true);
    }
    error!(intent = %intent.id, mission = %intent.mission, ?flaws, "approvals do not hold: not executed");
    let writer = state.writer(intent, "void", Deadline::in_ms(STEP_MS));
    let about = entity(&intent.mission, &intent.id);
    let recorded =
        writer.record(&state.intents, &about, |current| record::void(current, intent, &flaws)).await;
    unless_moved_on(recorded)?;
    count(state, "failed");
    Ok(false)
}

/// Records the next attempt at what was `seen`, to be made after a pause.
async fn record(
    state: &Committer,
    seen: &Intent,
    highest_token: Option<u64>,
    earlier: Earlier,
    pause_ms: u64,
) -> Result<Attempt, Fault> {
    let own_ms = of(seen).map_or(0, |(_, effect)| effects::own_ms(state, seen, effect));
    let takeover_ms = state.config.takeover_ms;
    // Counted from before it is on record, and shorter: other machines' clocks differ, and between the last
    // look and the deed there is a moment.
    let deadline = Deadline::in_ms(pause_ms + own_ms + takeover_ms * 3 / 4);
    let execution = Execution {
        executor: state.ledger.bus().me().scope.id.clone(),
        attempt: record::next_attempt(seen),
        until_ms: now_ms() + pause_ms + own_ms + takeover_ms,
        highest_token,
    };
    let writer = state.writer(seen, "attempt", Deadline::in_ms(STEP_MS));
    let about = entity(&seen.mission, &seen.id);
    let decide = |current: Option<&Intent>| record::attempt(current, seen, &execution);
    let recorded = writer.record(&state.intents, &about, decide).await?;
    state.config.steps.reached("executing");
    Ok(Attempt { intent: recorded.state, revision: recorded.revision, earlier, deadline })
}

fn unless_moved_on<T>(recorded: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match recorded {
        Ok(recorded) => Ok(Some(recorded)),
        Err(fault) if fault.code == Code::Conflict => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// What an intent's attempts carry out.
fn of(intent: &Intent) -> Option<(Side, &Effect)> {
    match record::side(intent)? {
        Side::Do => Some((Side::Do, &intent.effect)),
        Side::Undo => intent.undo.as_ref().map(|undo| (Side::Undo, undo)),
    }
}

/// The right to carry effects out: so many at once.
pub(crate) struct Slots(Arc<Semaphore>);

impl Slots {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most)))
    }

    pub(crate) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).acquire_owned().await.ok()
    }
}

/// Carries an attempt out, and those after it, until the intent has an end, another instance has taken it over,
/// or the service stops.
pub(crate) async fn carry(
    state: &Committer,
    mut attempt: Attempt,
    slots: &Slots,
    slot: OwnedSemaphorePermit,
    stop: &CancellationToken,
) {
    let mut slot = Some(slot);
    for retry in 0.. {
        let Some(carried) = run(state, &attempt).await else {
            return warn!(intent = %attempt.intent.id, "ran out of time, left to be taken over");
        };
        let outcome = match carried {
            Carried::Ended(outcome) => outcome,
            Carried::Recorded => return tell(state, &attempt.intent, None),
        };
        let (earlier, why) = match fate(outcome, &attempt.intent, attempt.earlier, now_ms()) {
            Fate::Over(end) => return conclude(state, &attempt.intent, &end, stop).await,
            Fate::Next { earlier, why } => (earlier, why),
        };
        let pause_ms = pause_ms(retry);
        info!(intent = %attempt.intent.id, why, pause_ms, "will try again");
        drop(slot.take());
        let Some(next) = next(state, &attempt, earlier, pause_ms, stop).await else { return };
        attempt = next;
        if pause(stop, pause_ms).await.is_none() {
            return;
        }
        slot = slots.take().await;
    }
}

/// Carries out one attempt; nothing if its time ran out.
async fn run(state: &Committer, attempt: &Attempt) -> Option<Carried> {
    let intent = attempt.intent.as_ref();
    let Some((side, effect)) = of(intent) else {
        return Some(Carried::Ended(Outcome::refused(
            "/undo",
            "nothing is declared that would take it back",
        )));
    };
    if let Err(outcome) = run::may_go_on(state, intent, side, attempt.earlier, attempt.deadline).await {
        return Some(Carried::Ended(outcome));
    }
    let (revision, earlier, deadline) = (attempt.revision, attempt.earlier, attempt.deadline);
    let work = Work { state, intent, revision, effect, side, earlier, deadline };
    let carried = tokio::time::timeout(deadline.remaining(), effects::carry_out(&work)).await.ok();
    state.config.steps.reached("acted");
    carried
}

/// What follows from an outcome.
#[derive(Debug, PartialEq)]
enum Fate {
    Over(End),
    Next { earlier: Earlier, why: String },
}

fn fate(outcome: Outcome, intent: &Intent, earlier: Earlier, now_ms: u64) -> Fate {
    let (earlier, why) = match outcome {
        Outcome::Done(receipt) => return Fate::Over(End::Done(receipt)),
        Outcome::Refused(reasons) => return Fate::Over(End::Refused(reasons)),
        Outcome::Unknown(reasons) => return Fate::Over(End::Unknown(reasons)),
        Outcome::Later(why) => (earlier, why),
        Outcome::Again(why) => (Earlier::Begun, why),
    };
    let attempts = intent.execution.as_ref().map_or(0, |execution| execution.attempt);
    let (is_over, limit) = match record::side(intent) {
        Some(Side::Do) => (now_ms >= intent.expires_at_ms, "its time ran out"),
        _ => (attempts >= MAX_UNDO_ATTEMPTS, "it was tried often enough"),
    };
    if !is_over {
        return Fate::Next { earlier, why };
    }
    // A record that was written is on record with its intent: what is not cannot have happened.
    let is_certain = earlier == Earlier::None || matches!(of(intent), Some((_, Effect::Memory(_))));
    let reasons = vec![reason("", limit), reason("", why)];
    Fate::Over(if is_certain { End::Refused(reasons) } else { End::Unknown(reasons) })
}

/// Records the attempt after this one, as long as nobody else has taken the intent over.
async fn next(
    state: &Committer,
    last: &Attempt,
    earlier: Earlier,
    pause_ms: u64,
    stop: &CancellationToken,
) -> Option<Attempt> {
    let token = last.intent.execution.as_ref().and_then(|execution| execution.highest_token);
    let deadline = Deadline::in_ms(RECORD_MS);
    while !deadline.has_passed() {
        match record(state, &last.intent, token, earlier, pause_ms).await {
            Ok(next) => return Some(next),
            Err(fault) if fault.is_retryable() => pause(stop, PAUSE_MS.0).await?,
            Err(fault) => {
                info!(intent = %last.intent.id, error = %fault, "left to another instance");
                return None;
            }
        }
    }
    None
}

/// Records the end of an attempt. It has happened, so this is tried for long.
async fn conclude(state: &Committer, attempted: &Intent, end: &End, stop: &CancellationToken) {
    let about = entity(&attempted.mission, &attempted.id);
    let deadline = Deadline::in_ms(RECORD_MS);
    while !deadline.has_passed() {
        let writer = state.writer(attempted, "end", Deadline::in_ms(STEP_MS));
        let decide = |current: Option<&Intent>| record::end(current, attempted, end);
        match writer.record(&state.intents, &about, decide).await {
            Ok(recorded) => return tell(state, &recorded.state, Some(end)),
            Err(fault) if fault.is_retryable() => {
                if pause(stop, PAUSE_MS.0).await.is_none() {
                    return;
                }
            }
            Err(fault) => {
                return warn!(intent = %attempted.id, error = %fault, ?end, "the end of an attempt is not recorded");
            }
        }
    }
}

/// Says what became of an intent: loudly, if it waits for a person.
fn tell(state: &Committer, intent: &Intent, end: Option<&End>) {
    state.config.steps.reached("committed");
    let (id, mission) = (&intent.id, &intent.mission);
    let became = match (end, record::side(intent)) {
        (Some(_), _) => intent.state.name(),
        (None, Some(Side::Do)) => "committed",
        (None, _) => "compensated",
    };
    match end {
        Some(End::Done(_)) | None => info!(intent = %id, %mission, became, "effect done"),
        Some(End::Refused(reasons)) if became != "stuck" => {
            warn!(intent = %id, %mission, became, ?reasons, "effect not done");
        }
        Some(End::Refused(reasons) | End::Unknown(reasons)) => {
            error!(intent = %id, %mission, became, ?reasons, "a person must settle this intent");
        }
    }
    count(state, became);
}

/// The ends that are counted.
pub(crate) const ENDS: &[&str] = &["committed", "failed", "unknown", "compensated", "stuck"];

fn count(state: &Committer, became: &'static str) {
    if ENDS.contains(&became) {
        state.metrics.effects(became).inc();
    }
}

/// Waits; nothing if the service stops meanwhile.
async fn pause(stop: &CancellationToken, ms: u64) -> Option<()> {
    stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(ms))).await
}

fn pause_ms(retry: u32) -> u64 {
    let (first_ms, longest_ms) = PAUSE_MS;
    first_ms.saturating_mul(1 << retry.min(16)).min(longest_ms)
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        id::ScopeId,
        payload::intent::{IntentState, MemoryEffect, Receipt},
    };

    use super::*;
    use crate::fixture;

    fn executing(effect: Effect) -> Intent {
        let executor = ScopeId::new("c1").unwrap();
        let execution = Some(Execution { executor, attempt: 1, until_ms: 5, highest_token: None });
        Intent { effect, execution, ..fixture::intent(IntentState::Executing) }
    }

    fn external() -> Effect {
        let effect = serde_json::json!({ "kind": "external", "effector": "mailer", "operation": "send" });
        serde_json::from_value(effect).unwrap()
    }

    fn later() -> Outcome {
        Outcome::Later("nobody there".into())
    }

    #[test]
    fn what_cannot_be_reached_is_tried_again_until_it_expires() {
        let intent = executing(external());
        let next = |earlier| Fate::Next { earlier, why: "nobody there".into() };
        let at = |now_ms, earlier| fate(later(), &intent, earlier, now_ms);
        assert_eq!(at(intent.expires_at_ms - 1, Earlier::None), next(Earlier::None));
        assert_eq!(at(intent.expires_at_ms - 1, Earlier::Begun), next(Earlier::Begun));
        assert!(matches!(at(intent.expires_at_ms, Earlier::None), Fate::Over(End::Refused(_))));
    }

    #[test]
    fn what_may_have_happened_does_not_fail_by_running_out_of_time() {
        let intent = executing(external());
        let lost = || Outcome::Again("no answer".into());
        let Fate::Next { earlier, .. } = fate(lost(), &intent, Earlier::None, 0) else { panic!("over") };
        assert_eq!(earlier, Earlier::Begun);
        let late = fate(lost(), &intent, Earlier::None, intent.expires_at_ms);
        assert!(matches!(late, Fate::Over(End::Unknown(_))), "{late:?}");
        let late = fate(later(), &intent, Earlier::Begun, intent.expires_at_ms);
        assert!(matches!(late, Fate::Over(End::Unknown(_))), "{late:?}");
        let Effect::Memory(MemoryEffect { .. }) = &fixture::intent(IntentState::Executing).effect else {
            panic!()
        };
        let record = fixture::intent(IntentState::Executing);
        let late = fate(later(), &record, Earlier::Begun, record.expires_at_ms);
        assert!(matches!(late, Fate::Over(End::Refused(_))), "a record that is not there was not written");
    }

    #[test]
    fn an_undo_outlives_its_intent_and_is_tried_a_bounded_number_of_times() {
        let mut undoing = Intent { undo: Some(external()), ..executing(external()) };
        undoing.state = IntentState::Compensating;
        let at = |undoing: &Intent| fate(later(), undoing, Earlier::None, u64::MAX);
        assert!(matches!(at(&undoing), Fate::Next { .. }));
        undoing.execution.as_mut().unwrap().attempt = MAX_UNDO_ATTEMPTS;
        assert!(matches!(at(&undoing), Fate::Over(End::Refused(_))));
    }

    #[test]
    fn a_clear_outcome_is_the_end() {
        let intent = executing(external());
        let receipt = Receipt::External { result: serde_json::Value::Null };
        let over = |outcome| fate(outcome, &intent, Earlier::Begun, 0);
        assert_eq!(over(Outcome::Done(receipt.clone())), Fate::Over(End::Done(receipt)));
        assert!(matches!(over(Outcome::refused("", "no")), Fate::Over(End::Refused(_))));
        assert!(matches!(over(Outcome::unknown("?")), Fate::Over(End::Unknown(_))));
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        assert_eq!((pause_ms(0), pause_ms(1), pause_ms(2)), (250, 500, 1_000));
        assert_eq!((pause_ms(16), pause_ms(u32::MAX)), (PAUSE_MS.1, PAUSE_MS.1));
    }
}
