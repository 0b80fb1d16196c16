//! What a plan must be before it is put on the record. Everything that is wrong is listed, each with its
//! place.

use selvedge_contracts::{
    fault::Detail,
    id::PoolName,
    payload::plan::{Check, ContractPin, MAX_PLAN_BYTES, MAX_TASK_POOLS, PlanSpec, TaskSpec},
    role::Role,
};
use serde_json::Value;

mod wish;

use super::{detail, dispute, graph, inexact};

/// What a plan may refer to.
pub(crate) trait Known {
    /// What is wrong with a document by a contract; nothing if there is no such contract.
    fn violations(&self, contract: &ContractPin, document: &Value) -> Option<Vec<Detail>>;
    /// Whether there is such a contract.
    fn has_contract(&self, contract: &ContractPin) -> bool;
    /// Whether there is such a pool.
    fn has_pool(&self, pool: &PoolName) -> bool;
}

/// Roles that tasks may be for.
const DOERS: [Role; 3] = [Role::Worker, Role::Verifier, Role::Planner];

/// Everything that is wrong with a plan; places are pointers into the request.
pub(crate) fn check(plan: &PlanSpec, known: &impl Known) -> Vec<Detail> {
    let mut found = Vec::new();
    let bytes = serde_json::to_vec(plan).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_PLAN_BYTES {
        let message = format!(
            "has {bytes} bytes as JSON, and at most {MAX_PLAN_BYTES} are accepted; store long texts and refer to them, or make two plans"
        );
        found.push(detail("", message));
    }
    one_line(&plan.title, "/title".to_owned(), &mut found);
    pools(&plan.pools, "/pools", known, &mut found);
    for (index, task) in plan.tasks.iter().enumerate() {
        check_task(task, &format!("/tasks/{index}"), known, &mut found);
        if task.pools.len() + plan.pools.len() + 2 > MAX_TASK_POOLS {
            found.push(detail(
                format!("/tasks/{index}/pools"),
                "counts in too many pools, its plan's included",
            ));
        }
    }
    found.extend(dispute::check(plan));
    found.extend(graph::check(plan));
    for found in &mut found {
        found.at = format!("/plan{}", found.at);
    }
    found
}

fn check_task(task: &TaskSpec, at: &str, known: &impl Known, found: &mut Vec<Detail>) {
    one_line(&task.title, format!("{at}/title"), found);
    if !DOERS.contains(&task.role) {
        let message = format!("a {} does no tasks; expected worker, verifier or planner", task.role);
        found.push(detail(format!("{at}/role"), message));
    }
    pools(&task.pools, &format!("{at}/pools"), known, found);
    input(task, at, known, found);
    match &task.output_contract {
        Some(contract) if !known.has_contract(contract) => {
            found.push(detail(format!("{at}/output_contract"), unknown(contract)));
        }
        None if task.checks.is_empty() => found.push(detail(
            format!("{at}/checks"),
            "nothing would prove that it is done; name an output_contract, a check, or both",
        )),
        _ => {}
    }
    workspace(task, at, found);
    for (index, check) in task.checks.iter().enumerate() {
        check_check(check, &format!("{at}/checks/{index}"), found);
    }
    wish::reservations(task, at, found);
    wish::effects(task, at, found);
}

fn workspace(task: &TaskSpec, at: &str, found: &mut Vec<Detail>) {
    let Some(workspace) = &task.workspace else { return };
    if !is_pointer(workspace.change()) || workspace.change().is_empty() {
        let message =
            "is no JSON pointer (RFC 6901) to a place in the output: expected for example \"/change\"";
        found.push(detail(format!("{at}/workspace/change"), message));
    }
    one_line(&workspace.branch, format!("{at}/workspace/branch"), found);
    if wish::is_wrong_branch(&workspace.branch) && !workspace.branch.chars().any(char::is_control) {
        found.push(detail(format!("{at}/workspace/branch"), "is no name of a branch, without refs/heads/"));
    }
}

fn input(task: &TaskSpec, at: &str, known: &impl Known, found: &mut Vec<Detail>) {
    if let Some(input) = &task.input {
        inexact(input, &format!("{at}/input"), found);
    }
    let Some(contract) = &task.input_contract else { return };
    let none = Value::Null;
    match known.violations(contract, task.input.as_ref().unwrap_or(&none)) {
        None => found.push(detail(format!("{at}/input_contract"), unknown(contract))),
        Some(violations) => found.extend(
            violations.into_iter().map(|wrong| detail(format!("{at}/input{}", wrong.at), wrong.message)),
        ),
    }
}

fn unknown(contract: &ContractPin) -> String {
    format!("there is no contract {contract}; registry.contract_list shows those there are")
}

