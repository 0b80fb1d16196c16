//! When each intent is to be looked after next, kept beside the view as it changes: a sweep costs what is due,
//! however many intents there are.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use selvedge_contracts::{
    payload::intent::{Intent, IntentState},
    subject::Entity,
};
use selvedge_kit::view::Watch;

/// The intents for which somebody has to come at some time, if nobody does before.
pub(crate) struct Due {
    /// How long a follower has for what may be done, in milliseconds.
    patience_ms: u64,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    in_order: BTreeSet<(u64, Entity)>,
    at_ms: HashMap<Entity, u64>,
}

impl Queue {
    fn set(&mut self, about: &Entity, at_ms: Option<u64>) {
        if let Some(before_ms) = self.at_ms.remove(about) {
            self.in_order.remove(&(before_ms, about.clone()));
        }
        if let Some(at_ms) = at_ms {
            self.at_ms.insert(about.clone(), at_ms);
            self.in_order.insert((at_ms, about.clone()));
        }
    }
}

impl Due {
    pub(crate) fn new(patience_ms: u64) -> Self {
        Self { patience_ms, queue: Mutex::default() }
    }

    /// Takes out what is due.
    pub(crate) fn take(&self, now_ms: u64) -> Vec<Entity> {
        let mut queue = self.queue();
        let mut due = Vec::new();
        while queue.in_order.first().is_some_and(|(at_ms, _)| *at_ms <= now_ms) {
            if let Some((_, about)) = queue.in_order.pop_first() {
                queue.at_ms.remove(&about);
                due.push(about);
            }
        }
        due
    }

    /// Puts back what was taken out and still is to be looked after, unless a change has done so.
    pub(crate) fn put_back(&self, about: &Entity, intent: &Intent, not_before_ms: u64) {
        let mut queue = self.queue();
        if !queue.at_ms.contains_key(about) {
            let at_ms = due_at_ms(intent, self.patience_ms).map(|at_ms| at_ms.max(not_before_ms));
            queue.set(about, at_ms.filter(|at_ms| is_under_way(intent) || *at_ms < intent.expires_at_ms));
        }
    }

    /// When the next one is due.
    pub(crate) fn next_at_ms(&self) -> Option<u64> {
        self.queue().in_order.first().map(|(at_ms, _)| *at_ms)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch<Intent> for Due {
    fn changed(&self, entity: &Entity, _: Option<&Intent>, after: &Intent) {
        self.queue().set(entity, due_at_ms(after, self.patience_ms));
    }
}

/// From when on somebody has to come: when the time of whoever is at it is over, or nobody came for so long.
/// A step of a saga that is to be undone is committed, which does not tell that something is to be done.
pub(crate) fn due_at_ms(intent: &Intent, patience_ms: u64) -> Option<u64> {
    if is_under_way(intent) {
        return Some(intent.execution.as_ref().map_or(0, |execution| execution.until_ms));
    }
    let decided_at_ms = intent.decision.as_ref().map_or(0, |decision| decision.decided_at_ms);
    let ready_at_ms = intent.grants.iter().map(|grant| grant.at_ms).fold(decided_at_ms, u64::max);
    let due_at_ms = ready_at_ms.saturating_add(patience_ms);
    // Governance expires what is too late.
    (intent.is_ready() && due_at_ms < intent.expires_at_ms).then_some(due_at_ms)
}

fn is_under_way(intent: &Intent) -> bool {
    matches!(intent.state, IntentState::Executing | IntentState::Compensating)
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        id::{EntityId, ScopeId},
        payload::intent::Execution,
    };

    use super::*;
    use crate::{fixture, state::entity};

    fn until(state: IntentState, until_ms: u64) -> Intent {
        let executor = ScopeId::new("c1").unwrap();
        let execution = Some(Execution { executor, attempt: 1, until_ms, highest_token: None });
        Intent { execution, ..fixture::intent(state) }
    }

    fn named(id: &str) -> Entity {
        let intent = fixture::intent(IntentState::Proposed);
        Entity { id: EntityId::new(id).unwrap(), ..entity(&intent.mission, &intent.id) }
    }

    #[test]
    fn somebody_has_to_come_when_the_time_is_over_or_nobody_came_for_what_may_be_done() {
        for state in [IntentState::Executing, IntentState::Compensating] {
            assert_eq!(due_at_ms(&until(state, 100), 1_000), Some(100));
        }
        let ready = fixture::intent(IntentState::Verified); // decided at 20, expires at 10,000
        assert_eq!((due_at_ms(&ready, 0), due_at_ms(&ready, 500)), (Some(20), Some(520)));
        assert_eq!(due_at_ms(&ready, 9_980), None, "governance expires it");
        for state in [IntentState::Proposed, IntentState::Committed, IntentState::Unknown, IntentState::Stuck]
        {
            assert_eq!(due_at_ms(&fixture::intent(state), 0), None, "{state:?}");
        }
    }

    #[test]
    fn what_is_due_is_taken_out_once_and_follows_every_change() {
        let due = Due::new(500);
        let (a, b) = (named("a"), named("b"));
        due.changed(&a, None, &until(IntentState::Executing, 100));
        due.changed(&b, None, &until(IntentState::Executing, 200));
        assert_eq!(due.next_at_ms(), Some(100));
        due.changed(&a, None, &until(IntentState::Executing, 300)); // the next attempt
        assert_eq!(due.take(299), std::slice::from_ref(&b));
        assert_eq!(due.take(299), []);
        due.changed(&a, None, &until(IntentState::Committed, 300));
        assert_eq!((due.take(u64::MAX), due.next_at_ms()), (Vec::new(), None));
        // What nobody could do now is looked after again, later.
        let ready = fixture::intent(IntentState::Verified);
        due.put_back(&b, &ready, 900);
        assert_eq!((due.take(899), due.take(900)), (Vec::new(), vec![b.clone()]));
        due.changed(&b, None, &until(IntentState::Executing, 300));
        due.put_back(&b, &ready, 900);
        assert_eq!(due.next_at_ms(), Some(300), "a change is newer");
        due.put_back(&a, &ready, ready.expires_at_ms);
        assert_eq!(due.take(u64::MAX).len(), 1, "what expires is governance's");
    }
}
