//! Carrying an attempt out, and those after it, until the intent has an end.
//!
//! What cannot be reached is tried again by the next attempt, which is on record before this one has been given
//! up; what ran out of time is left to whoever takes it over, who looks at the world first.

use std::time::Duration;

use selvedge_contracts::payload::intent::{Effect, Intent, Receipt};
use selvedge_kit::{
    clock::{Deadline, now_ms},
    sabotage::{Guard, is_broken},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    attempt::{Attempt, STEP_MS, of, record as begin_next},
    effects::{self, Carried, Earlier, Outcome, Side, Work, reason},
    record::{self, End},
    run,
    shares::{Share, Shares},
    state::{Committer, entity},
};

/// Longest that the end of an effect is tried to be recorded, in milliseconds; then whoever takes over finds out.
const RECORD_MS: u64 = 600_000;
/// First and longest pause before the next attempt at what cannot be reached, in milliseconds.
const PAUSE_MS: (u64, u64) = (250, 60_000);
/// Attempts after which an undo that cannot be carried out waits for a person: an hour or so.
const MAX_UNDO_ATTEMPTS: u32 = 100;

/// Carries an attempt out, and those after it, until the intent has an end, another instance has taken it over,
/// or the service stops.
pub(crate) async fn carry(
    state: &Committer,
    mut attempt: Attempt,
    slots: &Shares,
    slot: Share,
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
        slot = slots.take(&attempt.intent.mission, 1).await;
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
    if side == Side::Undo {
        if is_broken(Guard::Undone) {
            let result = serde_json::Value::Null;
            return Some(Carried::Ended(Outcome::Done(Receipt::External { result })));
        }
        if is_broken(Guard::UndoneOnce) {
            let _ = effects::carry_out(&work).await; // what it said is not needed: it is done once more
        }
    }
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
        match begin_next(state, &last.intent, token, earlier, pause_ms).await {
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
        payload::intent::{Execution, IntentState, MemoryEffect},
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
