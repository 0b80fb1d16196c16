//! Taking a task, and keeping it.

use std::{sync::Arc, time::Duration};

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::{Code, Fault},
    id::{ClaimToken, QueueName, TaskId},
    payload::task::{
        Claim, Claimed, DEFAULT_CLAIM_TTL_MS, Input, InputValue, MAX_CLAIM_WAIT_MS, MAX_INPUT_BYTES, Task,
        TaskClaim, TaskClaimed, TaskRenew, TaskRenewed, TaskState,
    },
};
use selvedge_kit::{
    bucket::{AppendError, Expect},
    clock::{Deadline, now_ms},
    rule::Verdict,
    service::{Answer, Call, Recorded, Route, Routes},
    view::Entry,
};

use super::credential;
use crate::{
    board::{Job, LaneKey, Ticket},
    lookup::{Found, no_task},
    reserve::Holder,
    rule::task as rule,
    state::{Dispatcher, entity},
    upkeep::{MARGIN_MS, key, renewed_until},
};

/// Time left for the record and its answer on its way when a wait ends, in milliseconds.
const ANSWER_MS: u64 = 1_000;
/// Most tasks that one claim goes for, where others are first each time.
const MOST_OFFERS: usize = 256;

pub(super) fn routes() -> Routes<Dispatcher> {
    vec![Route::wait::<call::TaskClaim, _>(claim), Route::wait::<call::TaskRenew, _>(renew)]
}

async fn claim(state: Arc<Dispatcher>, call: Arc<Call>, request: TaskClaim) -> Answer<TaskClaimed> {
    let queue = match request.queue.clone() {
        Some(queue) => queue,
        None => QueueName::new("default").map_err(|error| Fault::internal(error.to_string()))?,
    };
    let lane = LaneKey { mission: call.mission().clone(), queue, role: call.role() };
    // Several sendings of this very request may be on their way at once, though none has taken anything yet. Of what
    // two replicas record for them, the first in the ledger stands: see `is_second`.
    let _turn = match call.repetition() {
        Some(digest) => {
            let _parked = call.park();
            Some(state.sendings.of(digest, until(&call, Some(MAX_CLAIM_WAIT_MS))).await?)
        }
        None => None,
    };
    if let Some(claimed) = before(&state, &call, &request).await? {
        return Ok(TaskClaimed { claimed: Some(claimed) });
    }
    let until = until(&call, request.wait_ms);
    for _ in 0..MOST_OFFERS {
        let parked = call.park();
        // Where too many wait already, it gets what is ready now, or nothing.
        let until = if parked.is_some() { until } else { Deadline::in_ms(0) };
        let ticket = tokio::select! {
            ticket = state.board.seek(&lane, until) => ticket,
            () = state.stop.cancelled() => {
                return Err(Fault::unavailable("this replica stops; send the same request again"));
            }
        };
        drop(parked);
        let Some(ticket) = ticket else { return Ok(TaskClaimed { claimed: None }) };
        if let Some(claimed) = take(&state, &call, &request, &ticket).await? {
            return Ok(TaskClaimed { claimed: Some(claimed) });
        }
        // Somebody else was first: by way of another replica.
        drop(ticket);
        tokio::task::yield_now().await;
    }
    Err(Fault::busy("others kept being first; try again"))
}

/// When a wait ends, so that its answer comes in time; at once for who does not want to wait.
fn until(call: &Call, wait_ms: Option<u64>) -> Deadline {
    let left = call.deadline().remaining().saturating_sub(Duration::from_millis(ANSWER_MS));
    let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    Deadline::in_ms(wait_ms.unwrap_or(0).min(MAX_CLAIM_WAIT_MS).min(left_ms))
}

/// What an earlier sending of this very request took: of several, what was recorded first.
async fn before(state: &Arc<Dispatcher>, call: &Call, request: &TaskClaim) -> Answer<Option<Claimed>> {
    let first = held_for(state, call).into_iter().min_by_key(|(_, entry)| entry.revision);
    let Some((id, entry)) = first else { return Ok(None) };
    let found = state.found(call.mission(), &id)?;
    let recorded = Recorded { revision: entry.revision, state: entry.state };
    reply(state, call, request, &found, &recorded).await.map(Some)
}

/// The tasks that this very request has, as far as is known here.
fn held_for(state: &Dispatcher, call: &Call) -> Vec<(TaskId, Entry<Task>)> {
    let Some(digest) = call.repetition() else { return Vec::new() };
    let held = state.board.held_by(call.mission(), call.subject.caller.as_str());
    let entries = held.into_iter().filter_map(|id| Some((id.clone(), state.task(call.mission(), &id)?)));
    let is_its = |(id, entry): &(TaskId, Entry<Task>)| {
        is_ours(&entry.state, &ClaimToken::of(&digest, id, entry.state.attempt))
    };
    entries.filter(is_its).collect()
}