fn check_check(check: &Check, at: &str, found: &mut Vec<Detail>) {
    if check.pointer().is_some_and(|pointer| !is_pointer(pointer)) {
        let message = "is no JSON pointer (RFC 6901): expected \"\" or for example \"/rows/0\"; ~ is written ~0, / in a name ~1";
        found.push(detail(format!("{at}/at"), message));
    }
    match check {
        Check::Pointer { equals: Some(value), .. } => inexact(value, &format!("{at}/equals"), found),
        Check::Rows { min, max: Some(max), .. } if min > max => {
            found.push(detail(format!("{at}/max"), format!("is less than min, {min}: nothing would pass")));
        }
        Check::Command { run, .. } if run.first().is_some_and(String::is_empty) => {
            found.push(detail(format!("{at}/run/0"), "names no program"));
        }
        _ => {}
    }
}

/// Whether it is a JSON pointer (RFC 6901).
pub(super) fn is_pointer(text: &str) -> bool {
    let is_escaped = |rest: &str| rest.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    (text.is_empty() || text.starts_with('/')) && is_escaped(text)
}

fn one_line(text: &str, at: String, found: &mut Vec<Detail>) {
    if text.chars().any(char::is_control) {
        found.push(detail(at, "holds a line break or another control character; it is one line"));
    }
}

fn pools(pools: &[PoolName], at: &str, known: &impl Known, found: &mut Vec<Detail>) {
    for (index, pool) in pools.iter().enumerate() {
        if !known.has_pool(pool) {
            let message = format!("there is no pool {pool}; dispatcher.capacity_set makes one");
            found.push(detail(format!("{at}/{index}"), message));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rule::fixture::{plan_of, said, task};

    /// Knows the contract `known/1`, which wants a text, and the pool `gpu`.
    struct Some;

    impl Known for Some {
        fn violations(&self, contract: &ContractPin, document: &Value) -> Option<Vec<Detail>> {
            let wrong = if document.is_string() { Vec::new() } else { vec![detail("", "is no text")] };
            self.has_contract(contract).then_some(wrong)
        }
        fn has_contract(&self, contract: &ContractPin) -> bool {
            contract.to_string() == "known/1"
        }
        fn has_pool(&self, pool: &PoolName) -> bool {
            pool.as_str() == "gpu"
        }
    }

    fn of(spec: Value) -> TaskSpec {
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn a_plan_in_order_has_nothing_wrong() {
        let mut plan = plan_of(&[("a", &[]), ("b", &["a"])]);
        plan.tasks.push(of(json!({ "id": "c", "title": "c", "pools": ["gpu"], "input": "x",
            "input_contract": { "name": "known", "version": 1 },
            "output_contract": { "name": "known", "version": 1 } })));
        assert_eq!(said(&check(&plan, &Some)), [""; 0]);
    }

    #[test]
    fn everything_that_is_wrong_is_listed_with_its_place() {
        let mut plan = plan_of(&[("a", &["b"]), ("b", &["a"])]);
        plan.title = "two\nlines".to_owned();
        plan.pools = vec![PoolName::new("none").unwrap()];
        plan.tasks.push(of(json!({ "id": "c", "title": "c", "needs": ["x"], "role": "approver",
            "input": { "n": u64::MAX }, "input_contract": { "name": "known", "version": 1 },
            "output_contract": { "name": "known", "version": 2 },
            "checks": [
                { "kind": "pointer", "at": "a" }, { "kind": "pointer", "at": "/a~2" },
                { "kind": "rows", "at": "", "min": 3, "max": 2 }, { "kind": "command", "run": [""] },
            ], "workspace": { "repository": "record", "branch": "a\nb", "change": "change" } })));
        plan.tasks.push(of(
            json!({ "id": "c", "title": "c", "input_contract": { "name": "other", "version": 1 } }),
        ));
        let found = said(&check(&plan, &Some));
        let places: Vec<_> = found.iter().map(|said| said.split(' ').next().unwrap()).collect();
        assert_eq!(
            places,
            [
                "/plan/title",
                "/plan/pools/0",
                "/plan/tasks/2/role",
                "/plan/tasks/2/input/n",
                "/plan/tasks/2/input",
                "/plan/tasks/2/output_contract",
                "/plan/tasks/2/workspace/change",
                "/plan/tasks/2/workspace/branch",
                "/plan/tasks/2/checks/0/at",
                "/plan/tasks/2/checks/1/at",
                "/plan/tasks/2/checks/2/max",
                "/plan/tasks/2/checks/3/run/0",
                "/plan/tasks/3/input_contract",
                "/plan/tasks/3/checks",
                "/plan/tasks/3/id",
                "/plan/tasks/2/needs/0",
                "/plan/tasks/0/needs",
            ],
            "{found:#?}"
        );
    }

    #[test]
    fn a_plan_larger_than_its_facts_may_be_is_refused() {
        let mut plan = plan_of(&[]);
        plan.tasks = (0..20)
            .map(|n| TaskSpec { description: "x".repeat(32_000), ..task(&format!("t{n}"), &[]) })
            .collect();
        let found = said(&check(&plan, &Some));
        assert!(found.len() == 1 && found[0].starts_with("/plan has 6"), "{found:?}");
    }
}
