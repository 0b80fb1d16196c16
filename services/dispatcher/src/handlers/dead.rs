//! Calls about dead letters.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::Fault,
    id::{CaseId, DeadId, EntityId},
    payload::{
        dead::{DeadDiscard, DeadLetter, DeadLetters, DeadList, DeadNamed, DeadReply},
        plan::Plan,
        task::Task,
    },
};
use selvedge_kit::{
    rule::Verdict,
    service::{Answer, Call, Draft, Recorded, Route, Routes},
};

use super::page;
use crate::{
    lookup::{Found, plan_entity},
    rule::{
        case as case_rule, dead as rule,
        plan::{self as plan_rule, Asker},
        task as task_rule,
    },
    state::{Dispatcher, entity},
};

pub(super) fn routes() -> Routes<Dispatcher> {
    vec![
        Route::read::<call::DeadList>(list),
        Route::read::<call::DeadShow>(show),
        Route::wait::<call::DeadReplay, _>(replay),
        Route::wait::<call::DeadDiscard, _>(discard),
    ]
}

fn list(state: &Dispatcher, call: &Call, request: DeadList) -> Answer<DeadLetters> {
    let DeadList { state: wanted, plan, after, limit } = request;
    let keep = |letter: &DeadLetter| {
        wanted.is_none_or(|wanted| wanted == letter.state)
            && plan.as_ref().is_none_or(|plan| *plan == letter.plan)
    };
    let after = after.as_ref().map(EntityId::from);
    let (found, more) = state.letters.page(call.mission(), after.as_ref(), page::size(limit), keep);
    let (letters, more) = page::holding(found.iter().map(|letter| letter.as_ref().clone()).collect(), more);
    Ok(DeadLetters { letters, more })
}

fn show(state: &Dispatcher, call: &Call, request: DeadNamed) -> Answer<DeadReply> {
    known(state, call, &request.letter).map(reply)
}

fn known(state: &Dispatcher, call: &Call, id: &DeadId) -> Answer<Recorded<DeadLetter>> {
    let entry = state.letters.get(call.mission(), &id.into()).ok_or_else(|| no_letter(id))?;
    Ok(Recorded { revision: entry.revision, state: entry.state })
}

fn reply(recorded: Recorded<DeadLetter>) -> DeadReply {
    DeadReply { letter: recorded.state.as_ref().clone(), revision: recorded.revision }
}

fn no_letter(id: &DeadId) -> Fault {
    Fault::not_found(format!("there is no {id} in this mission; dispatcher.dead_list shows those there are"))
}

/// The letter, its task and its plan change together or not at all. The plan comes last: whoever sees it go on
/// has seen its task wait again.
async fn replay(state: Arc<Dispatcher>, call: Arc<Call>, request: DeadNamed) -> Answer<DeadReply> {
    let letter = known(&state, &call, &request.letter)?.state;
    let found = state.found(call.mission(), &letter.task)?;
    if let Some(task) = state.task(call.mission(), &letter.task) {
        state.is_undone(&task.state)?;
    }
    let of = entity(call.mission(), EntityName::Dead, &letter.id);
    call.writer.record_all(&of, || drafts(&state, &call, &letter, &found)).await?;
    if let Some(entry) = state.task(call.mission(), &letter.task) {
        state.board.note_task(&entry.state, entry.revision);
    }
    state.note_case(call.mission(), &CaseId::of(&letter.task, letter.attempt));
    let plan = state.plan(call.mission(), &letter.plan)?;
    state.board.note_plan(&plan.state, plan.revision);
    known(&state, &call, &letter.id).map(reply)
}

fn drafts(state: &Dispatcher, call: &Call, letter: &DeadLetter, found: &Found) -> Result<Vec<Draft>, Fault> {
    let by = Asker { caller: &call.subject.caller, owner: call.owner(), role: call.role() };
    let missing = || Fault::not_found("the ledger does not know it");
    let of_letter = entity(call.mission(), EntityName::Dead, &letter.id);
    let of_task = entity(call.mission(), EntityName::Task, &letter.task);
    let of_case = entity(call.mission(), EntityName::Case, &CaseId::of(&letter.task, letter.attempt));
    let of_plan = plan_entity(call.mission(), &letter.plan);
    let drafts = [
        Draft::decide(&state.letters, of_letter, |now| rule::replay(now.ok_or_else(missing)?, by.caller))?,
        Draft::decide(&state.views.cases, of_case, |now| {
            case_rule::replayed(now, by.caller, by.owner, call.now_ms)
        })?,
        Draft::decide(&state.views.tasks, of_task, |now: Option<&Task>| {
            task_rule::replay(now.ok_or_else(missing)?, found.of()?, call.now_ms)
        })?,
        Draft::decide(&state.views.plans, of_plan, |now: Option<&Plan>| {
            let now = now.ok_or_else(missing)?;
            plan_rule::may_change(now, &by)?;
            plan_rule::reopen(now)
        })?,
    ];
    Ok(drafts.into_iter().flatten().collect())
}

async fn discard(state: Arc<Dispatcher>, call: Arc<Call>, request: DeadDiscard) -> Answer<DeadReply> {
    let DeadDiscard { letter: id, reason } = request;
    let letter = known(&state, &call, &id)?.state;
    let by = Asker { caller: &call.subject.caller, owner: call.owner(), role: call.role() };
    plan_rule::may_change(&state.plan(call.mission(), &letter.plan)?.state, &by)?;
    let of = entity(call.mission(), EntityName::Dead, &id);
    let decide = |now: Option<&DeadLetter>| -> Result<Verdict<DeadLetter>, Fault> {
        rule::discard(now.ok_or_else(|| no_letter(&id))?, by.caller, &reason)
    };
    call.writer.record(&state.letters, &of, decide).await.map(reply)
}
