//! How a person settles what nobody else can tell of.

use selvedge_contracts::{
    fact::{INTENT_COMMITTED, INTENT_COMPENSATED, INTENT_FAILED},
    fault::{Detail, Fault},
    payload::intent::{Intent, IntentState, Receipt, Settle, Settlement},
};
use selvedge_kit::rule::Verdict;

use super::{known, plain, reasoned};

/// Ends an intent as an operator says; what was looked at is what is settled.
///
/// # Errors
/// Conflict if it has moved on since, or nobody needs to settle it.
pub(crate) fn settle(
    current: Option<&Intent>,
    settle: &Settle,
    receipt: &Receipt,
) -> Result<Verdict<Intent>, Fault> {
    let current = known(current)?;
    was_looked_at(current, settle)?;
    let said = Detail { at: String::new(), message: format!("settled: {}", settle.note) };
    let next = |state| Intent { state, ..current.clone() };
    Ok(match (current.state, settle.outcome) {
        (IntentState::Unknown, Settlement::Happened) => {
            let receipt = Some(receipt.clone());
            let state = Intent { receipt, reasons: Vec::new(), ..next(IntentState::Committed) };
            plain(&INTENT_COMMITTED, state)
        }
        (IntentState::Unknown, Settlement::DidNot) => {
            reasoned(&INTENT_FAILED, next(IntentState::Failed), &[said]).into()
        }
        (IntentState::Stuck, Settlement::Happened) => {
            let undone = Some(receipt.clone());
            let state = Intent { undone, reasons: Vec::new(), ..next(IntentState::Compensated) };
            plain(&INTENT_COMPENSATED, state)
        }
        // It still stands: whoever says so wants it undone again.
        (IntentState::Stuck, Settlement::DidNot) => {
            plain(&INTENT_COMMITTED, Intent { reasons: Vec::new(), ..next(IntentState::Committed) })
        }
        (IntentState::Committed | IntentState::Compensated, Settlement::Happened)
        | (IntentState::Failed, Settlement::DidNot)
            if is_settled_so(current, receipt, &said) =>
        {
            Verdict::Same
        }
        _ => {
            return Err(Fault::conflict(format!(
                "it is {}: there is nothing to settle",
                current.state.name()
            )));
        }
    })
}

/// Whether it is the very attempt that was looked at.
fn was_looked_at(current: &Intent, settle: &Settle) -> Result<(), Fault> {
    let execution = current.execution.as_ref();
    let other = if current.round != settle.round {
        Some(("/round", format!("it is in round {}", current.round)))
    } else if execution.is_none_or(|execution| execution.attempt != settle.attempt) {
        let attempt = execution.map_or(0, |execution| execution.attempt);
        Some(("/attempt", format!("attempt {attempt} is the last one")))
    } else if execution.is_none_or(|execution| execution.executor != settle.executor) {
        Some(("/executor", "is not the executor of the last attempt".to_owned()))
    } else {
        None
    };
    match other {
        None => Ok(()),
        Some((at, why)) => Err(Fault::conflict("it was tried again since: look at it again").at(at, why)),
    }
}

/// Whether the intent stands where this very settlement led.
fn is_settled_so(current: &Intent, receipt: &Receipt, said: &Detail) -> bool {
    match current.state {
        IntentState::Committed => current.receipt.as_ref() == Some(receipt),
        IntentState::Compensated => current.undone.as_ref() == Some(receipt),
        _ => current.reasons.contains(said),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use selvedge_contracts::{
        id::{Caller, Owner, ScopeId},
        payload::intent::Execution,
    };
    use selvedge_kit::rule::Change;

    use super::*;
    use crate::fixture;

    fn execution(executor: &str, attempt: u32) -> Execution {
        let executor = ScopeId::new(executor).unwrap();
        Execution { executor, attempt, until_ms: 1_000, highest_token: None }
    }

    fn changed(verdict: Verdict<Intent>) -> Change<Intent> {
        match verdict {
            Verdict::Changed(change) => change,
            Verdict::Same => panic!("nothing changed"),
        }
    }

    fn settlement(intent: &Intent, outcome: Settlement) -> (Settle, Receipt) {
        let by = Caller::new("olga-1a2b3c4d").unwrap();
        let owner = Owner::new("person:olga").unwrap();
        let wanted = Settle {
            intent: intent.id.clone(),
            outcome,
            note: "looked".into(),
            round: intent.round,
            attempt: 1,
            executor: ScopeId::new("c1").unwrap(),
        };
        (wanted, Receipt::Settled { by, owner, note: "looked".into() })
    }

    proptest! {
        #[test]
        fn only_what_waits_for_a_person_is_settled_by_one(state in fixture::states(), happened in any::<bool>()) {
            let outcome = if happened { Settlement::Happened } else { Settlement::DidNot };
            let standing = Intent { execution: Some(execution("c1", 1)), ..fixture::intent(state) };
            let (wanted, receipt) = settlement(&standing, outcome);
            match settle(Some(&standing), &wanted, &receipt) {
                Ok(verdict) => {
                    prop_assert!(matches!(state, IntentState::Unknown | IntentState::Stuck));
                    let settled = changed(verdict).state;
                    let is_to_be_undone_again = (state, outcome) == (IntentState::Stuck, Settlement::DidNot);
                    let again = settle(Some(&settled), &wanted, &receipt);
                    prop_assert_eq!(again.is_ok(), !is_to_be_undone_again);
                    for (other, at) in [
                        (Settle { executor: ScopeId::new("c9").unwrap(), ..wanted.clone() }, "/executor"),
                        (Settle { attempt: wanted.attempt + 1, ..wanted.clone() }, "/attempt"),
                        (Settle { round: wanted.round + 1, ..wanted }, "/round"),
                    ] {
                        let refused = settle(Some(&standing), &other, &receipt).unwrap_err();
                        prop_assert_eq!(refused.details[0].at.as_str(), at);
                    }
                }
                Err(_) => prop_assert!(!matches!(state, IntentState::Unknown | IntentState::Stuck)),
            }
        }
    }
}
