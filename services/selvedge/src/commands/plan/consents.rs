//! What tasks that are being committed wait for: the consents of people that are missing.

use std::collections::HashMap;

use selvedge_contracts::{
    call,
    id::{IntentId, TaskId},
    payload::{
        intent::{Intent, IntentList, Waiting},
        task::{Phase, TaskLine, TaskShow},
    },
};
use selvedge_kit::client::Client;

use crate::{
    commands::intent::{all, short},
    exit::Failure,
};

/// Most tasks that are looked at: more wait for nobody's reading.
const MOST_TASKS: usize = 32;

/// The intents of tasks that wait for an approval, by task.
#[derive(Debug, Default)]
pub(super) struct Consents(HashMap<TaskId, Vec<Missing>>);

/// An approval that is missing.
#[derive(Debug)]
struct Missing {
    intent: IntentId,
    count: u32,
    role: &'static str,
}

impl Consents {
    /// Those of tasks that are being committed; nobody is asked if none is.
    ///
    /// # Errors
    /// As `task_show` and `intent_list`.
    pub(super) async fn of(client: &Client, tasks: &[TaskLine]) -> Result<Self, Failure> {
        let is_committing = |line: &&TaskLine| line.phase == Phase::Committing;
        if !tasks.iter().any(|line| is_committing(&line)) {
            return Ok(Self::default());
        }
        let mut tasks_of = HashMap::new();
        for line in tasks.iter().filter(is_committing).take(MOST_TASKS) {
            let shown = client.call::<call::TaskShow>(&TaskShow { task: line.id.clone() }).await?.reply;
            let effects = shown.task.into_iter().flat_map(|task| task.effects);
            tasks_of.extend(effects.map(|effect| (effect.intent, line.id.clone())));
        }
        let wanted = IntentList { waiting: Some(Waiting::ForApproval), ..IntentList::default() };
        let mut found = Self::default();
        for reply in all(client, &wanted).await? {
            if let Some(task) = tasks_of.get(&reply.intent.id) {
                found.add(task, &reply.intent);
            }
        }
        Ok(found)
    }

    fn add(&mut self, task: &TaskId, intent: &Intent) {
        let Some(decision) = &intent.decision else { return };
        let there = u32::try_from(intent.grants.len()).unwrap_or(u32::MAX);
        let count = decision.requirement.approvals.saturating_sub(there);
        let missing = Missing { intent: intent.id.clone(), count, role: decision.requirement.role.name() };
        self.0.entry(task.clone()).or_default().push(missing);
    }

    /// The intents of a task that wait for an approval.
    pub(super) fn intents(&self, task: &TaskId) -> Vec<&IntentId> {
        self.0.get(task).into_iter().flatten().map(|missing| &missing.intent).collect()
    }

    /// What a task waits for, and how to give it; nothing if it waits for no consent.
    pub(super) fn told(&self, task: &TaskId) -> Option<String> {
        let missing = self.0.get(task)?.first()?;
        let Missing { intent, count, role } = missing;
        let approvals = if *count == 1 { "approval" } else { "approvals" };
        let (intent, role) = (short(intent), role.to_uppercase());
        Some(format!("waits for {count} {approvals}: selvedge approval grant {intent} --as {role}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::intent::intent_for_tests;

    #[test]
    fn who_waits_for_a_consent_is_told_how_it_is_given() {
        let intent = intent_for_tests();
        let task = TaskId::new(&format!("task_{}", "0a".repeat(16))).unwrap();
        let mut consents = Consents::default();
        assert_eq!(consents.told(&task), None);
        consents.add(&task, &intent);
        assert_eq!(
            consents.told(&task).unwrap(),
            "waits for 1 approval: selvedge approval grant 0a1b2c3d0a1b --as APPROVER"
        );
        assert_eq!(consents.intents(&task), [&intent.id]);
    }
}
