//! How far a plan is, as people read it: a line for each task, in an order in which they can be done, each
//! indented by how many tasks have to come before it.

use std::collections::HashMap;

use selvedge_contracts::{
    id::TaskName,
    payload::{
        plan::PlanReply,
        task::{Phase, TaskLine},
    },
};

use super::consents::Consents;
use crate::output::visible_line;

/// The plan's state and a line for each of its tasks.
pub(super) fn of(reply: &PlanReply, consents: &Consents) -> String {
    let count = |phase| reply.tasks.iter().filter(|line| line.phase == phase).count();
    let mut text = format!(
        "{} · {} of {} validated · {} running",
        reply.plan.state.name(),
        count(Phase::Validated),
        reply.tasks.len(),
        count(Phase::Running)
    );
    let depths = depths(reply);
    let mut lines: Vec<(usize, &TaskLine)> = depths.into_iter().zip(&reply.tasks).collect();
    lines.sort_by_key(|(depth, _)| *depth); // stable: else in the plan's own order
    for (depth, line) in lines {
        text.push('\n');
        text.push_str(&row(depth, line, consents));
    }
    text
}

fn row(depth: usize, line: &TaskLine, consents: &Consents) -> String {
    let waits = consents.told(&line.id);
    let about = match line.phase {
        Phase::Committing if waits.is_some() => waits.unwrap_or_default(),
        Phase::Blocked => {
            let names: Vec<_> = line.waits_for.iter().map(TaskName::as_str).collect();
            format!("waits for {}", names.join(", "))
        }
        Phase::Running | Phase::Submitted | Phase::Committing => {
            let worker = line.worker.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{worker}, attempt {}", line.attempt)
        }
        Phase::Gated => "waits for a person".to_owned(),
        Phase::Waiting if line.waits_for_lease.is_some() => {
            format!("waits for {}", line.waits_for_lease.as_deref().map(visible_line).unwrap_or_default())
        }
        Phase::Failed | Phase::Waiting => line.reason.as_deref().map(visible_line).unwrap_or_default(),
        Phase::Ready | Phase::Validated | Phase::Stopped => String::new(),
    };
    let shown = format!(
        "{:indent$}{} {:<10} {}  {about}",
        "",
        mark(line.phase),
        line.phase.name(),
        line.name,
        indent = depth * 2
    );
    shown.trim_end().to_owned()
}

const fn mark(phase: Phase) -> char {
    match phase {
        Phase::Validated => '✓',
        Phase::Running => '▶',
        Phase::Submitted => '?',
        Phase::Committing => '→',
        Phase::Ready => '○',
        Phase::Blocked => '·',
        Phase::Gated => '⏸',
        Phase::Waiting => '↻',
        Phase::Failed => '✗',
        Phase::Stopped => '■',
    }
}

/// Length of the longest chain of needs before each task. Plans have no circles.
fn depths(reply: &PlanReply) -> Vec<usize> {
    let tasks = &reply.plan.spec.tasks;
    let places: HashMap<_, _> = tasks.iter().enumerate().map(|(place, task)| (&task.id, place)).collect();
    let mut depths = vec![0_usize; tasks.len()];
    // Each round gets at least one more right; no chain is longer than the plan.
    for _ in 0..tasks.len() {
        let mut has_changed = false;
        for (place, task) in tasks.iter().enumerate() {
            let needed = task.needs.iter().filter_map(|need| depths.get(*places.get(need)?));
            let depth = needed.max().map_or(0, |deepest| deepest + 1);
            if let Some(known) = depths.get_mut(place).filter(|known| **known != depth) {
                *known = depth;
                has_changed = true;
            }
        }
        if !has_changed {
            break;
        }
    }
    depths
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A plan of which one task is validated and another running.
    pub(in crate::commands::plan) fn reply() -> PlanReply {
        let id = format!("plan_{}", "0a".repeat(32));
        let task = |n: u8| format!("task_{}", format!("{n:02x}").repeat(16));
        let line = |n, name: &str, phase: &str, waits: &[&str]| {
            json!({ "id": task(n), "plan": id, "name": name, "title": name, "queue": "default", "phase": phase,
                "attempt": 1, "worker": "ada-0a1b2c3d", "waits_for": waits })
        };
        serde_json::from_value(json!({
            "plan": { "id": id, "mission": "demo", "planner": "pia-0a1b2c3d", "owner": "person:pia",
                "session": "session_1", "submitted_at_ms": 0, "state": "running", "round": 0,
                "spec": { "title": "t", "tasks": [
                    { "id": "c", "title": "c", "needs": ["b"] }, { "id": "b", "title": "b", "needs": ["a"] },
                    { "id": "a", "title": "the \"first\"" },
                ] } },
            "revision": 7,
            "tasks": [line(3, "c", "blocked", &["b"]), line(2, "b", "running", &[]), line(1, "a", "validated", &[])],
        }))
        .unwrap()
    }

    #[test]
    fn who_holds_what_a_task_reserves_stands_behind_it() {
        let mut reply = reply();
        reply.tasks[1].phase = Phase::Waiting;
        reply.tasks[1].waits_for_lease = Some("shop: bob-1a2b3c4d holds path src".to_owned());
        assert!(
            of(&reply, &Consents::default())
                .contains("↻ waiting    b  waits for shop: bob-1a2b3c4d holds path src"),
            "{}",
            of(&reply, &Consents::default())
        );
    }

    #[test]
    fn tasks_stand_in_an_order_in_which_they_can_be_done() {
        let expected = "running · 1 of 3 validated · 1 running
✓ validated  a
  ▶ running    b  ada-0a1b2c3d, attempt 1
    · blocked    c  waits for b";
        assert_eq!(of(&reply(), &Consents::default()), expected);
    }
}
