//! What becomes of cases: they are opened when a task has come to nothing, decided by whoever is asked, passed on
//! when nobody decides in time, and closed when there is nothing to decide any more. A case, its task, its letter
//! and its plan change together or not at all.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::{Caller, CaseId, Digest, Mission, TaskName},
    payload::{
        case::{Case, CaseState, Choice},
        intent::FencingToken,
        plan::{Check, Plan, PlanSpec, PlanState, SplitOf},
        task::{Finding, Task, TaskEffect},
    },
    role::Role,
};
use selvedge_kit::{
    clock::{Deadline, now_ms},
    rule::Verdict,
    service::{Answer, Draft, Recorded, Writer},
};

use crate::{
    board::PlanKey,
    ends,
    handlers::by_contract,
    lookup::{Found, no_plan, plan_entity},
    reserve::Holder,
    rule::{
        case::{self as rule, Decider, Due},
        dispute, plan as plan_rule,
        split::{self, Made},
        task::Of,
    },
    state::{Dispatcher, entity, me},
};

/// Longest time for reading what was handed in for a task, in milliseconds.
const READ_MS: u64 = 5_000;
/// Longest wait for the leases under which an accepted output's effects are done, in milliseconds.
const RESERVE_MS: u64 = 5_000;
/// Most facts of one task that are read: as many as its attempts can have left.
const MOST_FACTS: usize = 1_000;

pub(crate) fn no_case(id: &CaseId) -> Fault {
    Fault::not_found(format!("there is no {id} in this mission; dispatcher.case_list shows those there are"))
}

impl Dispatcher {
    /// Tells the board of a case as the view has it.
    pub(crate) fn note_case(&self, mission: &Mission, id: &CaseId) {
        if let Some(entry) = self.views.cases.get(mission, &id.into()) {
            self.board.note_case(&entry.state, entry.revision);
        }
    }

    fn case(&self, mission: &Mission, id: &CaseId) -> Answer<Recorded<Case>> {
        let entry = self.views.cases.get(mission, &id.into()).ok_or_else(|| no_case(id))?;
        Ok(Recorded { revision: entry.revision, state: entry.state })
    }
}

fn service() -> Answer<Caller> {
    Caller::new(me()).map_err(|error| Fault::internal(error.to_string()))
}

/// Opens the case about a task that has come to nothing, if somebody has to decide.
///
/// # Errors
/// `unavailable` if the ledger cannot be read; as the kit's `Writer` says.
pub(crate) async fn open(state: &Arc<Dispatcher>, writer: &Writer, found: &Found, task: &Task) -> Answer<()> {
    let id = CaseId::of(&task.id, task.attempt);
    let is_there = state.views.cases.get(&task.mission, &(&id).into()).is_some();
    if is_there || rule::about(task, found.of()?, Vec::new(), now_ms()).is_none() {
        return Ok(());
    }
    let outputs = outputs(state, found.of()?, task).await?;
    let Some(case) = rule::about(task, found.of()?, outputs, now_ms()) else { return Ok(()) };
    let of = entity(&case.mission, EntityName::Case, &case.id);
    writer.record(&state.views.cases, &of, |now| Ok(rule::open(now, &case))).await?;
    state.note_case(&case.mission, &case.id);
    Ok(())
}

/// What was handed in for a task, and for those with which it has to agree.
async fn outputs(
    state: &Dispatcher,
    of: Of<'_>,
    task: &Task,
) -> Answer<Vec<selvedge_contracts::payload::case::CaseOutput>> {
    #[derive(serde::Deserialize)]
    struct After {
        state: Task,
    }
    let about = entity(&task.mission, EntityName::Task, &task.id);
    let read = state.ledger.history(&about, 0, MOST_FACTS, Deadline::in_ms(READ_MS)).await;
    let facts =
        read.map_err(|error| Fault::unavailable(format!("cannot read what was handed in: {error}")))?;
    let mut stated: Vec<(u64, Task)> = Vec::new();
    for fact in &facts {
        if let Ok(After { state }) = serde_json::from_slice::<After>(&fact.envelope.payload) {
            stated.push((fact.revision, state));
        }
    }
    for check in &of.spec.checks {
        let Check::Agrees { task: other, .. } = check else { continue };
        let entry = state.task(&task.mission, &of.plan.id.task(other));
        stated.extend(entry.map(|entry| (entry.revision, entry.state.as_ref().clone())));
    }
    Ok(rule::outputs(stated.iter().map(|(revision, task)| (*revision, task))))
}

