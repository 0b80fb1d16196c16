//! Plans and tasks for the tests of the rules.

use selvedge_contracts::{
    fault::Detail,
    id::{Caller, ClaimToken, Mission, Owner, ScopeId},
    payload::{
        plan::{Check, Plan, PlanSpec, PlanState, TaskSpec, plan_id},
        task::Claim,
    },
};
use serde_json::json;

/// A task with one check that its output meets if it has a field `ok`.
pub(crate) fn task(id: &str, needs: &[&str]) -> TaskSpec {
    let spec = json!({ "id": id, "title": id, "needs": needs });
    let checks = vec![Check::Pointer { at: "/ok".to_owned(), equals: None }];
    TaskSpec { checks, ..serde_json::from_value(spec).unwrap() }
}

pub(crate) fn plan_of(tasks: &[(&str, &[&str])]) -> PlanSpec {
    let tasks = tasks.iter().map(|(id, needs)| task(id, needs)).collect();
    PlanSpec { tasks, ..serde_json::from_value(json!({ "title": "a test", "tasks": [] })).unwrap() }
}

pub(crate) fn plan(spec: PlanSpec) -> Plan {
    let mission = Mission::new("demo").unwrap();
    Plan {
        id: plan_id(&mission, &spec),
        mission,
        spec,
        planner: Caller::new("pia-0a1b2c3d").unwrap(),
        owner: Owner::new("person:pia").unwrap(),
        session: ScopeId::new("session_1").unwrap(),
        request: None,
        submitted_at_ms: 0,
        state: PlanState::Running,
        round: 0,
        reason: None,
        split_of: None,
        checked: None,
    }
}

/// A claim of an attempt by somebody, made at a time.
pub(crate) fn claim(plan: &Plan, spec: &TaskSpec, attempt: u32, worker: &str, now_ms: u64) -> Claim {
    Claim {
        worker: Caller::new(worker).unwrap(),
        owner: Owner::new("person:ada").unwrap(),
        session: ScopeId::new("session_2").unwrap(),
        token: ClaimToken::of(worker, &plan.id.task(&spec.id), attempt),
        claimed_at_ms: now_ms,
        ttl_ms: 30_000,
        deadline_ms: now_ms + spec.timeout_ms,
        inputs: Vec::new(),
        pools: Vec::new(),
        scope: None,
        leases: Vec::new(),
    }
}

/// Where and what, in one text each.
pub(crate) fn said(details: &[Detail]) -> Vec<String> {
    details.iter().map(|detail| format!("{} {}", detail.at, detail.message)).collect()
}
