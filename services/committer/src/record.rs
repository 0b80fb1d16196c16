//! What becomes of an intent by the committer's hands. Pure: every rule is told the intent as it stands and as
//! whoever acts knows it, and refuses where the two are not the same, so that one attempt never records the end
//! of another. A rule accepts its own result.

use selvedge_contracts::{
    fact::{
        FactType, INTENT_COMMITTED, INTENT_COMPENSATED, INTENT_COMPENSATING, INTENT_EXECUTING, INTENT_FAILED,
        INTENT_STUCK, INTENT_UNKNOWN,
    },
    fault::{Detail, Fault},
    payload::{
        Nothing,
        intent::{Execution, Intent, IntentState, Reasons, Receipt},
    },
};
use selvedge_kit::rule::{Change, Verdict};

use crate::effects::Side;

mod settle;

pub(crate) use settle::settle;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// It happened.
    Done(Receipt),
    /// It did not, and will not.
    Refused(Vec<Detail>),
    /// Nobody knows.
    Unknown(Vec<Detail>),
}

/// What this intent's attempts are at: its effect or its undo; neither, if nobody may act on it.
pub(crate) fn side(intent: &Intent) -> Option<Side> {
    match intent.state {
        IntentState::Executing => Some(Side::Do),
        IntentState::Compensating => Some(Side::Undo),
        IntentState::Committed => Some(Side::Undo),
        _ => intent.is_ready().then_some(Side::Do),
    }
}

/// Begins an attempt at what was `seen`: the first one, or the next where an earlier one did not end.
pub(crate) fn attempt(
    current: Option<&Intent>,
    seen: &Intent,
    execution: &Execution,
) -> Result<Verdict<Intent>, Fault> {
    let current = known(current)?;
    let is_under_way = matches!(current.state, IntentState::Executing | IntentState::Compensating);
    if is_under_way && current.execution.as_ref() == Some(execution) {
        return Ok(Verdict::Same);
    }
    let Some(side) = side(seen).filter(|_| current == seen) else {
        return Err(moved_on(current));
    };
    let (fact, state) = match side {
        Side::Do => (&INTENT_EXECUTING, IntentState::Executing),
        Side::Undo => (&INTENT_COMPENSATING, IntentState::Compensating),
    };
    let next = Intent { state, execution: Some(execution.clone()), reasons: Vec::new(), ..seen.clone() };
    Ok(plain(fact, next))
}

/// Number of the next attempt. Counts on through the undo, so that no two attempts are alike.
pub(crate) fn next_attempt(seen: &Intent) -> u32 {
    seen.execution.as_ref().map_or(1, |execution| execution.attempt.saturating_add(1))
}

/// Ends the attempt that left the intent as `attempted`.
pub(crate) fn end(current: Option<&Intent>, attempted: &Intent, end: &End) -> Result<Verdict<Intent>, Fault> {
    let current = known(current)?;
    let change = ended(attempted, end)?;
    if *current == change.state {
        return Ok(Verdict::Same);
    }
    if current != attempted {
        return Err(moved_on(current));
    }
    Ok(change.into())
}

fn ended(attempted: &Intent, end: &End) -> Result<Change<Intent>, Fault> {
    let next = |state| Intent { state, ..attempted.clone() };
    let change = match (attempted.state, end) {
        (IntentState::Executing, End::Done(receipt)) => {
            let receipt = Some(receipt.clone());
            Change::new(&INTENT_COMMITTED, &Nothing {}, Intent { receipt, ..next(IntentState::Committed) })
        }
        (IntentState::Executing, End::Refused(reasons)) => {
            reasoned(&INTENT_FAILED, next(IntentState::Failed), reasons)
        }
        (IntentState::Executing, End::Unknown(reasons)) => {
            reasoned(&INTENT_UNKNOWN, next(IntentState::Unknown), reasons)
        }
        (IntentState::Compensating, End::Done(receipt)) => {
            let undone = Some(receipt.clone());
            let state = Intent { undone, ..next(IntentState::Compensated) };
            Change::new(&INTENT_COMPENSATED, &Nothing {}, state)
        }
        (IntentState::Compensating, End::Refused(reasons) | End::Unknown(reasons)) => {
            reasoned(&INTENT_STUCK, next(IntentState::Stuck), reasons)
        }
        _ => return Err(moved_on(attempted)),
    };
    Ok(change)
}

/// Ends an intent that was never begun, since its approvals do not hold.
pub(crate) fn void(
    current: Option<&Intent>,
    seen: &Intent,
    reasons: &[Detail],
) -> Result<Verdict<Intent>, Fault> {
    let current = known(current)?;
    let change = reasoned(&INTENT_FAILED, Intent { state: IntentState::Failed, ..seen.clone() }, reasons);
    if *current == change.state {
        return Ok(Verdict::Same);
    }
    if current != seen || !seen.is_ready() {
        return Err(moved_on(current));
    }
    Ok(change.into())
}

fn plain(fact: &FactType<Nothing, Intent>, state: Intent) -> Verdict<Intent> {
    Change::new(fact, &Nothing {}, state).into()
}

fn reasoned(fact: &FactType<Reasons, Intent>, state: Intent, reasons: &[Detail]) -> Change<Intent> {
    let change = Reasons::of(reasons);
    let reasons = change.reasons.clone();
    Change::new(fact, &change, Intent { reasons, ..state })
}

