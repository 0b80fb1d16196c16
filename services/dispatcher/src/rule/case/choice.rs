//! What may be decided: which output is accepted, and what takes a task's place.

use selvedge_contracts::{
    fault::{Detail, Fault},
    id::{Digest, PlanId, TaskName},
    payload::{
        case::{Case, CaseOutput, Decided, MAX_SPLIT_DEPTH, MAX_SPLIT_TASKS, MAX_SPLITS},
        plan::{Plan, PlanSpec, plan_id},
        task::{Finding, PastAttempt},
    },
};

use super::{super::split, Decider};

pub(super) fn accept(current: &Case, by: &Decider<'_>, wanted: &Digest) -> Result<Decided, Fault> {
    let mut found = current.outputs.iter().filter(|output| output.digest == *wanted);
    let Some(output) = found.clone().next() else {
        let known: Vec<_> = current.outputs.iter().map(|output| output.digest.as_str()).collect();
        let message = format!("is none of the case's outputs; expected one of {}", known.join(", "));
        return Err(Fault::invalid("there is no such output").at("/decision/output", message));
    };
    // Where several handed in the same, it must be nobody's own.
    let own = found.find(|output| output.worker == *by.caller || Some(&output.owner) == by.owner);
    if let Some(own) = own {
        return Err(Fault::denied(format!(
            "{} of {} handed it in: nobody accepts what is their own",
            own.worker, own.owner
        )));
    }
    if output.value.is_none() {
        return Err(Fault::conflict("the case had no room for that output, so it cannot be accepted; retry"));
    }
    changes_what_was_planned(current, output)?;
    Ok(Decided::Accept { output: wanted.clone(), overruled: overruled(current, output) })
}

/// An output that is accepted says what its task changes outside, too.
fn changes_what_was_planned(current: &Case, output: &CaseOutput) -> Result<(), Fault> {
    let Some(declared) = current.spec.effects.first() else { return Ok(()) };
    let is_offered = |name| output.effects.iter().any(|offer| offer.name == name);
    if output.task == current.name
        && current.spec.effects.iter().all(|declared| is_offered(declared.name.clone()))
    {
        return Ok(());
    }
    let why = if output.task == current.name {
        "it was handed in before what came with it was kept".to_owned()
    } else {
        format!("it is what {} handed in", output.task)
    };
    Err(Fault::conflict(format!(
        "the task changes {} outside, and that output does not say what exactly ({why}), so it cannot be accepted; retry or split",
        declared.on
    )))
}

/// What was found about an output, and does not count any more.
fn overruled(current: &Case, output: &CaseOutput) -> Vec<Finding> {
    let is_last = output.task != current.name || output.attempt == current.attempt;
    if is_last {
        return current.findings.iter().filter(|finding| !finding.passed).cloned().collect();
    }
    let past = current.past.iter().filter(|past| past.attempt == output.attempt);
    let found = |past: &PastAttempt| Finding {
        check: format!("attempt {}", past.attempt),
        passed: false,
        seen: past.reason.clone(),
    };
    past.map(found).collect()
}

pub(super) fn split(current: &Case, plan: &PlanSpec, result: &TaskName) -> Result<Decided, Fault> {
    if current.splits >= MAX_SPLITS {
        return Err(Fault::conflict(format!("it was split {MAX_SPLITS} times already")));
    }
    if plan.tasks.len() > MAX_SPLIT_TASKS {
        let message = format!("has {} tasks; at most {MAX_SPLIT_TASKS} are accepted", plan.tasks.len());
        return Err(Fault::invalid("the plan is too large").at("/decision/plan/tasks", message));
    }
    if !plan.tasks.iter().any(|task| task.id == *result) {
        let message = format!("no task of the plan is called {result}");
        return Err(Fault::invalid("its result is unknown").at("/decision/result", message));
    }
    let details = split::wrong(&current.spec, &split::owing(&current.spec, plan, result), result);
    if !details.is_empty() {
        let fault = Fault::invalid("the plan does not do what the task in whose place it stands has to do");
        let details =
            details.into_iter().map(|detail| Detail { at: format!("/decision{}", detail.at), ..detail });
        return Err(Fault { details: details.collect(), ..fault });
    }
    let next = current.splits.saturating_add(1);
    Ok(Decided::Split { plan: split_id(current, (plan, result), next), result: result.clone() })
}

/// The plan that takes the place of a case's task, as it is submitted: the case and the number of the split are
/// its occurrence, so it is no plan that was there before. Its result owes what the task owed.
pub(crate) fn split_spec(case: &Case, (plan, result): (&PlanSpec, &TaskName), number: u32) -> PlanSpec {
    let occurrence = Some(format!("{}/{number}", case.id));
    PlanSpec { occurrence, ..split::owing(&case.spec, plan, result) }
}

pub(super) fn split_id(case: &Case, wanted: (&PlanSpec, &TaskName), number: u32) -> PlanId {
    plan_id(&case.mission, &split_spec(case, wanted, number))
}

/// How deep a plan that takes the place of one of this plan's tasks stands.
///
/// # Errors
/// Conflict if that is too deep.
pub(crate) fn depth(plan: &Plan) -> Result<u32, Fault> {
    let depth = plan.split_of.as_ref().map_or(0, |split| split.depth).saturating_add(1);
    if depth > MAX_SPLIT_DEPTH {
        return Err(Fault::conflict(format!(
            "its plan stands {MAX_SPLIT_DEPTH} deep in the place of other tasks already; decide otherwise"
        )));
    }
    Ok(depth)
}
