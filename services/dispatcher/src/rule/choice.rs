//! Which task comes next: the most urgent; among equals, one of the plan that has the fewest tasks under way;
//! among those, the oldest.

use std::cmp::Reverse;

use selvedge_contracts::id::PlanId;

/// Place of a ready task among those of its plan. The least comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Its priority.
    pub(crate) urgency: Reverse<u8>,
    /// Its place in the plan.
    pub(crate) index: usize,
}

/// Place of a plan with ready tasks among the plans of a queue. The least comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// Priority of its most urgent ready task.
    pub(crate) urgency: Reverse<u8>,
    /// Tasks of it that somebody has.
    pub(crate) running: usize,
    /// Revision at which it was submitted.
    pub(crate) since: u64,
    /// Which plan.
    pub(crate) plan: PlanId,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rank(urgency: u8, running: usize, since: u64) -> Rank {
        Rank { urgency: Reverse(urgency), running, since, plan: PlanId::of(&blake3::hash(b"x")) }
    }

    #[test]
    fn urgency_comes_before_fairness_and_fairness_before_age() {
        let mut ranks = [rank(50, 0, 3), rank(90, 9, 9), rank(50, 2, 1), rank(50, 0, 2)];
        ranks.sort();
        assert_eq!(ranks, [rank(90, 9, 9), rank(50, 0, 2), rank(50, 0, 3), rank(50, 2, 1)]);
    }

    proptest! {
        /// Whatever the plans' sizes and ages: with equal urgency, one after the other gets its turn, so no
        /// two plans with ready tasks ever differ by more than one in what is under way.
        #[test]
        fn plans_of_one_urgency_take_turns(sizes in prop::collection::vec(0_usize..8, 1..6)) {
            let mut running = vec![0; sizes.len()];
            for _ in 0..sizes.iter().sum::<usize>() {
                let open = (0..sizes.len()).filter(|plan| running[*plan] < sizes[*plan]);
                let next = open.min_by_key(|plan| rank(50, running[*plan], *plan as u64)).unwrap();
                running[next] += 1;
                let still = || (0..sizes.len()).filter(|plan| running[*plan] < sizes[*plan]);
                let (least, most) = (still().map(|p| running[p]).min(), still().map(|p| running[p]).max());
                prop_assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1, "{:?} of {:?}", running, sizes);
            }
        }
    }
}
