use proptest::prelude::*;

use super::*;
use crate::fixture::{intent, step};

fn steps(states: &[IntentState]) -> Vec<Intent> {
    let of = states.len() as u32;
    (0..).zip(states).map(|(place, state)| step(place, of, *state)).collect()
}

#[test]
fn where_a_saga_stands_follows_from_its_steps() {
    use IntentState::{
        Approved, Cancelled, Committed, Compensated, Compensating, Executing, Failed, Proposed, Rejected,
        Stuck, Unknown, Verified,
    };
    for (states, expected) in [
        (vec![Proposed, Verified], SagaStatus::Waiting),
        (vec![Verified, Approved], SagaStatus::Running),
        (vec![Committed, Executing, Verified], SagaStatus::Running),
        (vec![Committed, Committed], SagaStatus::Committed),
        (vec![Committed, Failed, Cancelled], SagaStatus::Compensating),
        (vec![Compensated, Compensating, Failed], SagaStatus::Compensating),
        (vec![Compensated, Failed, Cancelled], SagaStatus::Compensated),
        (vec![Rejected, Cancelled], SagaStatus::Compensated),
        (vec![Committed, Unknown, Verified], SagaStatus::Stuck),
        (vec![Stuck, Failed], SagaStatus::Stuck),
    ] {
        assert_eq!(status(&steps(&states)), expected, "{states:?}");
    }
}

#[test]
fn the_first_step_waits_for_all_and_each_other_one_for_those_before_it() {
    use IntentState::{Cancelled, Committed, Executing, Failed, Proposed, Verified};
    let may = |states: &[IntentState], index| obstacle(&steps(states), index).is_none();
    assert!(may(&[Verified, Verified, Verified], 0));
    assert!(!may(&[Verified, Proposed], 0), "not all may be done");
    assert!(!may(&[Verified, Verified], 1), "out of turn");
    assert!(!may(&[Executing, Verified], 1));
    assert!(may(&[Committed, Verified, Verified], 1));
    assert!(!may(&[Committed, Verified, Cancelled], 1), "the rest was given up");
    assert!(!may(&[Failed, Verified], 1));
}

#[test]
fn a_step_that_is_over_brings_the_rest_down_and_an_intent_of_its_own_nothing() {
    assert_eq!(downfall(&step(1, 2, IntentState::Expired)).unwrap(), "step 1 of its saga is expired");
    assert_eq!(downfall(&step(1, 2, IntentState::Committed)), None);
    assert_eq!(downfall(&Intent { state: IntentState::Failed, ..intent() }), None);
}

proptest! {
    #[test]
    fn at_most_one_step_may_be_begun_and_none_of_a_saga_that_failed(picked in proptest::collection::vec(0_usize..7, 1..6)) {
        use IntentState::{Approved, Committed, Compensating, Executing, Failed, Proposed, Verified};
        let all = [Proposed, Verified, Approved, Executing, Committed, Failed, Compensating];
        let steps = steps(&picked.iter().map(|index| all[*index]).collect::<Vec<_>>());
        let may = |index: usize| steps[index].is_ready() && obstacle(&steps, index).is_none();
        let begun = (0..steps.len()).filter(|index| may(*index)).count();
        prop_assert!(begun <= 1);
        if begun == 1 {
            prop_assert_eq!(status(&steps), SagaStatus::Running);
        }
    }
}
