//! One of several facts that are recorded together: decided on a state, and guarded by the revision of
//! that very state.

use std::sync::Arc;

use selvedge_contracts::{
    fact::{FactKind, State},
    fault::Fault,
    payload::Recorded as Payload,
    subject::Entity,
};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    ledger::RequestDigest,
    rule::{Change, Verdict},
    view::{Apply, View},
};

/// One fact of several that are recorded together, under its own entity's guard.
pub struct Draft {
    pub(super) entity: Entity,
    pub(super) fact: FactKind,
    pub(super) payload: Vec<u8>,
    pub(super) expected: u64,
    pub(super) put: Box<dyn Fn(u64, Option<RequestDigest>) + Send + Sync>,
    /// The view that it was decided from: it may be one that no feed keeps up.
    pub(super) view: Arc<dyn Apply>,
}

impl Draft {
    /// What `decide` makes of the entity's current state, guarded by the revision of that very state;
    /// nothing if there is nothing to record.
    ///
    /// # Errors
    /// The refusal of `decide`; `internal` if the state cannot be written as JSON.
    pub fn decide<S: State>(
        view: &Arc<View<S>>,
        entity: Entity,
        decide: impl FnOnce(Option<&S>) -> Result<Verdict<S>, Fault>,
    ) -> Result<Option<Self>, Fault> {
        Self::decide_at(view, entity, |current, _| decide(current))
    }

    /// The same for a rule that also looks at the revision of the state that it judges; 0 if there is none.
    ///
    /// # Errors
    /// As [`Draft::decide`].
    pub fn decide_at<S: State>(
        view: &Arc<View<S>>,
        entity: Entity,
        decide: impl FnOnce(Option<&S>, u64) -> Result<Verdict<S>, Fault>,
    ) -> Result<Option<Self>, Fault> {
        // Read once: a second reading could be of a newer state, which nobody judged.
        let current = view.get(&entity.mission, &entity.id);
        let expected = current.as_ref().map_or(0, |entry| entry.revision);
        let state = current.as_ref().map(|entry| entry.state.as_ref());
        let Verdict::Changed(change) = decide(state, expected)? else {
            return Ok(None);
        };
        let (payload, state) = (payload_of(&change)?, Arc::new(change.state));
        let kept = Arc::clone(view) as Arc<dyn Apply>;
        let (view, about) = (Arc::clone(view), entity.clone());
        let put = Box::new(move |revision, request| view.put(&about, revision, Arc::clone(&state), request));
        Ok(Some(Self { entity, fact: change.fact, payload, expected, put, view: kept }))
    }
}

/// The payload of the fact: what changed and the state after it. It is read once before it is recorded: what
/// nobody could read would be skipped by every view, and whoever starts would not know what this process does.
///
/// # Errors
/// `internal` if it cannot be written as JSON, or not be read again.
pub(super) fn payload_of<S: State>(change: &Change<S>) -> Result<Vec<u8>, Fault> {
    let payload = Payload { change: &change.change, state: &change.state };
    let payload = serde_json::to_vec(&payload)
        .map_err(|error| Fault::internal(format!("cannot write the state: {error}")))?;
    let read = state_in::<S>(&payload);
    read.map_err(|error| Fault::internal(format!("nobody could read the state again: {error}")))?;
    Ok(payload)
}

/// The state in the payload of a fact.
///
/// # Errors
/// It is none.
pub(super) fn state_in<S: State>(payload: &[u8]) -> Result<S, serde_json::Error> {
    #[derive(Deserialize)]
    struct After<S> {
        #[serde(rename = "change")]
        _change: IgnoredAny,
        state: S,
    }
    serde_json::from_slice::<After<S>>(payload).map(|after| after.state)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use selvedge_contracts::{
        fact::{EntityName, MISSION_CREATED},
        id::{EntityId, Mission},
        payload::{Nothing, mission::Mission as Named},
    };

    use super::*;

    #[test]
    fn what_nobody_could_read_again_is_not_recorded() {
        use selvedge_contracts::{
            fact::TASK_VALIDATED,
            fault::Code,
            id::{Digest, PlanId},
            payload::task::Task,
        };
        use serde_json::{Value, json};

        let recorded = |depth: usize| {
            let nested = (0..depth).fold(json!(1), |inner, _| Value::Array(vec![inner]));
            let output = json!({ "value": null, "digest": Digest::of_json(&json!(1)), "at_ms": 1 });
            let plan = PlanId::of(&blake3::hash(b"p"));
            let mut task: Task = serde_json::from_value(json!({
                "id": plan.task(&"a".parse().unwrap()), "mission": "demo", "plan": plan, "name": "a",
                "state": "validated", "attempt": 1, "tries": 1, "round": 0, "output": output,
            }))
            .unwrap();
            task.output.as_mut().unwrap().value = nested;
            payload_of(&Change::new(&TASK_VALIDATED, &Nothing {}, task))
        };
        assert!(recorded(64).is_ok());
        let fault = recorded(127).unwrap_err();
        assert_eq!(
            (fault.code, fault.message.contains("recursion limit")),
            (Code::Internal, true),
            "{fault}"
        );
    }

    #[test]
    fn a_draft_is_guarded_by_the_revision_that_was_decided_on() {
        let entity = Entity {
            mission: Mission::kluster(),
            name: EntityName::Mission,
            id: EntityId::new("a").unwrap(),
        };
        let at = |revision| {
            Arc::new(Named { id: Mission::new("a").unwrap(), title: String::new(), created_at_ms: revision })
        };
        let view: Arc<View<Named>> = Arc::default();
        view.put(&entity, 1, at(1), None);
        let stop = Arc::new(AtomicBool::new(false));
        let feed = std::thread::spawn({
            let (view, entity, stop) = (Arc::clone(&view), entity.clone(), Arc::clone(&stop));
            move || {
                (2..)
                    .take_while(|_| !stop.load(Ordering::Relaxed))
                    .for_each(|n| view.put(&entity, n, at(n), None))
            }
        });
        for _ in 0..20_000 {
            let mut decided_on = 0;
            let draft = Draft::decide(&view, entity.clone(), |current| {
                decided_on = current.unwrap().created_at_ms; // its revision, as `at` made it
                Ok(Change::new(&MISSION_CREATED, &Nothing {}, current.unwrap().clone()).into())
            });
            assert_eq!(draft.unwrap().unwrap().expected, decided_on);
        }
        stop.store(true, Ordering::Relaxed);
        feed.join().unwrap();
    }
}
