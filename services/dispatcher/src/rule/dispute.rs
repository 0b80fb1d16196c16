//! What is a disagreement, and what a plan says about it: outputs that do not agree, entities that have moved
//! on, and which of them somebody has to decide.

use std::collections::{BTreeSet, HashMap};

use selvedge_contracts::{
    fault::Detail,
    id::TaskName,
    payload::{
        arbitration::{Arbitration, CaseWhy, DECIDERS},
        case::Case,
        intent::IntentPrecondition,
        plan::{Check, Plan, PlanSpec, PlanState, TaskSpec},
        task::{Cause, Finding, Task, TaskState},
    },
    role::Role,
};
use serde_json::Value;

use super::{
    detail,
    judge::{finding, is_same},
    shape::is_pointer,
    task::Of,
};

/// What a plan says about disagreements about one of its tasks.
pub(crate) fn arbitration(of: Of<'_>) -> Arbitration {
    let said = of.spec.arbitration.as_ref().or(of.plan.spec.arbitration.as_ref());
    said.cloned().unwrap_or_default()
}

/// What somebody has to decide about a task; nothing if there is nothing to decide.
pub(crate) fn why(of: Of<'_>, task: &Task) -> Option<CaseWhy> {
    let is_failed = task.state == TaskState::Failed && task.round >= of.plan.round;
    let is_wanted = !matches!(of.plan.state, PlanState::Cancelled | PlanState::Done);
    let why = CaseWhy::of(task.past.last()?.cause)?;
    (is_failed && is_wanted && arbitration(of).cases.contains(&why)).then_some(why)
}

/// Whether a plan waits for a decision about one of its tasks: it says what becomes of disagreements, and nobody
/// has decided yet.
pub(crate) fn is_waited_for(of: Of<'_>, task: &Task, case: Option<&Case>) -> bool {
    let says_so = of.spec.arbitration.is_some() || of.plan.spec.arbitration.is_some();
    says_so && why(of, task).is_some() && case.is_none_or(|case| !case.state.is_over())
}

/// Why what was handed in does not hold: an entity has moved on, it disagrees with another output and nothing
/// else is wrong with it, or it is just wrong.
pub(crate) fn cause(of: Of<'_>, findings: &[Finding]) -> Cause {
    let failed: Vec<&str> =
        findings.iter().filter(|finding| !finding.passed).map(|finding| finding.check.as_str()).collect();
    let is_of = |said: &BTreeSet<String>, check: &str| said.contains(check);
    let rests_on: BTreeSet<String> =
        of.spec.preconditions.iter().map(|precondition| super::cut(&in_words(precondition))).collect();
    if failed.iter().any(|check| is_of(&rests_on, check)) {
        return Cause::Precondition;
    }
    let agreements: BTreeSet<String> = of
        .spec
        .checks
        .iter()
        .filter(|check| matches!(check, Check::Agrees { .. }))
        .map(|check| super::cut(&check.to_string()))
        .collect();
    let is_conflict = !failed.is_empty() && failed.iter().all(|check| is_of(&agreements, check));
    if is_conflict && arbitration(of).cases.contains(&CaseWhy::Conflict) {
        return Cause::Conflict;
    }
    Cause::Rejected
}

/// What is seen of each check that holds an output against another one; `other` answers with what a task handed
/// in.
pub(crate) fn agreements(
    spec: &TaskSpec,
    output: &Value,
    other: impl Fn(&TaskName) -> Option<Value>,
) -> Vec<Finding> {
    let look = |check: &Check| {
        let Check::Agrees { at, task, with } = check else { return None };
        let theirs = other(task);
        let (passed, seen) = match (output.pointer(at), theirs.as_ref().and_then(|value| value.pointer(with)))
        {
            (Some(ours), Some(theirs)) => {
                (is_same(ours, theirs), format!("{} here, {} there", short(ours), short(theirs)))
            }
            (None, _) => (false, "nothing stands there".to_owned()),
            (_, None) => (false, format!("nothing stands there in what {task} handed in")),
        };
        Some(finding(&check.to_string(), passed, &seen))
    };
    spec.checks.iter().filter_map(look).collect()
}

