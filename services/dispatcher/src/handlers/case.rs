//! Calls about cases.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use selvedge_contracts::{
    call,
    fault::Fault,
    id::{CaseId, EntityId, Mission, QueueName},
    payload::{
        case::{
            Case, CaseDecide, CaseFound, CaseList, CaseNext, CaseReply, CaseShow, Cases, Choice,
            MAX_CASE_WAIT_MS,
        },
        plan::PlanSpec,
    },
    role::Role,
};
use selvedge_kit::{
    clock::Deadline,
    service::{Answer, Call, Recorded, Route, Routes},
};

use super::{page, plan::errors};
use crate::{cases::no_case, rule::case::Decider, state::Dispatcher};

/// Time left for the answer on its way when a wait ends, in milliseconds.
const ANSWER_MS: u64 = 500;

pub(super) fn routes() -> Routes<Dispatcher> {
    vec![
        Route::read::<call::CaseList>(list),
        Route::read::<call::CaseShow>(show),
        Route::wait::<call::CaseNext, _>(next),
        Route::wait::<call::CaseDecide, _>(decide),
    ]
}

fn list(state: &Dispatcher, call: &Call, request: CaseList) -> Answer<Cases> {
    let CaseList { state: wanted, all, plan, queue, after, limit } = request;
    let keep = |case: &Case| {
        let is_wanted = wanted.map_or_else(|| all || !case.state.is_over(), |wanted| wanted == case.state);
        is_wanted
            && plan.as_ref().is_none_or(|plan| *plan == case.plan)
            && queue.as_ref().is_none_or(|queue| queue == case.asks().1)
    };
    let after = after.as_ref().map(EntityId::from);
    let (found, more) = state.views.cases.page(call.mission(), after.as_ref(), page::size(limit), keep);
    let (cases, more) = page::holding(found.iter().map(|case| case.line()).collect(), more);
    Ok(Cases { cases, more })
}

fn show(state: &Dispatcher, call: &Call, request: CaseShow) -> Answer<CaseReply> {
    let entry = state.views.cases.get(call.mission(), &(&request.case).into());
    let entry = entry.ok_or_else(|| no_case(&request.case))?;
    Ok(reply(&Recorded { revision: entry.revision, state: entry.state }))
}

fn reply(recorded: &Recorded<Case>) -> CaseReply {
    CaseReply { case: recorded.state.as_ref().clone(), revision: recorded.revision }
}

async fn next(state: Arc<Dispatcher>, call: Arc<Call>, request: CaseNext) -> Answer<CaseFound> {
    let queue = match request.queue.clone() {
        Some(queue) => queue,
        None => QueueName::new("default").map_err(|error| Fault::internal(error.to_string()))?,
    };
    let except: BTreeSet<CaseId> = request.except.into_iter().collect();
    let left = call.deadline().remaining().saturating_sub(Duration::from_millis(ANSWER_MS));
    let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let until = Deadline::in_ms(request.wait_ms.unwrap_or(0).min(MAX_CASE_WAIT_MS).min(left_ms));
    loop {
        // Made before it looks: what comes between is heard.
        let mut asked = std::pin::pin!(state.board.asked());
        asked.as_mut().enable();
        if let Some(found) = first(&state, call.mission(), call.role(), &queue, &except) {
            return Ok(CaseFound { found: Some(found) });
        }
        // Where too many wait already, it gets what is to be decided now, or nothing.
        let Some(_parked) = call.park() else { return Ok(CaseFound { found: None }) };
        tokio::select! {
            () = asked => {}
            () = tokio::time::sleep(until.remaining()) => return Ok(CaseFound { found: None }),
            () = state.stop.cancelled() => {
                return Err(Fault::unavailable("this replica stops; send the same request again"));
            }
        }
    }
}

/// The case that has waited longest for somebody of this role.
fn first(
    state: &Dispatcher,
    mission: &Mission,
    role: Role,
    queue: &QueueName,
    except: &BTreeSet<CaseId>,
) -> Option<CaseReply> {
    let open = state.board.cases_in(mission).into_iter().filter(|case| {
        let may = case.may_be_decided_by(role) && case.asks().1 == queue;
        case.state.is_open() && may && !except.contains(&case.id)
    });
    let found = open.min_by_key(|case| (case.opened_at_ms, case.id.clone()))?;
    let entry = state.views.cases.get(mission, &(&found.id).into())?;
    Some(reply(&Recorded { revision: entry.revision, state: entry.state }))
}

async fn decide(state: Arc<Dispatcher>, call: Arc<Call>, request: CaseDecide) -> Answer<CaseReply> {
    let CaseDecide { case, decision, reason } = request;
    if let Choice::Split { plan, .. } = &decision {
        sound(&state, &call, plan).await?;
    }
    let by = Decider { caller: &call.subject.caller, owner: call.owner(), role: call.role() };
    let decided = crate::cases::Decision { case: &case, by, choice: &decision, reason: &reason };
    let recorded = crate::cases::decide(&state, &call.writer, call.mission(), &decided, call.now_ms).await?;
    Ok(reply(&recorded))
}

/// Refuses a plan that is wrong in itself.
async fn sound(state: &Dispatcher, call: &Call, plan: &PlanSpec) -> Answer<()> {
    let mut details = errors(state, call, plan).await?;
    for detail in &mut details {
        detail.at = format!("/decision{}", detail.at);
    }
    if details.is_empty() {
        return Ok(());
    }
    Err(Fault { details, ..Fault::invalid("the plan is wrong in itself; nothing was decided") })
}