/// What somebody decides.
pub(crate) struct Decision<'a> {
    pub(crate) case: &'a CaseId,
    pub(crate) by: Decider<'a>,
    pub(crate) choice: &'a Choice,
    pub(crate) reason: &'a str,
}

/// Decides a case, with all that follows.
///
/// # Errors
/// The refusals of the rules; `invalid` if an accepted output breaks the task's contract; as the kit's `Writer`
/// says.
pub(crate) async fn decide(
    state: &Arc<Dispatcher>,
    writer: &Writer,
    mission: &Mission,
    decision: &Decision<'_>,
    now_ms: u64,
) -> Answer<Recorded<Case>> {
    let of = entity(mission, EntityName::Case, decision.case);
    if state.case(mission, decision.case).is_err() {
        writer.refresh(&of).await?; // another replica may have opened it a moment ago
    }
    let case = state.case(mission, decision.case)?.state;
    let found = state.found(mission, &case.task)?;
    keeps_its_contract(state, &case, decision.choice)?;
    let is_open = case.state.is_open();
    if let Some(task) = state.task(mission, &case.task).filter(|_| is_open && goes_on(decision.choice)) {
        state.is_undone(&task.state)?;
    }
    let leases = match decision.choice {
        Choice::Accept { output } if is_open => reserved(state, &found, &case, decision, output).await?,
        _ => Vec::new(),
    };
    let recorded = writer.record_all(&of, || drafts(state, mission, decision, &leases, now_ms)).await;
    settle(state, writer, &found, &case);
    let (token, attempt) = rule::adoption(&case);
    let is_taken = |task: &Task| task.attempt == attempt && ends::is_under_way(task.state);
    let is_held = state.task(mission, &case.task).is_some_and(|task| is_taken(&task.state));
    // Where it is not known what became of it, they run out by themselves, or are kept.
    let is_known = recorded.as_ref().err().is_none_or(|fault| !fault.is_retryable());
    if !leases.is_empty() && !is_held && is_known {
        let spaces = leases.iter().map(|lease| lease.space.clone()).collect();
        state.unreserve_soon(mission, &token, spaces);
    }
    recorded?;
    state.case(mission, decision.case)
}

/// Whether the task is done after it: once more, as it was handed in, or by others.
const fn goes_on(choice: &Choice) -> bool {
    matches!(choice, Choice::Retry { .. } | Choice::Accept { .. } | Choice::Split { .. })
}

/// Leases what the task reserves to whoever handed in what is accepted: its effects are done under them.
///
/// # Errors
/// The refusal of the decision; conflict if something of it is not free.
async fn reserved(
    state: &Arc<Dispatcher>,
    found: &Found,
    case: &Case,
    decision: &Decision<'_>,
    wanted: &Digest,
) -> Answer<Vec<FencingToken>> {
    let of = found.of()?;
    if of.spec.effects.is_empty() || of.spec.reserve.is_empty() {
        return Ok(Vec::new());
    }
    // Nothing is leased for a decision that does not count.
    rule::decide(case, &decision.by, decision.choice, decision.reason, now_ms())?;
    let output = case.outputs.iter().find(|output| output.digest == *wanted);
    let output = output.ok_or_else(|| Fault::internal("an accepted output that is not there"))?;
    let (token, attempt) = rule::adoption(case);
    let holder = Holder { worker: &output.worker, token: &token, task: &case.task, attempt };
    let reserved = state.reserve(of, &holder, Deadline::in_ms(RESERVE_MS)).await;
    reserved.map_err(|why| {
        Fault::conflict(format!(
            "what the task changes is done under leases on what it reserves, which is not free: {why}; decide again once it is, or retry"
        ))
    })
}

