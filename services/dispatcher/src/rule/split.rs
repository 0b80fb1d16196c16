//! What a plan owes that stands in the place of a task: its result is proved as the task's output would have been,
//! and what the task was to change outside, one of its tasks changes.

use selvedge_contracts::{
    fault::Detail,
    id::TaskName,
    payload::{
        plan::{Check, EffectSpec, MAX_CHECKS, PlanSpec, TaskSpec},
        task::{Finding, Output, TaskEffect},
    },
};

use super::detail;

/// What came of a plan that stands in the place of a task.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// What its result handed in.
    pub(crate) output: Output,
    /// What was found about it.
    pub(crate) findings: Vec<Finding>,
    /// What its tasks changed outside that the task was to change.
    pub(crate) effects: Vec<TaskEffect>,
}

/// The plan whose result owes what the task owed: its checks, its contract, and the checkout that they are run in.
/// Whether outputs agree with those of other tasks is looked at once the plan is done.
pub(crate) fn owing(task: &TaskSpec, plan: &PlanSpec, result: &TaskName) -> PlanSpec {
    let mut plan = plan.clone();
    if let Some(made) = plan.tasks.iter_mut().find(|made| made.id == *result) {
        let owed = task.checks.iter().filter(|check| !matches!(check, Check::Agrees { .. }));
        let lacking: Vec<Check> = owed.filter(|check| !made.checks.contains(check)).cloned().collect();
        made.checks.extend(lacking);
        made.output_contract = made.output_contract.take().or_else(|| task.output_contract.clone());
        made.workspace = made.workspace.take().or_else(|| task.workspace.clone());
    }
    plan
}

/// What is wrong with a plan in the place of a task, as [`owing`] makes it.
pub(crate) fn wrong(task: &TaskSpec, plan: &PlanSpec, result: &TaskName) -> Vec<Detail> {
    let mut details = Vec::new();
    let made = plan.tasks.iter().position(|made| made.id == *result);
    let checks = made.and_then(|place| plan.tasks.get(place)).map_or(0, |made| made.checks.len());
    if let Some(place) = made.filter(|_| checks > MAX_CHECKS) {
        details.push(detail(
            format!("/plan/tasks/{place}/checks"),
            format!("has {checks} with those of the task in whose place it stands; at most {MAX_CHECKS} are accepted"),
        ));
    }
    for effect in &task.effects {
        if declaring(plan, effect).is_none() {
            let message = format!(
                "the task in whose place it stands changes {} outside; one of these has to declare that as {:?}, with the same `on`",
                effect.on,
                effect.name.as_str()
            );
            details.push(detail("/plan/tasks", message));
        }
    }
    details
}

/// The task of a plan that changes what another one was to change.
pub(crate) fn declaring<'a>(plan: &'a PlanSpec, effect: &EffectSpec) -> Option<&'a TaskSpec> {
    let declares = |task: &&TaskSpec| {
        task.effects.iter().any(|declared| declared.name == effect.name && declared.on == effect.on)
    };
    plan.tasks.iter().find(declares)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rule::fixture::{plan_of, said, task};

    fn result() -> TaskName {
        TaskName::new("a").unwrap()
    }

    fn owed() -> TaskSpec {
        let mut owed = task("x", &[]);
        owed.checks = serde_json::from_value(json!([
            { "kind": "pointer", "at": "/ok" },
            { "kind": "command", "run": ["make", "test"] },
            { "kind": "agrees", "at": "/n", "task": "other", "with": "/n" },
        ]))
        .unwrap();
        owed.workspace =
            Some(serde_json::from_value(json!({ "repository": "r", "branch": "main" })).unwrap());
        owed
    }

    #[test]
    fn a_result_owes_the_checks_that_it_lacks_and_keeps_its_own() {
        let plan = owing(&owed(), &plan_of(&[("a", &[]), ("b", &[])]), &result());
        let kinds: Vec<String> = plan.tasks[0].checks.iter().map(ToString::to_string).collect();
        assert_eq!(kinds.len(), 2, "one was there, one is of another plan: {kinds:?}");
        assert!(kinds[1].contains("make test"), "{kinds:?}");
        assert_eq!(plan.tasks[0].workspace, owed().workspace);
        assert_eq!(
            (plan.tasks[1].checks.len(), &plan.tasks[1].workspace),
            (1, &None),
            "the others owe nothing"
        );
        assert_eq!(owing(&owed(), &plan, &result()), plan, "once is enough");
    }

    #[test]
    fn too_many_checks_and_changes_that_nobody_makes_are_wrong() {
        let mut plan = plan_of(&[("a", &[])]);
        plan.tasks[0].checks =
            (0..MAX_CHECKS).map(|n| Check::Pointer { at: format!("/{n}"), equals: None }).collect();
        let mut owed = owed();
        owed.effects = serde_json::from_value(
            json!([{ "name": "land", "on": { "kind": "git", "repository": "r", "branch": "main" } }]),
        )
        .unwrap();
        let found = said(&wrong(&owed, &owing(&owed, &plan, &result()), &result()));
        assert!(found[0].starts_with("/plan/tasks/0/checks has 34"), "{found:?}");
        assert!(found[1].contains("\"land\""), "{found:?}");
        plan.tasks[0].checks.truncate(1);
        plan.tasks[0].effects = owed.effects.clone();
        assert_eq!(said(&wrong(&owed, &owing(&owed, &plan, &result()), &result())), Vec::<String>::new());
    }
}
