//! Giving verifiers what waits for their verdict.

use std::{sync::Arc, time::Duration};

use selvedge_contracts::{
    call,
    fault::Fault,
    id::TaskId,
    payload::task::{HandedIn, MAX_CLAIM_WAIT_MS, TaskInspect, TaskInspected, TaskState},
};
use selvedge_kit::{
    clock::{Deadline, now_ms},
    service::{Answer, Call, Route, Routes},
};

use crate::{inspections::Wanted, state::Dispatcher};

/// Time left for the answer on its way when a wait ends, in milliseconds.
const ANSWER_MS: u64 = 1_000;

pub(super) fn routes() -> Routes<Dispatcher> {
    vec![Route::wait::<call::TaskInspect, _>(inspect)]
}

async fn inspect(state: Arc<Dispatcher>, call: Arc<Call>, request: TaskInspect) -> Answer<TaskInspected> {
    let (mission, by) = (call.mission(), &call.subject.caller);
    if let Some(task) = &request.task {
        let is_kept = state.board.inspections.keep(mission, task, by, now_ms());
        return Ok(TaskInspected { handed_in: handed_in(&state, &call, task).filter(|_| is_kept) });
    }
    let left = call.deadline().remaining().saturating_sub(Duration::from_millis(ANSWER_MS));
    let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let until = Deadline::in_ms(request.wait_ms.unwrap_or(0).min(MAX_CLAIM_WAIT_MS).min(left_ms));
    let wanted = Wanted { mission, queue: request.queue.as_ref(), by, except: &request.except };
    loop {
        let news = state.board.inspections.news();
        tokio::pin!(news);
        // What is noted from here on is heard, also before it is waited for.
        news.as_mut().enable();
        let free_at_ms = match state.board.inspections.take(&wanted, now_ms()) {
            Ok(task) => match handed_in(&state, &call, &task) {
                None => continue, // its plan is over: another one
                found => return Ok(TaskInspected { handed_in: found }),
            },
            Err(free_at_ms) => free_at_ms,
        };
        let left = until.remaining();
        let parked = if left.is_zero() { None } else { call.park() };
        // Where too many wait already, it gets what waits for a verdict now, or nothing.
        if parked.is_none() {
            return Ok(TaskInspected { handed_in: None });
        }
        let until_free = free_at_ms.map(|at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms()) + 1));
        let sleep = until_free.map_or(left, |until_free| until_free.min(left));
        tokio::select! {
            // Whichever comes first.
            _ = tokio::time::timeout(sleep, news) => {}
            () = state.stop.cancelled() => {
                return Err(Fault::unavailable("this replica stops; send the same request again"));
            }
        }
    }
}

/// A task as verifiers get it, if it waits for a verdict and its plan is wanted still.
fn handed_in(state: &Dispatcher, call: &Call, id: &TaskId) -> Option<HandedIn> {
    let entry = state.task(call.mission(), id).filter(|entry| entry.state.state == TaskState::Submitted)?;
    let found = state.found(call.mission(), id).ok()?;
    let of = found.of().ok().filter(|of| of.plan.state.is_open())?;
    Some(HandedIn { task: entry.state.as_ref().clone(), revision: entry.revision, spec: of.spec.clone() })
}