/// An accepted output keeps the task's contract: what needs the task relies on that.
fn keeps_its_contract(state: &Dispatcher, case: &Case, choice: &Choice) -> Answer<()> {
    let Choice::Accept { output } = choice else { return Ok(()) };
    let accepted = case.outputs.iter().find(|known| known.digest == *output);
    let Some(value) = accepted.and_then(|output| output.value.as_ref()) else { return Ok(()) };
    match by_contract(state, &case.spec, value)? {
        Some(finding) if !finding.passed => {
            Err(Fault::invalid("an accepted output keeps its task's contract")
                .at("/decision/output", format!("{}: {}", finding.check, finding.seen)))
        }
        _ => Ok(()),
    }
}

fn drafts(
    state: &Dispatcher,
    mission: &Mission,
    decision: &Decision<'_>,
    leases: &[FencingToken],
    now_ms: u64,
) -> Result<Vec<Draft>, Fault> {
    let id = decision.case;
    let mut after = None;
    let of_case = entity(mission, EntityName::Case, id);
    let draft = Draft::decide(&state.views.cases, of_case, |now: Option<&Case>| {
        let now = now.ok_or_else(|| no_case(id))?;
        let verdict = rule::decide(now, &decision.by, decision.choice, decision.reason, now_ms)?;
        if let Verdict::Changed(change) = &verdict {
            after = Some(change.state.clone());
        }
        Ok(verdict)
    })?;
    let (Some(draft), Some(case)) = (draft, after) else { return Ok(Vec::new()) };
    let mut drafts = vec![draft];
    if case.state.is_open() {
        return Ok(drafts); // it was passed on
    }
    match decision.choice {
        Choice::Split { plan, .. } => drafts.extend(split(state, &case, plan, now_ms)?),
        _ => drafts.extend(consequences(state, &case, leases, now_ms)?),
    }
    Ok(drafts)
}

/// What follows for the task, its letter and its plan. The plan comes last: whoever sees it go on has seen the
/// rest.
fn consequences(
    state: &Dispatcher,
    case: &Case,
    leases: &[FencingToken],
    now_ms: u64,
) -> Result<Vec<Draft>, Fault> {
    let missing = || Fault::not_found("the ledger does not know it");
    let found = state.found(&case.mission, &case.task)?;
    let of_task = entity(&case.mission, EntityName::Task, &case.task);
    let of_letter = entity(&case.mission, EntityName::Dead, &case.letter);
    let drafts = [
        Draft::decide(&state.views.tasks, of_task, |now: Option<&Task>| {
            rule::task(now.ok_or_else(missing)?, found.of()?, case, leases, now_ms)
        })?,
        Draft::decide(&state.letters, of_letter, |now| rule::letter(now, case))?,
        Draft::decide(&state.views.plans, plan_entity(&case.mission, &case.plan), |now: Option<&Plan>| {
            rule::plan(now.ok_or_else(missing)?, case)
        })?,
    ];
    Ok(drafts.into_iter().flatten().collect())
}

/// The plan that takes the place of a case's task.
fn split(state: &Dispatcher, case: &Case, spec: &PlanSpec, now_ms: u64) -> Result<Option<Draft>, Fault> {
    let (Some((id, result)), Some(decision)) = (rule::split_plan(case), &case.decision) else {
        return Ok(None);
    };
    let of = state.plan(&case.mission, &case.plan)?.state;
    let spec = rule::split_spec(case, (spec, result), case.splits);
    let wanted = Plan {
        id: id.clone(),
        mission: case.mission.clone(),
        spec,
        planner: decision.by.clone(),
        owner: decision
            .owner
            .clone()
            .ok_or_else(|| Fault::denied("a plan needs an owner to answer for it"))?,
        session: of.session.clone(),
        request: of.request.clone(),
        submitted_at_ms: now_ms,
        state: PlanState::Running,
        round: 0,
        reason: None,
        split_of: Some(SplitOf { case: case.id.clone(), task: case.task.clone(), depth: rule::depth(&of)? }),
        checked: None,
    };
    Draft::decide(&state.views.plans, plan_entity(&case.mission, id), |now| {
        Ok(plan_rule::submit(now, &wanted))
    })
}

