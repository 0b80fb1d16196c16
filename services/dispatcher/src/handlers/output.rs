//! Handing in, giving up, and judging.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::{ArtifactRef, Caller, Digest, TaskName},
    payload::{
        artifact::{Meaning, Vouch},
        plan::TaskSpec,
        task::{Finding, MAX_OUTPUT_BYTES, Output, Task, TaskFail, TaskJudge, TaskReply, TaskSubmit},
    },
};
use selvedge_kit::{
    client::Options,
    document::versions::version_of,
    service::{Answer, Call, Recorded, Route, Routes},
};
use serde_json::Value;

use super::precondition::revisions;
use crate::{
    lookup::{Found, no_task},
    rule::{
        dead, dispute, effect, inexact,
        judge::{finding, look, references},
        task::{self as rule, HandedIn, Of, Stale},
    },
    state::{Dispatcher, me},
};

pub(super) fn routes() -> Routes<Dispatcher> {
    vec![
        Route::wait::<call::TaskSubmit, _>(submit),
        Route::wait::<call::TaskFail, _>(fail),
        Route::wait::<call::TaskJudge, _>(judge),
    ]
}

pub(super) fn reply(recorded: Recorded<Task>) -> TaskReply {
    TaskReply { task: recorded.state.as_ref().clone(), revision: recorded.revision }
}

async fn submit(state: Arc<Dispatcher>, call: Arc<Call>, request: TaskSubmit) -> Answer<TaskReply> {
    let TaskSubmit { task: id, token, output, effects } = request;
    bounded(&output)?;
    let found = state.found_now(&call, &id).await?;
    effect::check(found.of()?.spec, &effects)?;
    let worker = &call.subject.caller;
    // What is looked at is the output alone: a claim that is over is found when it is recorded.
    let mut findings = findings(&state, &call, found.of()?.spec, worker, &output).await?;
    findings.extend(disputes(&state, &call, &found, &output).await?);
    let by = Caller::new(me()).map_err(|error| Fault::internal(error.to_string()))?;
    let output = Output { digest: Digest::of_json(&output), value: output, at_ms: call.now_ms };
    let handed_in = HandedIn { worker, token: &token, output, findings, offers: effects, by: &by };
    let mut stale = None;
    let decide = |current: Option<&Task>| {
        stale = None;
        let current = current.ok_or_else(|| no_task(&id))?;
        let decided = rule::submit(current, found.of()?, &handed_in, call.now_ms);
        decided.map_err(|why| Fault::from(stale.insert(why).clone()))
    };
    let recorded = state.record_task(&call.writer, &found, decide).await;
    if let (Err(fault), Some(why)) = (&recorded, &stale)
        && fault.code == Code::Conflict
    {
        bury(&state, &call, &found, &handed_in, why).await?;
    }
    let recorded = recorded?;
    state.finish_soon(&call.writer, &found);
    Ok(reply(recorded))
}

/// Refuses an output that is too large or has no canonical form.
fn bounded(output: &Value) -> Answer<()> {
    let bytes = serde_json::to_vec(output).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_OUTPUT_BYTES {
        let message = format!(
            "has {bytes} bytes as JSON; at most {MAX_OUTPUT_BYTES} are accepted: store it with artifacts.put and hand in a reference"
        );
        return Err(Fault::invalid("the output is too large").at("/output", message));
    }
    let mut details = Vec::new();
    inexact(output, "/output", &mut details);
    if details.is_empty() {
        return Ok(());
    }
    Err(Fault { details, ..Fault::invalid("the output has no canonical form") })
}

/// What the service sees of an output: whether it satisfies its contract, and each check that needs no
/// verifier.
async fn findings(
    state: &Dispatcher,
    call: &Call,
    spec: &TaskSpec,
    worker: &Caller,
    output: &Value,
) -> Answer<Vec<Finding>> {
    let mut findings = Vec::new();
    findings.extend(by_contract(state, spec, output)?);
    let references = references(spec, output);
    let meant = meanings(state, call, worker, &references).await?;
    findings.extend(look(spec, output, &meant));
    Ok(findings)
}

/// What is found of an output by its task's contract, if it names one.
///
/// # Errors
/// `unavailable` if the contract is not known here yet.
pub(crate) fn by_contract(state: &Dispatcher, spec: &TaskSpec, output: &Value) -> Answer<Option<Finding>> {
    let Some(pin) = &spec.output_contract else { return Ok(None) };
    let contract = version_of(&state.contracts, &pin.name, pin.version);
    // A plan with an unknown contract is refused, so this replica is behind.
    let contract =
        contract.ok_or_else(|| Fault::unavailable(format!("{pin} is not known here yet; try again")))?;
    let checked = state.checkers.of(&contract.state).and_then(|checker| checker.check(output));
    let (passed, seen) = match checked {
        Ok(violations) if violations.is_empty() => (true, "it does".to_owned()),
        Ok(violations) => {
            let said: Vec<_> =
                violations.iter().map(|wrong| format!("{:?} {}", wrong.at, wrong.message)).collect();
            (false, said.join("; "))
        }
        Err(fault) => (false, fault.message),
    };
    Ok(Some(finding(&format!("the output satisfies {pin}"), passed, &seen)))
}