/// A value in few characters, with room for another one.
fn short(value: &Value) -> String {
    const MOST: usize = 200;
    let text = value.to_string();
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST).chain("…".chars()).collect() }
}

/// What is seen of the entities on which something rests: at which revision each stands, in the same order.
pub(crate) fn standing(preconditions: &[IntentPrecondition], revisions: &[u64]) -> Vec<Finding> {
    let look = |(precondition, revision): (&IntentPrecondition, &u64)| {
        let seen = format!("it is at revision {revision}");
        finding(&in_words(precondition), *revision == precondition.revision, &seen)
    };
    preconditions.iter().zip(revisions).map(look).collect()
}

/// A precondition in a line.
pub(crate) fn in_words(precondition: &IntentPrecondition) -> String {
    let IntentPrecondition { entity, id, revision } = precondition;
    format!("{entity} {id} is at revision {revision}")
}

/// Everything that is wrong with what a plan says about disagreements.
pub(crate) fn check(plan: &PlanSpec) -> Vec<Detail> {
    let mut found = Vec::new();
    path(plan.arbitration.as_ref(), "", &mut found);
    let places: HashMap<&TaskName, &TaskSpec> = plan.tasks.iter().map(|task| (&task.id, task)).collect();
    for (index, task) in plan.tasks.iter().enumerate() {
        let at = format!("/tasks/{index}");
        path(task.arbitration.as_ref(), &at, &mut found);
        for (place, check) in task.checks.iter().enumerate() {
            if let Check::Agrees { task: other, with, .. } = check {
                agrees((task, other, with), &places, &format!("{at}/checks/{place}"), &mut found);
            }
        }
    }
    found
}

fn path(arbitration: Option<&Arbitration>, at: &str, found: &mut Vec<Detail>) {
    let Some(arbitration) = arbitration else { return };
    let steps = arbitration.escalate.iter().enumerate();
    let named = steps.map(|(index, step)| (format!("{at}/arbitration/escalate/{index}/to"), step.to));
    for (at, role) in std::iter::once((format!("{at}/arbitration/to"), arbitration.to)).chain(named) {
        if !DECIDERS.contains(&role) {
            let names = DECIDERS.map(Role::name).join(", ");
            found.push(detail(at, format!("a {role} decides no cases; expected one of {names}")));
        }
    }
}

fn agrees(
    (task, other, with): (&TaskSpec, &TaskName, &str),
    places: &HashMap<&TaskName, &TaskSpec>,
    at: &str,
    found: &mut Vec<Detail>,
) {
    if !is_pointer(with) {
        let message = "is no JSON pointer (RFC 6901): expected \"\" or for example \"/rows/0\"";
        found.push(detail(format!("{at}/with"), message));
    }
    let (mut open, mut seen): (Vec<&TaskName>, BTreeSet<&TaskName>) =
        (task.needs.iter().collect(), BTreeSet::new());
    while let Some(need) = open.pop() {
        if seen.insert(need) {
            open.extend(places.get(need).into_iter().flat_map(|task| &task.needs));
        }
    }
    if !seen.contains(other) {
        let message =
            format!("{} does not need {other}, itself or by way of others: it could come later", task.id);
        found.push(detail(format!("{at}/task"), message));
    }
}