/// Tells the board of all that a decision changed, and ends the plan if that was the last of it.
fn settle(state: &Arc<Dispatcher>, writer: &Writer, found: &Found, case: &Case) {
    state.note_case(&case.mission, &case.id);
    if let Some(entry) = state.task(&case.mission, &case.task) {
        state.board.note_task(&entry.state, entry.revision);
    }
    let decided = state.case(&case.mission, &case.id).ok();
    let split = decided.as_ref().and_then(|case| rule::split_plan(&case.state)).map(|(plan, _)| plan.clone());
    for plan in split.iter().chain([&case.plan]) {
        if let Ok(entry) = state.plan(&case.mission, plan) {
            state.board.note_plan(&entry.state, entry.revision);
        }
    }
    state.finish_soon(writer, found);
}

/// Does what is due about a case that nobody decided in time.
///
/// # Errors
/// As the kit's `Writer` says.
pub(crate) async fn escalate(
    state: &Arc<Dispatcher>,
    writer: &Writer,
    (mission, id, step): (&Mission, &CaseId, u32),
) -> Answer<()> {
    let Ok(case) = state.case(mission, id) else { return Ok(()) };
    let (me, now) = (service()?, now_ms());
    match rule::due(&case.state, step, now) {
        Due::Nothing => Ok(()),
        Due::Escalate => {
            let of = entity(mission, EntityName::Case, id);
            let decide = |current: Option<&Case>| {
                let current = current.ok_or_else(|| no_case(id))?;
                match rule::due(current, step, now) {
                    Due::Escalate => rule::escalate(current, &me, "nobody decided in time", now),
                    _ => Ok(Verdict::Same),
                }
            };
            writer.record(&state.views.cases, &of, decide).await?;
            state.note_case(mission, id);
            Ok(())
        }
        Due::Abort => {
            let by = Decider { caller: &me, owner: None, role: Role::Operator };
            let reason = "nobody decided in time, and its plan says to abort it then";
            let decision = Decision { case: id, by, choice: &Choice::Abort, reason };
            match decide(state, writer, mission, &decision, now).await {
                // Somebody decided after all.
                Err(_) if state.case(mission, id).is_ok_and(|case| case.state.state.is_over()) => Ok(()),
                other => other.map(drop),
            }
        }
    }
}

/// Closes a case about which there is nothing to decide any more.
///
/// # Errors
/// As the kit's `Writer` says.
pub(crate) async fn close(
    state: &Arc<Dispatcher>,
    writer: &Writer,
    mission: &Mission,
    id: &CaseId,
) -> Answer<()> {
    let (Ok(case), me) = (state.case(mission, id), service()?) else { return Ok(()) };
    let of = entity(mission, EntityName::Case, id);
    let why = || {
        let task = state.task(mission, &case.state.task)?.state;
        let plan = state.plan(mission, &case.state.plan).ok()?.state;
        rule::moot(&case.state, &plan, &task)
    };
    let Some(why) = why() else { return Ok(()) };
    let split = rule::split_plan(&case.state).map(|(plan, _)| plan.clone());
    let split = split.filter(|_| case.state.state == CaseState::Split);
    let drafts = || -> Result<Vec<Draft>, Fault> {
        let close = |now: Option<&Case>| Ok(rule::close(now.ok_or_else(|| no_case(id))?, &me, why));
        let mut drafts = Vec::from_iter(Draft::decide(&state.views.cases, of.clone(), close)?);
        if let Some(plan) = split.as_ref().filter(|_| !drafts.is_empty()) {
            let of_plan = plan_entity(mission, plan);
            drafts.extend(Draft::decide(&state.views.plans, of_plan, |now| Ok(rule::orphan(now, why)))?);
        }
        Ok(drafts)
    };
    writer.record_all(&of, drafts).await?;
    state.note_case(mission, id);
    if let Some(plan) = &split {
        let entry = state.plan(mission, plan)?;
        state.board.note_plan(&entry.state, entry.revision);
    }
    Ok(())
}

