//! Which step of a saga is next. Pure, over the states of its steps, in order.
//!
//! Nothing is begun before every step may be done. A failure undoes what was committed, the last first, one at
//! a time. A step whose outcome nobody knows, and an undo that failed, stop everything until a person has
//! settled them.

use selvedge_contracts::payload::intent::{Intent, IntentState};

/// What is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing, as things stand.
    Nothing,
    /// This step is to be done.
    Begin(usize),
    /// This step is being done, or undone.
    UnderWay(usize),
    /// This step is to be undone.
    Undo(usize),
}

/// What is next, of these steps.
pub(crate) fn turn<'a>(steps: impl IntoIterator<Item = &'a Intent>) -> Turn {
    let steps: Vec<&Intent> = steps.into_iter().collect();
    if steps.iter().any(|step| is_broken(step.state)) { backward(&steps) } else { forward(&steps) }
}

/// Whether a step of this state means that the whole is not done any more.
pub(crate) fn is_broken(state: IntentState) -> bool {
    match state {
        IntentState::Rejected
        | IntentState::Expired
        | IntentState::Cancelled
        | IntentState::Failed
        | IntentState::Compensating
        | IntentState::Compensated
        | IntentState::Stuck => true,
        IntentState::Proposed
        | IntentState::Verified
        | IntentState::Approved
        | IntentState::Executing
        | IntentState::Committed
        | IntentState::Unknown => false,
    }
}

fn forward(steps: &[&Intent]) -> Turn {
    let next = steps.iter().enumerate().find(|(_, step)| step.state != IntentState::Committed);
    match next {
        Some((place, step)) if step.state == IntentState::Executing => Turn::UnderWay(place),
        Some((0, _)) if steps.iter().all(|step| step.is_ready()) => Turn::Begin(0),
        Some((place, step)) if place > 0 && step.is_ready() => Turn::Begin(place),
        _ => Turn::Nothing,
    }
}

/// The last step that left something, or may have.
fn backward(steps: &[&Intent]) -> Turn {
    let left = steps.iter().enumerate().rev().find_map(|(place, step)| match step.state {
        IntentState::Committed => Some(Turn::Undo(place)),
        IntentState::Executing | IntentState::Compensating => Some(Turn::UnderWay(place)),
        IntentState::Unknown | IntentState::Stuck => Some(Turn::Nothing),
        _ => None,
    });
    left.unwrap_or(Turn::Nothing)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture;

    fn turn_of(states: &[IntentState]) -> Turn {
        let steps: Vec<_> = states.iter().map(|state| fixture::intent(*state)).collect();
        turn(&steps)
    }

    use IntentState::{
        Cancelled, Committed, Compensated, Compensating, Executing, Expired, Failed, Proposed, Stuck,
        Unknown, Verified,
    };

    #[test]
    fn steps_are_done_in_order_once_all_may_be() {
        assert_eq!(turn_of(&[Verified, Proposed, Verified]), Turn::Nothing);
        assert_eq!(turn_of(&[Verified, Verified, Verified]), Turn::Begin(0));
        assert_eq!(turn_of(&[Executing, Verified, Verified]), Turn::UnderWay(0));
        assert_eq!(turn_of(&[Committed, Verified, Verified]), Turn::Begin(1));
        assert_eq!(turn_of(&[Committed, Committed, Verified]), Turn::Begin(2));
        assert_eq!(turn_of(&[Committed, Committed, Committed]), Turn::Nothing);
        assert_eq!(turn_of(&[]), Turn::Nothing);
    }

    #[test]
    fn a_failure_undoes_in_reverse_and_one_at_a_time() {
        assert_eq!(turn_of(&[Committed, Committed, Failed]), Turn::Undo(1));
        assert_eq!(turn_of(&[Committed, Compensating, Failed]), Turn::UnderWay(1));
        assert_eq!(turn_of(&[Committed, Compensated, Failed]), Turn::Undo(0));
        assert_eq!(turn_of(&[Compensated, Compensated, Failed]), Turn::Nothing);
        assert_eq!(turn_of(&[Committed, Executing, Cancelled]), Turn::UnderWay(1));
        assert_eq!(turn_of(&[Committed, Verified, Expired]), Turn::Undo(0));
    }

    #[test]
    fn what_nobody_knows_stops_everything() {
        assert_eq!(turn_of(&[Committed, Unknown, Verified]), Turn::Nothing);
        assert_eq!(turn_of(&[Committed, Unknown, Expired]), Turn::Nothing);
        assert_eq!(turn_of(&[Committed, Stuck, Failed]), Turn::Nothing);
    }

    proptest! {
        /// Whatever happens to the steps, each is undone at most once, none before those after it, and at the
        /// end nothing is left of a saga that broke.
        #[test]
        fn a_saga_ends_whole_or_not_at_all(ends in proptest::collection::vec(0_u8..4, 1..8)) {
            let mut steps: Vec<_> = ends.iter().map(|_| fixture::intent(Verified)).collect();
            let mut undone = Vec::new();
            for _ in 0..ends.len() * 4 + 4 {
                match turn(&steps) {
                    Turn::Nothing => break,
                    Turn::Begin(at) => steps[at].state = Executing,
                    Turn::Undo(at) => { undone.push(at); steps[at].state = Compensating; }
                    Turn::UnderWay(at) if steps[at].state == Compensating => steps[at].state = Compensated,
                    Turn::UnderWay(at) => steps[at].state = if ends[at] == 0 { Failed } else { Committed },
                }
            }
            prop_assert!(undone.is_sorted_by(|earlier, later| earlier > later), "{undone:?}");
            let is_whole = steps.iter().all(|step| step.state == Committed);
            let is_nothing = steps.iter().all(|step| matches!(step.state, Failed | Compensated | Verified));
            prop_assert!(is_whole != is_nothing, "{:?}", steps.iter().map(|step| step.state).collect::<Vec<_>>());
        }
    }
}