fn known(current: Option<&Intent>) -> Result<&Intent, Fault> {
    current.ok_or_else(|| Fault::not_found("there is no such intent"))
}

fn moved_on(current: &Intent) -> Fault {
    Fault::conflict(format!("the intent has moved on: it is {}", current.state.name()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use selvedge_contracts::id::{RecordKey, ScopeId};

    use super::*;
    use crate::fixture;

    fn execution(executor: &str, attempt: u32) -> Execution {
        let executor = ScopeId::new(executor).unwrap();
        Execution { executor, attempt, until_ms: 1_000, highest_token: None }
    }

    fn receipt() -> Receipt {
        Receipt::Memory { key: RecordKey::new("k").unwrap(), replaced: 3 }
    }

    fn reasons() -> Vec<Detail> {
        vec![Detail { at: "/x".into(), message: "why".into() }]
    }

    fn ends() -> impl Strategy<Value = End> {
        prop_oneof![Just(End::Done(receipt())), Just(End::Refused(reasons())), Just(End::Unknown(reasons()))]
    }

    fn changed(verdict: Verdict<Intent>) -> Change<Intent> {
        match verdict {
            Verdict::Changed(change) => change,
            Verdict::Same => panic!("nothing changed"),
        }
    }

    proptest! {
        #[test]
        fn an_attempt_begins_only_on_what_was_seen_and_accepts_its_own_result(state in fixture::states()) {
            let seen = fixture::intent(state);
            let mine = execution("c1", next_attempt(&seen));
            match attempt(Some(&seen), &seen, &mine) {
                Ok(verdict) => {
                    let begun = changed(verdict).state;
                    prop_assert!(matches!(begun.state, IntentState::Executing | IntentState::Compensating));
                    prop_assert_eq!(attempt(Some(&begun), &seen, &mine).unwrap(), Verdict::Same);
                    // Somebody else who saw the same comes too late.
                    let theirs = execution("c2", next_attempt(&seen));
                    prop_assert!(attempt(Some(&begun), &seen, &theirs).is_err());
                    prop_assert!(next_attempt(&begun) > next_attempt(&seen));
                }
                Err(_) => prop_assert_eq!(side(&seen), None),
            }
        }

        #[test]
        fn an_attempt_ends_once_and_only_its_own(state in fixture::states(), how in ends(), other in ends()) {
            let attempted = Intent { execution: Some(execution("c1", 1)), ..fixture::intent(state) };
            let Ok(verdict) = end(Some(&attempted), &attempted, &how) else {
                prop_assert!(!matches!(state, IntentState::Executing | IntentState::Compensating));
                return Ok(());
            };
            let change = changed(verdict);
            prop_assert_eq!(change.fact.name, change.state.state.name());
            let done = change.state;
            prop_assert!(done.state.is_settled());
            prop_assert_eq!(end(Some(&done), &attempted, &how).unwrap(), Verdict::Same);
            prop_assert_eq!(end(Some(&done), &attempted, &other).is_ok(), other == how || both_stuck(&attempted, &how, &other));
            let taken = Intent { execution: Some(execution("c2", 2)), ..attempted.clone() };
            prop_assert!(end(Some(&taken), &attempted, &how).is_err(), "another one took it over");
        }

        #[test]
        fn only_what_was_never_begun_is_void(state in fixture::states()) {
            let seen = fixture::intent(state);
            match void(Some(&seen), &seen, &reasons()) {
                Ok(verdict) => {
                    prop_assert!(seen.is_ready());
                    let failed = changed(verdict).state;
                    prop_assert_eq!((failed.state, &failed.reasons), (IntentState::Failed, &reasons()));
                    prop_assert_eq!(void(Some(&failed), &seen, &reasons()).unwrap(), Verdict::Same);
                }
                Err(_) => prop_assert!(!seen.is_ready()),
            }
        }
    }

    /// An undo that was refused and one whose outcome is unknown are the same: it waits for a person.
    fn both_stuck(attempted: &Intent, how: &End, other: &End) -> bool {
        let is_done = |end: &End| matches!(end, End::Done(_));
        attempted.state == IntentState::Compensating && !is_done(how) && !is_done(other)
    }

    #[test]
    fn what_an_attempt_did_stands_in_the_intent() {
        let executing =
            Intent { execution: Some(execution("c1", 1)), ..fixture::intent(IntentState::Executing) };
        let committed = changed(end(Some(&executing), &executing, &End::Done(receipt())).unwrap()).state;
        assert_eq!((committed.state, committed.receipt), (IntentState::Committed, Some(receipt())));
        let failed = changed(end(Some(&executing), &executing, &End::Refused(reasons())).unwrap()).state;
        assert_eq!((failed.state, failed.reasons), (IntentState::Failed, reasons()));
        let undoing = Intent { receipt: Some(receipt()), state: IntentState::Compensating, ..executing };
        let undone = changed(end(Some(&undoing), &undoing, &End::Done(receipt())).unwrap()).state;
        assert_eq!((undone.state, undone.undone), (IntentState::Compensated, Some(receipt())));
        assert_eq!(undone.receipt, Some(receipt()), "what was done stays on the record");
    }
}