/// A plan that took the place of a task is over: the task is validated with what it made, or somebody has to
/// decide anew.
///
/// # Errors
/// As the kit's `Writer` says.
pub(crate) async fn join(state: &Arc<Dispatcher>, writer: &Writer, key: &PlanKey) -> Answer<()> {
    let (mission, id) = key;
    let plan = state.plan(mission, id)?.state;
    let Some(split) = &plan.split_of else { return Ok(()) };
    let Ok(case) = state.case(mission, &split.case) else { return Ok(()) };
    if plan.state.is_open() || !rule::is_split_into(&case.state, id) {
        return Ok(());
    }
    let found = state.found(mission, &case.state.task)?;
    let of = entity(mission, EntityName::Case, &case.state.id);
    match result(state, &plan, &case.state) {
        Ok(made) => {
            writer.record_all(&of, || concluded(state, &plan, &case.state, &made)).await?;
        }
        Err(why) => {
            let me = service()?;
            let decide = |now: Option<&Case>| {
                let now = now.ok_or_else(|| no_case(&case.state.id))?;
                Ok(rule::reopen(now, id, &me, &why, now_ms()))
            };
            writer.record(&state.views.cases, &of, decide).await?;
        }
    }
    settle(state, writer, &found, &case.state);
    Ok(())
}

/// What a plan made of the task in whose place it stands, or why that is nothing.
fn result(state: &Dispatcher, plan: &Plan, case: &Case) -> Result<Made, String> {
    if plan.state != PlanState::Done {
        let reason = plan.reason.as_deref().unwrap_or("without a reason");
        return Err(format!("{} is {}: {reason}", plan.id, plan.state.name()));
    }
    let name: Option<&TaskName> = rule::split_plan(case).map(|(_, result)| result);
    let task = name.and_then(|name| state.task(&plan.mission, &plan.id.task(name)));
    let task = task.ok_or_else(|| format!("{} has no result", plan.id))?.state;
    let output = task.output.clone().ok_or_else(|| format!("{} has no output of its result", plan.id))?;
    let mut findings: Vec<Finding> =
        task.verdict.iter().flat_map(|verdict| verdict.findings.iter().cloned()).collect();
    let contract = by_contract(state, &case.spec, &output.value).map_err(|fault| fault.message)?;
    let other = |name: &TaskName| {
        let entry = state.task(&plan.mission, &case.plan.task(name))?;
        entry.state.output.as_ref().map(|output| output.value.clone())
    };
    findings.extend(contract.into_iter().chain(dispute::agreements(&case.spec, &output.value, other)));
    if let Some(wrong) = findings.iter().find(|finding| !finding.passed) {
        return Err(format!("{} is not what the task owes: {}: {}", plan.id, wrong.check, wrong.seen));
    }
    Ok(Made { output, findings, effects: changed_outside(state, plan, case)? })
}

/// What the tasks of a plan changed outside in the place of a case's task.
fn changed_outside(state: &Dispatcher, plan: &Plan, case: &Case) -> Result<Vec<TaskEffect>, String> {
    let done = |effect| {
        let task = split::declaring(&plan.spec, effect).map(|task| plan.id.task(&task.id));
        let task = task.and_then(|task| state.task(&plan.mission, &task));
        let done =
            task.and_then(|task| task.state.effects.iter().find(|done| done.name == effect.name).cloned());
        done.ok_or_else(|| format!("{} has not changed {}", plan.id, effect.on))
    };
    case.spec.effects.iter().map(done).collect()
}

fn concluded(state: &Dispatcher, plan: &Plan, case: &Case, made: &Made) -> Result<Vec<Draft>, Fault> {
    let missing = || Fault::not_found("the ledger does not know it");
    let of_case = entity(&case.mission, EntityName::Case, &case.id);
    let draft = Draft::decide(&state.views.cases, of_case, |now: Option<&Case>| {
        Ok(rule::conclude(now.ok_or_else(missing)?, &plan.id))
    })?;
    let Some(draft) = draft else { return Ok(Vec::new()) };
    let me = service()?;
    let of_plan = state.plan(&case.mission, &case.plan)?.state;
    let of_task = entity(&case.mission, EntityName::Task, &case.task);
    let drafts = [
        Some(draft),
        Draft::decide(&state.views.tasks, of_task, |now: Option<&Task>| {
            rule::joined(now.ok_or_else(missing)?, (&of_plan, case), made, &me, now_ms())
        })?,
        Draft::decide(&state.letters, entity(&case.mission, EntityName::Dead, &case.letter), |now| {
            rule::letter(now, case)
        })?,
        Draft::decide(&state.views.plans, plan_entity(&case.mission, &case.plan), |now: Option<&Plan>| {
            plan_rule::reopen(now.ok_or_else(|| no_plan(&case.plan))?)
        })?,
    ];
    Ok(drafts.into_iter().flatten().collect())
}
