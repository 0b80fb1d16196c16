//! What was handed in and waits for a verifier, and which verifier looks at what: in memory, made of the tasks
//! that were followed, by every replica for itself. Never the truth: two verifiers may look at one task by way of
//! two replicas, and the first verdict stands.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use selvedge_contracts::{
    id::{Caller, Mission, QueueName, TaskId},
    payload::task::{INSPECTION_TTL_MS, Task, TaskState},
};
use tokio::sync::{Notify, futures::Notified};

/// All that waits for a verifier.
#[derive(Default)]
pub(crate) struct Inspections {
    waiting: Mutex<HashMap<(Mission, TaskId), Waiting>>,
    news: Notify,
}

/// A task that waits for a verifier.
struct Waiting {
    queue: QueueName,
    /// Who made it.
    worker: Option<Caller>,
    /// Unix time at which it was handed in, in milliseconds.
    since_ms: u64,
    held: Option<Held>,
}

/// Who looks at a task, and until when it is kept for them (Unix time in milliseconds).
struct Held {
    by: Caller,
    until_ms: u64,
}

/// What a verifier asks for.
pub(crate) struct Wanted<'a> {
    pub(crate) mission: &'a Mission,
    pub(crate) queue: Option<&'a QueueName>,
    pub(crate) by: &'a Caller,
    pub(crate) except: &'a [TaskId],
}

impl Inspections {
    /// Takes in a task, as it stands; `queue` is that of a task that a verifier has to look at.
    pub(crate) fn note(&self, task: &Task, queue: Option<QueueName>) {
        let mut waiting = self.lock();
        if waiting.is_empty() && task.state != TaskState::Submitted {
            return;
        }
        let key = (task.mission.clone(), task.id.clone());
        match queue.filter(|_| task.state == TaskState::Submitted) {
            Some(queue) => {
                waiting.entry(key).or_insert_with(|| Waiting {
                    queue,
                    worker: task.claim.as_ref().map(|claim| claim.worker.clone()),
                    since_ms: task.output.as_ref().map_or(0, |output| output.at_ms),
                    held: None,
                });
                drop(waiting);
                self.news.notify_waiters();
            }
            None => drop(waiting.remove(&key)),
        }
    }

    /// Hears of tasks from now on.
    pub(crate) fn news(&self) -> Notified<'_> {
        self.news.notified()
    }

    /// The task that waits the longest and that nobody looks at. Without one: when somebody's time to look is over
    /// (Unix time in milliseconds), if somebody's is.
    pub(crate) fn take(&self, wanted: &Wanted<'_>, now_ms: u64) -> Result<TaskId, Option<u64>> {
        let mut waiting = self.lock();
        let fits = |(key, task): &(&(Mission, TaskId), &mut Waiting)| {
            key.0 == *wanted.mission
                && wanted.queue.is_none_or(|queue| *queue == task.queue)
                && task.worker.as_ref() != Some(wanted.by)
                && !wanted.except.contains(&key.1)
        };
        let (mut first, mut free_at_ms) = (None::<(u64, TaskId)>, None::<u64>);
        for (key, task) in waiting.iter_mut().filter(fits) {
            match task.held.as_ref().filter(|held| held.until_ms > now_ms) {
                Some(held) => {
                    free_at_ms = Some(free_at_ms.map_or(held.until_ms, |at_ms| at_ms.min(held.until_ms)));
                }
                None => {
                    let place = (task.since_ms, key.1.clone());
                    first = Some(first.map_or(place.clone(), |first| first.min(place)));
                }
            }
        }
        let Some((_, id)) = first else { return Err(free_at_ms) };
        if let Some(task) = waiting.get_mut(&(wanted.mission.clone(), id.clone())) {
            task.held = Some(held(wanted.by, now_ms));
        }
        Ok(id)
    }

    /// Keeps a task for a verifier that looks at it already, unless another does; says whether it waits still.
    pub(crate) fn keep(&self, mission: &Mission, task: &TaskId, by: &Caller, now_ms: u64) -> bool {
        let mut waiting = self.lock();
        let Some(task) = waiting.get_mut(&(mission.clone(), task.clone())) else { return false };
        let is_others = task.held.as_ref().is_some_and(|held| held.by != *by && held.until_ms > now_ms);
        if !is_others {
            task.held = Some(held(by, now_ms));
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Mission, TaskId), Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held(by: &Caller, now_ms: u64) -> Held {
    Held { by: by.clone(), until_ms: now_ms.saturating_add(INSPECTION_TTL_MS) }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::id::Digest;
    use serde_json::json;

    use super::*;
    use crate::rule::fixture::{plan, plan_of};

    fn task(name: &str, at_ms: u64) -> Task {
        let plan = plan(plan_of(&[(name, &[])]));
        let spec = &plan.spec.tasks[0];
        let output = json!({ "value": 1, "digest": Digest::of_json(&json!(1)), "at_ms": at_ms });
        serde_json::from_value(json!({
            "id": plan.id.task(&spec.id), "mission": plan.mission, "plan": plan.id, "name": spec.id,
            "state": "submitted", "attempt": 1, "tries": 1, "round": 0, "output": output,
        }))
        .unwrap()
    }

    fn queue() -> Option<QueueName> {
        Some(QueueName::new("default").unwrap())
    }

    #[test]
    fn the_one_that_waits_the_longest_goes_to_one_verifier_until_its_time_is_over() {
        let (inspections, mission) = (Inspections::default(), Mission::new("demo").unwrap());
        let (young, old) = (task("young", 20), task("old", 10));
        for task in [&young, &old] {
            inspections.note(task, queue());
        }
        let (vera, vito) = (Caller::new("vera").unwrap(), Caller::new("vito").unwrap());
        let take = |by: &Caller, except: &[TaskId], now_ms| {
            inspections.take(&Wanted { mission: &mission, queue: None, by, except }, now_ms)
        };
        assert_eq!(take(&vera, &[], 100), Ok(old.id.clone()));
        assert_eq!(take(&vito, std::slice::from_ref(&young.id), 100), Err(Some(100 + INSPECTION_TTL_MS)));
        assert_eq!(take(&vito, &[], 100), Ok(young.id.clone()));
        assert!(inspections.keep(&mission, &old.id, &vera, 200));
        assert_eq!(take(&vito, &[], 150 + INSPECTION_TTL_MS), Ok(young.id.clone()));
        assert_eq!(take(&vito, &[], 200 + INSPECTION_TTL_MS), Ok(old.id.clone()));
        inspections.note(&Task { state: TaskState::Validated, ..old.clone() }, queue());
        assert!(!inspections.keep(&mission, &old.id, &vera, 300));
    }

    #[test]
    fn nobody_gets_what_they_made_nor_of_another_queue_or_mission() {
        let inspections = Inspections::default();
        let (demo, other) = (Mission::new("demo").unwrap(), Mission::new("other").unwrap());
        let vera = Caller::new("vera").unwrap();
        let made = task("a", 1);
        inspections.note(&made, queue());
        inspections.lock().values_mut().for_each(|task| task.worker = Some(vera.clone()));
        let take = |mission: &Mission, queue: Option<&QueueName>, by: &Caller| {
            inspections.take(&Wanted { mission, queue, by, except: &[] }, 5).is_ok()
        };
        let vito = Caller::new("vito").unwrap();
        let rust = QueueName::new("rust").unwrap();
        assert!(!take(&demo, None, &vera) && !take(&other, None, &vito) && !take(&demo, Some(&rust), &vito));
        assert!(take(&demo, queue().as_ref(), &vito));
    }
}
