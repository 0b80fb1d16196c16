//! Looking at tasks, and letting them pass their gates.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fault::Fault,
    payload::{
        plan::Plan,
        task::{Task, TaskLine, TaskList, TaskOpen, TaskReply, TaskShow, TaskShown, Tasks},
    },
};
use selvedge_kit::service::{Answer, Call, Route, Routes};

use super::{output::reply, page};
use crate::{rule::task as rule, state::Dispatcher};

pub(super) fn routes() -> Routes<Dispatcher> {
    vec![
        Route::read::<call::TaskShow>(show),
        Route::wait::<call::TaskList, _>(list),
        Route::wait::<call::TaskOpen, _>(open),
    ]
}

fn show(state: &Dispatcher, call: &Call, request: TaskShow) -> Answer<TaskShown> {
    let found = state.found_anywhere(call.mission(), &request.task)?;
    let of = found.of()?;
    let entry = state.task(call.mission(), &request.task);
    Ok(TaskShown {
        line: state.line(of.plan, of.spec),
        spec: of.spec.clone(),
        revision: entry.as_ref().map_or(0, |entry| entry.revision),
        task: entry.map(|entry| entry.state.as_ref().clone()),
    })
}

async fn list(state: Arc<Dispatcher>, call: Arc<Call>, request: TaskList) -> Answer<Tasks> {
    let plans: Vec<Arc<Plan>> = match &request.plan {
        Some(plan) => vec![state.plan(call.mission(), plan)?.state],
        None => state.views.plans.page(call.mission(), None, usize::MAX, |plan| plan.state.is_open()).0,
    };
    // How a task stands is looked up for those of the page alone.
    let mut found: Vec<_> = plans
        .iter()
        .flat_map(|plan| plan.spec.tasks.iter().map(move |spec| (plan, spec)))
        .filter(|(_, spec)| request.queue.as_ref().is_none_or(|queue| *queue == spec.queue))
        .map(|(plan, spec)| (plan.id.task(&spec.id), plan, spec))
        .filter(|(id, ..)| request.after.as_ref().is_none_or(|after| id > after))
        .collect();
    found.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
    let limit = page::size(request.limit);
    let lines = found.iter().map(|(_, plan, spec)| state.line(plan, spec));
    let mut lines: Vec<TaskLine> =
        lines.filter(|line| is_wanted(line, &request, &call)).take(limit.saturating_add(1)).collect();
    let more = lines.len() > limit;
    lines.truncate(limit);
    let (tasks, more) = page::holding(lines, more);
    Ok(Tasks { tasks, more })
}

fn is_wanted(line: &TaskLine, request: &TaskList, call: &Call) -> bool {
    use selvedge_contracts::payload::task::Phase;
    let TaskList { phase, mine, .. } = request;
    let is_mine = || line.phase == Phase::Running && line.worker.as_ref() == Some(&call.subject.caller);
    phase.is_none_or(|phase| phase == line.phase) && (!mine || is_mine())
}

async fn open(state: Arc<Dispatcher>, call: Arc<Call>, request: TaskOpen) -> Answer<TaskReply> {
    let found = state.found_anywhere(call.mission(), &request.task)?;
    let owner = call.owner().ok_or_else(|| Fault::denied("a gate needs an owner who answers for it"))?;
    let decide =
        |current: Option<&Task>| rule::open(current, found.of()?, &call.subject.caller, owner, call.now_ms);
    state.record_task(&call.writer, &found, decide).await.map(reply)
}