/// Whether the plan waits for the decision, for the board: the plan as it stands, by the task's place.
pub(crate) fn is_disputed(plan: &Plan, index: usize, task: &Task, case: Option<&Case>) -> bool {
    let spec = plan.spec.tasks.get(index);
    spec.is_some_and(|spec| is_waited_for(Of { plan, spec }, task, case))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rule::fixture::{plan, plan_of, said};

    fn with(task: Value) -> Plan {
        let mut spec = plan_of(&[("a", &[]), ("b", &["a"])]);
        spec.tasks.push(serde_json::from_value(task).unwrap());
        plan(spec)
    }

    fn of(plan: &Plan) -> Of<'_> {
        Of { plan, spec: plan.spec.tasks.last().unwrap() }
    }

    fn pinned() -> Value {
        json!({ "entity": "memory", "id": "x", "revision": 7 })
    }

    #[test]
    fn values_agree_if_they_have_one_canonical_form() {
        let plan = with(json!({ "id": "c", "title": "c", "needs": ["b"], "checks": [
            { "kind": "agrees", "at": "/n", "task": "a", "with": "/m" },
            { "kind": "agrees", "at": "/n", "task": "a", "with": "/other" },
            { "kind": "agrees", "at": "/n", "task": "b", "with": "" },
            { "kind": "agrees", "at": "/none", "task": "a", "with": "/m" } ] }));
        let other = |name: &TaskName| (name.as_str() == "a").then(|| json!({ "m": 1.0, "other": 2 }));
        let found = agreements(of(&plan).spec, &json!({ "n": 1 }), other);
        assert_eq!(
            found.iter().map(|finding| finding.passed).collect::<Vec<_>>(),
            [true, false, false, false]
        );
        assert!(
            found[1].seen.contains("1 here, 2 there") && found[2].seen.contains("b handed in"),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_wrong_with_an_output_says_why_it_came_to_nothing() {
        let plan = with(json!({ "id": "c", "title": "c", "needs": ["a"], "preconditions": [pinned()],
            "checks": [{ "kind": "agrees", "at": "/n", "task": "a", "with": "/n" }, { "kind": "pointer", "at": "/ok" }] }));
        let of = of(&plan);
        let agrees = |n| agreements(of.spec, &json!({ "n": n }), |_| Some(json!({ "n": 1 })));
        let at = |revision| standing(&of.spec.preconditions, &[revision]);
        let wrong = || vec![finding("\"/ok\" is there", false, "nothing stands there")];
        let cause = |findings: Vec<Vec<Finding>>| cause(of, &findings.concat());
        assert_eq!(cause(vec![agrees(2), at(7)]), Cause::Conflict);
        assert_eq!(cause(vec![agrees(2), wrong()]), Cause::Rejected);
        assert_eq!(cause(vec![agrees(1), wrong()]), Cause::Rejected);
        assert_eq!(cause(vec![agrees(2), wrong(), at(8)]), Cause::Precondition);
        let mut silent = plan.clone();
        silent.spec.arbitration = Some(serde_json::from_value(json!({ "cases": ["lost"] })).unwrap());
        let of = Of { plan: &silent, ..of };
        assert_eq!(super::cause(of, &agrees(2)), Cause::Rejected, "no case, so it is tried again");
    }

    #[test]
    fn a_tasks_own_word_takes_the_place_of_its_plans() {
        let mut plan = with(json!({ "id": "c", "title": "c", "arbitration": { "queue": "mine" } }));
        plan.spec.arbitration = Some(Arbitration { to: Role::Approver, ..Arbitration::default() });
        let own = arbitration(of(&plan));
        assert_eq!((own.to, own.queue.as_str()), (Role::Arbitrator, "mine"));
        let inherited = arbitration(Of { plan: &plan, spec: &plan.spec.tasks[0] });
        assert_eq!(inherited.to, Role::Approver);
    }

    #[test]
    fn what_a_plan_says_wrongly_is_listed_with_its_place() {
        let mut plan = with(json!({ "id": "c", "title": "c", "needs": ["b"],
            "arbitration": { "to": "worker", "escalate": [{ "to": "operator", "after_ms": 100 }, { "to": "planner", "after_ms": 100 }] },
            "checks": [{ "kind": "agrees", "at": "", "task": "a", "with": "" },
                { "kind": "agrees", "at": "", "task": "c", "with": "x" }] }));
        plan.spec.arbitration = Some(Arbitration { to: Role::Verifier, ..Arbitration::default() });
        let found = said(&check(&plan.spec));
        let places: Vec<_> = found.iter().map(|said| said.split(' ').next().unwrap()).collect();
        let expected = [
            "/arbitration/to",
            "/tasks/2/arbitration/to",
            "/tasks/2/arbitration/escalate/1/to",
            "/tasks/2/checks/1/with",
            "/tasks/2/checks/1/task",
        ];
        assert_eq!(places, expected, "{found:#?}");
    }
}
