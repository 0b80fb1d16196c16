//! Calls about plans.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fault::{Detail, Fault},
    id::{EntityId, KindName, PlanId, PoolName},
    payload::{
        overlap::{Clearance, Text},
        plan::{
            ContractPin, Plan, PlanChecked, PlanEnd, PlanLine, PlanList, PlanReply, PlanResume, PlanShow,
            PlanSpec, PlanState, PlanSubmit, Plans, plan_id,
        },
        task::{Phase, TaskState},
    },
};
use selvedge_kit::{
    creation::{Asking, Wanted, clear},
    document::versions::version_of,
    rule::Verdict,
    service::{Answer, Call, Recorded, Route, Routes},
};
use serde_json::Value;

use super::page;
use crate::{
    lookup::{no_plan, plan_entity},
    rule::{
        plan::{self as rule, Asker},
        shape::{self, Known},
    },
    state::Dispatcher,
};

/// Most plans of one mission that are not over: they stand in memory.
const MAX_OPEN_PLANS: usize = 20_000;

pub(super) fn routes() -> Routes<Dispatcher> {
    vec![
        Route::wait::<call::PlanSubmit, _>(submit),
        Route::wait::<call::PlanCheck, _>(check),
        Route::read::<call::PlanShow>(show),
        Route::read::<call::PlanList>(list),
        Route::wait::<call::PlanCancel, _>(cancel),
        Route::wait::<call::PlanPause, _>(pause),
        Route::wait::<call::PlanResume, _>(resume),
    ]
}

async fn submit(state: Arc<Dispatcher>, call: Arc<Call>, request: PlanSubmit) -> Answer<PlanReply> {
    let spec = request.plan;
    let details = errors(&state, &call, &spec).await?;
    if !details.is_empty() {
        return Err(Fault { details, ..Fault::invalid("the plan is wrong in itself; nothing was recorded") });
    }
    // A cap that was set before counts from the first of its tasks on: whoever knows the plan knows the cap.
    state.catch_up(&call).await?;
    let mut wanted = wanted(&state, &call, spec)?;
    wanted.checked = cleared(&state, &call, &wanted).await?;
    let of = plan_entity(call.mission(), &wanted.id);
    let recorded = call.writer.record(&state.views.plans, &of, |now| Ok(rule::submit(now, &wanted))).await?;
    state.board.note_plan(&recorded.state, recorded.revision);
    Ok(state.reply(&recorded))
}

/// Asks what looks like a plan or one of its tasks, all at once, unless it is there already or nobody is to be asked.
async fn cleared(state: &Dispatcher, call: &Call, wanted: &Plan) -> Answer<Option<Clearance>> {
    let is_there = || state.views.plans.get(call.mission(), &(&wanted.id).into()).is_some();
    if state.overlap == Asking::Off || is_there() {
        return Ok(None);
    }
    let Text { title, description, paths, artifacts } = wanted.spec.text();
    let parts = wanted.spec.parts();
    let texts = Wanted { id: wanted.id.to_string(), title, description, paths, artifacts, parts };
    match clear(&state.client, call, KindName::plan(), texts).await {
        Ok(clearance) => Ok(Some(clearance)),
        Err(fault) => {
            // Another replica may have recorded this very plan a moment ago: then it is that one.
            let of = plan_entity(call.mission(), &wanted.id);
            let is_known = call.writer.refresh(&of).await.is_ok();
            if is_known && is_there() { Ok(None) } else { Err(fault) }
        }
    }
}

async fn check(state: Arc<Dispatcher>, call: Arc<Call>, request: PlanSubmit) -> Answer<PlanChecked> {
    let errors = errors(&state, &call, &request.plan).await?;
    Ok(PlanChecked { id: plan_id(call.mission(), &request.plan), errors })
}

/// Everything that is wrong with a plan. A contract or pool may have been made a moment ago by way of another
/// replica, so what is missing is looked for again once all is known that is stored by now.
pub(super) async fn errors(state: &Dispatcher, call: &Call, spec: &PlanSpec) -> Answer<Vec<Detail>> {
    if call.mission().is_kluster() {
        return Err(Fault::invalid("a plan is of a mission; name one"));
    }
    let known = Here { state, call };
    let found = shape::check(spec, &known);
    if found.is_empty() {
        return Ok(found);
    }
    state.catch_up(call).await?;
    Ok(shape::check(spec, &known))
}

/// What a plan may refer to, as far as this replica knows.
pub(super) struct Here<'a> {
    pub(super) state: &'a Dispatcher,
    pub(super) call: &'a Call,
}

impl Known for Here<'_> {
    fn violations(&self, pin: &ContractPin, document: &Value) -> Option<Vec<Detail>> {
        let contract = version_of(&self.state.contracts, &pin.name, pin.version)?.state;
        let checked = self.state.checkers.of(&contract).and_then(|checker| checker.check(document));
        Some(checked.unwrap_or_else(|fault| vec![Detail { at: String::new(), message: fault.message }]))
    }

    fn has_contract(&self, pin: &ContractPin) -> bool {
        version_of(&self.state.contracts, &pin.name, pin.version).is_some()
    }

    fn has_pool(&self, pool: &PoolName) -> bool {
        self.state.views.capacities.get(self.call.mission(), &pool.into()).is_some()
    }
}