/// Whether an output agrees with those of other tasks, and what it rests on still stands.
async fn disputes(state: &Dispatcher, call: &Call, found: &Found, output: &Value) -> Answer<Vec<Finding>> {
    let Of { plan, spec } = found.of()?;
    let other = |name: &TaskName| {
        let entry = state.task(&plan.mission, &plan.id.task(name))?;
        entry.state.output.as_ref().map(|output| output.value.clone())
    };
    let mut findings = dispute::agreements(spec, output, other);
    let is_waived = state.task(&plan.mission, &plan.id.task(&spec.id)).is_some_and(|task| task.state.waived);
    if !is_waived {
        let revisions = revisions(call, &spec.preconditions).await?;
        findings.extend(dispute::standing(&spec.preconditions, &revisions));
    }
    Ok(findings)
}

/// What references to stored content mean to whoever handed them in.
async fn meanings(
    state: &Dispatcher,
    call: &Call,
    worker: &Caller,
    references: &[Option<ArtifactRef>],
) -> Answer<Vec<Option<Meaning>>> {
    let artifacts: Vec<_> = references.iter().flatten().cloned().collect();
    if artifacts.is_empty() {
        return Ok(references.iter().map(|_| None).collect());
    }
    let asked = artifacts.len();
    let vouch = Vouch { digests: Vec::new(), artifacts, reader: worker.clone(), role: call.role() };
    let timeout_ms = u64::try_from(call.deadline().remaining().as_millis()).ok();
    let client = state.client.clone().in_mission(call.mission().clone());
    let options = Options { timeout_ms, ..Options::default() };
    let meant = client.call_with::<call::ArtifactVouch>(&vouch, &options).await?.reply.meant;
    if meant.len() != asked {
        return Err(Fault::internal(
            "the service artifacts answered about other content than it was asked about",
        ));
    }
    let mut meant = meant.into_iter();
    Ok(references.iter().map(|reference| reference.as_ref().and_then(|_| meant.next())).collect())
}

/// Keeps what came for an attempt that was over.
///
/// # Errors
/// `denied`, which is audited, to whoever never had the task under that token.
async fn bury(
    state: &Dispatcher,
    call: &Call,
    found: &Found,
    handed_in: &HandedIn<'_>,
    Stale(why): &Stale,
) -> Answer<()> {
    let of = found.of()?;
    let Some(task) = state.task(call.mission(), &of.plan.id.task(&of.spec.id)) else { return Ok(()) };
    let claim = (handed_in.worker, handed_in.token);
    match dead::stale(&task.state, claim, &handed_in.output.value, why, call.now_ms) {
        Some(letter) => state.bury(&call.writer.follow_up("bury"), &letter).await.map(drop),
        None => Err(Fault::denied(why.clone())),
    }
}

async fn fail(state: Arc<Dispatcher>, call: Arc<Call>, request: TaskFail) -> Answer<TaskReply> {
    let TaskFail { task: id, token, reason, is_final, is_returned } = request;
    let found = state.found_now(&call, &id).await?;
    let by = (&call.subject.caller, &token);
    let decide = |current: Option<&Task>| {
        let current = current.ok_or_else(|| no_task(&id))?;
        if is_returned && !is_final {
            return Ok(rule::give_back(current, found.of()?, by, &reason, call.now_ms)?);
        }
        Ok(rule::fail(current, found.of()?, by, (&reason, is_final), call.now_ms)?)
    };
    let recorded = state.record_task(&call.writer, &found, decide).await?;
    state.finish_soon(&call.writer, &found);
    Ok(reply(recorded))
}

async fn judge(state: Arc<Dispatcher>, call: Arc<Call>, request: TaskJudge) -> Answer<TaskReply> {
    let TaskJudge { task: id, attempt, findings } = request;
    let found = state.found_now(&call, &id).await?;
    let by = &call.subject.caller;
    let decide = |current: Option<&Task>| {
        let current = current.ok_or_else(|| no_task(&id))?;
        rule::judge(current, found.of()?, by, (attempt, &findings), call.now_ms)
    };
    let recorded = state.record_task(&call.writer, &found, decide).await?;
    state.finish_soon(&call.writer, &found);
    Ok(reply(recorded))
}