/// Records that the caller has the task that it was offered; nothing if somebody else was first.
async fn take(
    state: &Arc<Dispatcher>,
    call: &Call,
    request: &TaskClaim,
    ticket: &Ticket,
) -> Answer<Option<Claimed>> {
    let found = Found { plan: Arc::clone(&ticket.plan), index: ticket.place.index };
    let of = found.of()?;
    let id = of.plan.id.task(&of.spec.id);
    let needs = state.needs(of.plan, of.spec);
    let inputs: Vec<Input> = needs.iter().map(|(input, _)| input.clone()).collect();
    let session = call.session()?;
    let digest = call.repetition().unwrap_or_else(|| call.digest_or_random().to_string());
    let attempt = state.task(call.mission(), &id).map_or(0, |entry| entry.state.attempt).saturating_add(1);
    let token = ClaimToken::of(&digest, &id, attempt);
    let holder = Holder { worker: &call.subject.caller, token: &token, task: &id, attempt };
    let leases = match state.reserve(of, &holder, call.deadline()).await {
        Ok(leases) => leases,
        Err(why) => {
            state.board.hold_up(&ticket.place, &why, now_ms());
            return Ok(None);
        }
    };
    let (now, pools) = (now_ms(), state.pools_now(&found));
    let claim_of = |attempt| Claim {
        worker: call.subject.caller.clone(),
        owner: session.owner.clone(),
        session: session.id.clone(),
        token: ClaimToken::of(&digest, &id, attempt),
        claimed_at_ms: now,
        ttl_ms: request.ttl_ms.unwrap_or(DEFAULT_CLAIM_TTL_MS),
        deadline_ms: now.saturating_add(of.spec.timeout_ms),
        inputs: inputs.clone(),
        pools: pools.clone(),
        scope: request.credential_key.is_some().then(|| id.scope(attempt)),
        leases: leases.clone(),
    };
    let decide = |current: Option<&Task>| {
        let verdict = rule::claim(current, of, claim_of, now)?;
        match &verdict {
            // The leases are for one attempt alone.
            Verdict::Changed(change) if !leases.is_empty() && change.state.attempt != attempt => {
                Err(Fault::conflict("another attempt was made meanwhile"))
            }
            _ => Ok(verdict),
        }
    };
    let recorded = state.record_task(&call.writer, &found, decide).await;
    // Where it is not known what became of the claim, they run out by themselves, or are kept.
    let is_settled = recorded.as_ref().map_or_else(is_lost, |now| now.state.attempt != attempt);
    if is_settled && !leases.is_empty() {
        let spaces = leases.iter().map(|lease| lease.space.clone()).collect();
        state.unreserve_soon(call.mission(), &token, spaces);
    }
    match recorded {
        Ok(recorded) => {
            let token = claim_of(recorded.state.attempt).token;
            given(state, call, (request, ticket), &found, (&recorded, &token)).await
        }
        Err(fault) if is_lost(&fault) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Answers with a task as it was recorded, if it is given under this token; nothing if somebody else has it, or there is
/// nothing to do about it any more.
async fn given(
    state: &Arc<Dispatcher>,
    call: &Call,
    (request, ticket): (&TaskClaim, &Ticket),
    found: &Found,
    (recorded, token): (&Recorded<Task>, &ClaimToken),
) -> Answer<Option<Claimed>> {
    if !is_ours(&recorded.state, token) {
        return Ok(None);
    }
    if is_second(state, call, found, recorded, token).await? {
        return before(state, call, request).await;
    }
    if super::precondition::blown(state, call, found, &recorded.state).await? {
        return Ok(None);
    }
    come_back_if_unheard(state, call, ticket, recorded.state.attempt);
    reply(state, call, request, found, recorded).await.map(Some)
}

/// Whether another replica had given another task to this very request before this one was recorded: then this one is
/// taken back. Each replica looks once all that stands before its own record is known here, so of two one sees the
/// other; what a replica that dies in between leaves is a claim that ends by itself.
///
/// # Errors
/// `unavailable` if what stands before it is not known here in time: the next sending finds what was recorded.
async fn is_second(
    state: &Arc<Dispatcher>,
    call: &Call,
    found: &Found,
    recorded: &Recorded<Task>,
    token: &ClaimToken,
) -> Answer<bool> {
    if call.repetition().is_none() {
        return Ok(false);
    }
    if !state.feed.reaches(recorded.revision, call.deadline()).await {
        return Err(Fault::unavailable(format!(
            "revision {} is not known here yet; send the same request again",
            recorded.revision
        )));
    }
    if !held_for(state, call).iter().any(|(_, entry)| entry.revision < recorded.revision) {
        return Ok(false);
    }
    let decide = |current: Option<&Task>| {
        let current = current.ok_or_else(|| no_task(&recorded.state.id))?;
        Ok(rule::take_back(current, found.of()?, token, now_ms()))
    };
    state.record_task(&call.writer.follow_up("second"), found, decide).await?;
    Ok(true)
}

/// Has a task come back at once if whoever claimed it is gone when it is answered.
fn come_back_if_unheard(state: &Dispatcher, call: &Call, ticket: &Ticket, attempt: u32) {
    let (board, place) = (Arc::clone(&state.board), ticket.place.clone());
    call.if_unheard(move || board.put_off(Job::Unheard(place, attempt), 0));
}

/// Whether somebody else was first.
fn is_lost(fault: &Fault) -> bool {
    matches!(fault.code, Code::Conflict | Code::Busy)
}

fn is_ours(task: &Task, token: &ClaimToken) -> bool {
    task.state == TaskState::Running && task.claim.as_ref().is_some_and(|claim| claim.token == *token)
}

/// A claimed task with all that its worker needs. Its inputs are those that its claim pins: what is validated
/// never changes.
async fn reply(
    state: &Arc<Dispatcher>,
    call: &Call,
    request: &TaskClaim,
    found: &Found,
    recorded: &Recorded<Task>,
) -> Answer<Claimed> {
    let credential = match &request.credential_key {
        Some(key) => Some(credential::granted(state, call, key, found, &recorded.state).await?),
        None => None,
    };
    let of = found.of()?;
    let needs = state.needs(of.plan, of.spec);
    let value = |entry: &Option<Entry<Task>>| {
        entry.as_ref().and_then(|entry| entry.state.output.as_ref()).map(|output| output.value.clone())
    };
    let mut inputs: Vec<InputValue> = needs
        .iter()
        .map(|(input, entry)| InputValue {
            id: of.plan.id.task(&input.task),
            input: input.clone(),
            value: value(entry),
            effects: entry.as_ref().map(|entry| entry.state.effects.clone()).unwrap_or_default(),
        })
        .collect();
    if serde_json::to_vec(&inputs).map_or(usize::MAX, |text| text.len()) > MAX_INPUT_BYTES {
        inputs.iter_mut().for_each(|input| input.value = None);
    }
    Ok(Claimed {
        task: recorded.state.as_ref().clone(),
        revision: recorded.revision,
        plan_title: of.plan.spec.title.clone(),
        spec: of.spec.clone(),
        inputs,
        credential,
    })
}

async fn renew(state: Arc<Dispatcher>, call: Arc<Call>, request: TaskRenew) -> Answer<TaskRenewed> {
    let found = state.found_now(&call, &request.task).await?;
    let held =
        |task: &Task| rule::holds(task, &found.plan, &call.subject.caller, &request.token, now_ms()).cloned();
    let load = || state.task(call.mission(), &request.task).ok_or_else(|| no_task(&request.task));
    let mut task = load()?.state;
    if held(&task).is_err() {
        call.writer.refresh(&entity(call.mission(), EntityName::Task, &request.task)).await?;
        task = load()?.state;
    }
    let claim = held(&task)?;
    let renewed = renewed_until(&state, &task).await?;
    let (until_ms, revision) = renewed.unwrap_or((claim.until_ms(), 0));
    let now = now_ms();
    if now >= until_ms {
        return Err(Fault::conflict(format!(
            "the claim of attempt {} ended {} ms ago",
            task.attempt,
            now - until_ms
        )));
    }
    let until_ms = now.saturating_add(claim.ttl_ms).min(claim.deadline_ms);
    let lives_ms = until_ms.saturating_sub(now).saturating_add(2 * MARGIN_MS);
    let expect = if revision == 0 { Expect::Anything } else { Expect::Revision(revision) };
    let put =
        state.claims.put(&key(&task), until_ms.to_string().into(), lives_ms, expect, call.deadline()).await;
    match put {
        // Another renewal of the same claim was first, a moment ago.
        Ok(_) | Err(AppendError::Contended) => Ok(TaskRenewed { until_ms }),
        Err(error) => {
            Err(Fault::unavailable(format!("the renewal may not be stored: {error}; send it again")))
        }
    }
}