/// The plan as it would stand on the record.
fn wanted(state: &Dispatcher, call: &Call, spec: PlanSpec) -> Answer<Plan> {
    let id = plan_id(call.mission(), &spec);
    let is_new = state.views.plans.get(call.mission(), &(&id).into()).is_none();
    if is_new && state.board.open_plans(call.mission()) >= MAX_OPEN_PLANS {
        return Err(Fault::busy(format!("{MAX_OPEN_PLANS} plans of the mission are not over; cancel some")));
    }
    let owner =
        call.owner().cloned().ok_or_else(|| Fault::denied("a plan needs an owner to answer for it"))?;
    Ok(Plan {
        id,
        mission: call.mission().clone(),
        spec,
        planner: call.subject.caller.clone(),
        owner,
        session: call.subject.scope.id.clone(),
        request: call.standing.session.as_ref().and_then(|session| session.request.clone()),
        submitted_at_ms: call.now_ms,
        state: PlanState::Running,
        round: 0,
        reason: None,
        split_of: None,
        checked: None,
    })
}

fn show(state: &Dispatcher, call: &Call, request: PlanShow) -> Answer<PlanReply> {
    let entry = state.plan(call.mission(), &request.plan)?;
    let shown = Recorded { revision: entry.revision, state: entry.state };
    Ok(state.reply_after(&shown, request.after.as_ref()))
}

fn list(state: &Dispatcher, call: &Call, request: PlanList) -> Answer<Plans> {
    let PlanList { state: wanted, after, limit } = request;
    let keep = |plan: &Plan| wanted.is_none_or(|wanted| wanted == plan.state);
    let after = after.as_ref().map(EntityId::from);
    let (found, more) = state.views.plans.page(call.mission(), after.as_ref(), page::size(limit), keep);
    let (plans, more) = page::holding(found.iter().map(|plan| line(state, plan)).collect(), more);
    Ok(Plans { plans, more })
}

fn line(state: &Dispatcher, plan: &Plan) -> PlanLine {
    let tasks = plan.spec.tasks.len();
    let tally = state.board.tally(&(plan.mission.clone(), plan.id.clone()));
    let (validated, running, failed) = match (tally, plan.state) {
        (Some(tally), _) => (tally.validated, tally.running, tally.failed),
        (None, PlanState::Done) => (tasks, 0, 0),
        (None, _) => {
            let phases: Vec<_> = plan.spec.tasks.iter().map(|spec| state.line(plan, spec).phase).collect();
            let count = |phase| phases.iter().filter(|found| **found == phase).count();
            (count(Phase::Validated), count(Phase::Running), count(Phase::Failed))
        }
    };
    PlanLine {
        id: plan.id.clone(),
        title: plan.spec.title.clone(),
        state: plan.state,
        planner: plan.planner.clone(),
        submitted_at_ms: plan.submitted_at_ms,
        tasks,
        validated,
        running,
        failed,
    }
}

async fn cancel(state: Arc<Dispatcher>, call: Arc<Call>, request: PlanEnd) -> Answer<PlanReply> {
    let PlanEnd { plan, reason } = request;
    change(&state, &call, &plan, |current, by| rule::cancel(current, by, &reason)).await
}

async fn pause(state: Arc<Dispatcher>, call: Arc<Call>, request: PlanEnd) -> Answer<PlanReply> {
    let PlanEnd { plan, reason } = request;
    change(&state, &call, &plan, |current, by| rule::pause(current, by, &reason)).await
}

async fn resume(state: Arc<Dispatcher>, call: Arc<Call>, request: PlanResume) -> Answer<PlanReply> {
    let failed = state.plan(call.mission(), &request.plan).ok().map(|entry| entry.state);
    for plan in failed.iter().filter(|plan| plan.state == PlanState::Failed) {
        for spec in &plan.spec.tasks {
            let task = state.task(call.mission(), &plan.id.task(&spec.id));
            if let Some(task) = task.filter(|task| task.state.state == TaskState::Failed) {
                state.is_undone(&task.state)?;
            }
        }
    }
    change(&state, &call, &request.plan, rule::resume).await
}

async fn change(
    state: &Arc<Dispatcher>,
    call: &Call,
    id: &PlanId,
    rule: impl Fn(&Plan, &Asker<'_>) -> Result<Verdict<Plan>, Fault> + Send + Sync,
) -> Answer<PlanReply> {
    let by = Asker { caller: &call.subject.caller, owner: call.owner(), role: call.role() };
    let decide = |current: Option<&Plan>| rule(current.ok_or_else(|| no_plan(id))?, &by);
    let of = plan_entity(call.mission(), id);
    let recorded = call.writer.record(&state.views.plans, &of, decide).await?;
    state.board.note_plan(&recorded.state, recorded.revision);
    Ok(state.reply(&recorded))
}
