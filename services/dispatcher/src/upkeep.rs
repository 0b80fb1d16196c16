//! What is due by the clock, without anybody asking: claims end, tasks may be tried again, plans come to
//! their end, letters are buried. Every replica does it, when its own clock says so; the guards see to it
//! that it happens once. Nothing is polled, and no timer is stored: what is due follows from the ledger, so
//! whoever starts finds all of it.

use std::{sync::Arc, time::Duration};

use selvedge_contracts::{
    envelope::Envelope,
    fact::EntityName,
    fault::{Code, Fault},
    id::{Caller, HandoffId, Mission},
    payload::{
        dead::DeadLetter,
        handoff::Handoff,
        task::{Cause, MAX_VERDICT_WAIT_MS, Task, TaskState},
    },
};
use selvedge_kit::{
    clock::{Deadline, now_ms},
    rule::Verdict,
    service::{Answer, Writer},
};
use tokio::sync::Semaphore;
use tracing::debug;

use crate::{
    board::{Attempt, Job, TaskPlace},
    cases,
    effects::{PROPOSED_BY_MS, Unknown},
    ends::is_under_way,
    lookup::Found,
    rule::{
        dead,
        effect::{self, Settled},
        handoff,
        task::{self as rule, Of},
    },
    state::{Dispatcher, entity, me},
};

/// Jobs that are done at once.
const AT_ONCE: usize = 16;
/// Longest time for one job, in milliseconds.
const JOB_MS: u64 = 10_000;
/// Wait before a job that failed is tried again, in milliseconds.
const AGAIN_MS: u64 = 1_000;
/// Longest sleep, in milliseconds: the clock may be set meanwhile.
const LONGEST_SLEEP_MS: u64 = 60_000;
/// How much later than its end a claim is taken away, in milliseconds: a renewal may be on its way, and clocks
/// drift apart.
pub(crate) const MARGIN_MS: u64 = 1_000;

/// Does what is due until the service stops.
pub(crate) fn start(state: &Arc<Dispatcher>) {
    let (of_loop, stop) = (Arc::clone(state), state.stop.clone());
    state.tasks.spawn(async move {
        stop.run_until_cancelled(run(of_loop)).await;
    });
}

async fn run(state: Arc<Dispatcher>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let (due, next) = state.board.take_due(now_ms());
        let is_idle = due.is_empty();
        for job in due {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let state = Arc::clone(&state);
            state.clone().tasks.spawn(async move {
                if let Err(fault) = work(&state, &job).await {
                    debug!(?job, error = %fault, "will try again");
                    state.board.put_off(job, now_ms().saturating_add(AGAIN_MS));
                }
                drop(place);
            });
        }
        if is_idle {
            let sleep_ms = next.map_or(LONGEST_SLEEP_MS, |at_ms| at_ms.saturating_sub(now_ms()));
            let sleep = Duration::from_millis(sleep_ms.min(LONGEST_SLEEP_MS));
            // Whichever comes first.
            let _ = tokio::time::timeout(sleep, state.board.something_new()).await;
        }
    }
}

async fn work(state: &Arc<Dispatcher>, job: &Job) -> Answer<()> {
    match job {
        Job::Wake(place) => {
            state.board.wake(place);
            Ok(())
        }
        Job::Expire(place, attempt) => expire(state, place, *attempt).await,
        Job::Stop(place, attempt) => stop(state, place, *attempt).await,
        Job::Unheard(place, attempt) => {
            let why = format!("attempt {attempt} was claimed by somebody who was gone");
            let decide = |task: &Task, of: Of<'_>| rule::unheard(task, of, *attempt, now_ms());
            end_attempt(state, (place, *attempt), &why, decide).await
        }
        Job::Bury(place, attempt) => bury(state, place, *attempt).await,
        Job::Escalate(mission, case, step) => {
            let key = format!("step {step} of {case}");
            cases::escalate(state, &writer(state, mission, &key, &key), (mission, case, *step)).await
        }
        Job::Close(mission, case) => {
            let key = format!("close {case} {}", now_ms());
            cases::close(state, &writer(state, mission, &key, &key), mission, case).await
        }
        Job::Lapse(mission, handoff) => lapse(state, mission, handoff).await,
        Job::Join(key) => {
            let why = format!("the end of {}", key.1);
            cases::join(state, &writer(state, &key.0, &why, &format!("{why} {}", now_ms())), key).await
        }
        Job::Finish(key) => {
            let cause = format!("the end of {}", key.1);
            let writer = writer(state, &key.0, &cause, &format!("finish {} {}", key.1, now_ms()));
            state.finish(&writer, key).await
        }
        Job::Retry(place) => {
            state.board.retry(place);
            Ok(())
        }
        Job::Keep(attempt) => keep(state, attempt).await,
        Job::Commit(attempt) => commit(state, attempt, Unknown::MayCome).await,
        Job::CallOff(attempt) => commit(state, attempt, Unknown::NeverCame).await,
        Job::Settle(attempt) => settle(state, attempt).await,
        Job::EndScope(mission, scope) => state.end_scope(mission, scope).await,
        Job::Unreserve(mission, token, spaces) => {
            state.unreserve(mission, token, spaces).await?;
            state.board.retry_all(mission); // somebody may wait for what was held
            Ok(())
        }
    }
}

/// Stops an attempt whose plan is cancelled. What it changes outside is called off, as far as it can be.
async fn stop(state: &Arc<Dispatcher>, place: &TaskPlace, attempt: u32) -> Answer<()> {
    match current(state, place, attempt) {
        Some((_, task)) if task.state == TaskState::Committing => {
            state.call_off(&task).await?;
            let of = Attempt { mission: task.mission.clone(), task: task.id.clone(), attempt };
            state.board.put_off(Job::CallOff(of), now_ms().saturating_add(PROPOSED_BY_MS));
            Ok(())
        }
        _ => give_up(state, place, attempt, Cause::Cancelled).await,
    }
}

/// Sees to what an accepted attempt changes outside.
async fn commit(state: &Arc<Dispatcher>, of: &Attempt, unknown: Unknown) -> Answer<()> {
    let Attempt { mission, task: id, attempt } = of;
    let Ok(found) = state.found(mission, id) else { return Ok(()) };
    let is_accepted = |task: &Task| task.attempt == *attempt && task.state == TaskState::Committing;
    let entry = state.task(mission, id).filter(|entry| is_accepted(&entry.state));
    let Some((task, revision)) = entry.map(|entry| (entry.state, entry.revision)) else { return Ok(()) };
    if unknown == Unknown::NeverCame {
        state.call_off(&task).await?; // what came meanwhile
    }
    let outcomes = state.outcomes((&task, revision), found.of()?, unknown).await?;
    if effect::settled(&task.effects, &outcomes) == Settled::Open {
        return Ok(()); // the intents' own facts say when it goes on
    }
    let why = format!("what attempt {attempt} of {id} changes outside is settled");
    let writer = writer(state, mission, &why, &why);
    let decide = |current: Option<&Task>| {
        let current = current.ok_or_else(|| Fault::not_found("the ledger does not know it"))?;
        Ok(rule::commit(current, found.of()?, *attempt, &outcomes, now_ms()))
    };
    state.record_task(&writer, &found, decide).await?;
    state.finish_soon(&writer, &found);
    Ok(())
}

/// Settles the letters of a task that goes on: its plan was resumed.
async fn settle(state: &Arc<Dispatcher>, of: &Attempt) -> Answer<()> {
    let Some(entry) = state.task(&of.mission, &of.task) else { return Ok(()) };
    let me = Caller::new(me()).map_err(|error| Fault::internal(error.to_string()))?;
    for id in dead::letters_of(&entry.state) {
        let Some(letter) = state.letters.state(&of.mission, &(&id).into()) else { continue };
        if dead::overtaken(&letter, &entry.state, &me) == Verdict::Same {
            continue;
        }
        let why = format!("{} goes on", of.task);
        let decide = |current: Option<&DeadLetter>| {
            let current = current.ok_or_else(|| Fault::not_found("the ledger does not know it"))?;
            Ok(dead::overtaken(current, &entry.state, &me))
        };
        let letter = entity(&of.mission, EntityName::Dead, &id);
        writer(state, &of.mission, &why, &why).record(&state.letters, &letter, decide).await?;
    }
    Ok(())
}

/// Keeps the leases of an attempt that has not ended; one that has lost some is over.
async fn keep(state: &Arc<Dispatcher>, of: &Attempt) -> Answer<()> {
    let Attempt { mission, task: id, attempt } = of;
    let Ok(found) = state.found(mission, id) else { return Ok(()) };
    let task = state.task(mission, id).map(|entry| entry.state);
    let is_on = |task: &Arc<Task>| task.attempt == *attempt && is_under_way(task.state);
    let Some(task) = task.filter(is_on) else { return Ok(()) };
    match state.keep(&task, found.of()?).await {
        Ok(next_ms) => {
            state.board.put_off(Job::Keep(of.clone()), next_ms);
            Ok(())
        }
        Err(fault) if fault.code == Code::Conflict => {
            let why = format!("attempt {attempt} of {id}: its leases are lost");
            let writer = writer(state, mission, &why, &why);
            let decide = |current: Option<&Task>| {
                let current = current.ok_or_else(|| Fault::not_found("the ledger does not know it"))?;
                Ok(rule::lose_lease(current, found.of()?, *attempt, &fault.message, now_ms()))
            };
            state.record_task(&writer, &found, decide).await?;
            state.finish_soon(&writer, &found);
            Ok(())
        }
        Err(fault) => Err(fault),
    }
}

/// Records as the service itself; `key` names the work, so that its repetition is known.
fn writer(state: &Dispatcher, mission: &Mission, cause: &str, key: &str) -> Writer {
    let origin = Envelope {
        mission: mission.to_string(),
        sender: me().to_owned(),
        session: state.ledger.bus().me().scope.id.to_string(),
        cause: cause.to_owned(),
        ..Envelope::default()
    };
    Writer::own(state.ledger.clone(), state.feed.clone(), Deadline::in_ms(JOB_MS), origin, key)
}

/// A task and its plan, if it is on this attempt.
fn current(state: &Dispatcher, place: &TaskPlace, attempt: u32) -> Option<(Found, Arc<Task>)> {
    let (mission, id) = &place.plan;
    let plan = state.plan(mission, id).ok()?.state;
    let task = plan.id.task(&plan.spec.tasks.get(place.index)?.id);
    let task = state.task(mission, &task)?.state;
    let found = Found { plan, index: place.index };
    (task.attempt == attempt).then_some((found, task))
}

/// Takes a task from whoever was not heard of in time, or took too long.
async fn expire(state: &Arc<Dispatcher>, place: &TaskPlace, attempt: u32) -> Answer<()> {
    let Some((_, task)) = current(state, place, attempt) else { return Ok(()) };
    match task.state {
        TaskState::Running => {}
        // Whoever handed it in is not waited for any more; a verdict is.
        TaskState::Submitted if is_unjudged(&task, now_ms()) => {
            return give_up(state, place, attempt, Cause::Unjudged).await;
        }
        _ => return Ok(()),
    }
    let Some(claim) = &task.claim else { return Ok(()) };
    let now = now_ms();
    if now >= claim.deadline_ms.saturating_add(MARGIN_MS) {
        return give_up(state, place, attempt, Cause::Timeout).await;
    }
    let until_ms = renewed_until(state, &task).await?.map_or(claim.until_ms(), |(until_ms, _)| until_ms);
    let end_ms = until_ms.min(claim.deadline_ms).saturating_add(MARGIN_MS);
    if now < end_ms {
        state.board.put_off(Job::Expire(place.clone(), attempt), end_ms);
        return Ok(());
    }
    give_up(state, place, attempt, Cause::Lost).await
}

/// Whether what was handed in has waited for a verdict for as long as it may.
fn is_unjudged(task: &Task, now_ms: u64) -> bool {
    let since_ms = task.output.as_ref().map_or(now_ms, |output| output.at_ms);
    now_ms >= since_ms.saturating_add(MAX_VERDICT_WAIT_MS)
}

/// Until when a claim was renewed last, and at which revision of its key; nothing if it never was.
pub(crate) async fn renewed_until(state: &Dispatcher, task: &Task) -> Answer<Option<(u64, u64)>> {
    const READ_MS: u64 = 2_000;
    let found = state.claims.get(&key(task), Deadline::in_ms(READ_MS)).await;
    let found =
        found.map_err(|error| Fault::unavailable(format!("cannot read how long a claim lasts: {error}")))?;
    let read = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse().ok();
    Ok(found.and_then(|value| Some((read(&value.bytes)?, value.revision))))
}

/// Key of the bucket under which it stands until when the claim of a task's present attempt was renewed.
pub(crate) fn key(task: &Task) -> String {
    format!("{}.{}.{}", task.mission, task.id, task.attempt)
}

async fn give_up(state: &Arc<Dispatcher>, place: &TaskPlace, attempt: u32, cause: Cause) -> Answer<()> {
    let decide = |task: &Task, of: Of<'_>| rule::give_up(task, of, attempt, cause, now_ms());
    end_attempt(state, (place, attempt), cause.name(), decide).await
}

async fn end_attempt(
    state: &Arc<Dispatcher>,
    (place, attempt): (&TaskPlace, u32),
    why: &str,
    end: impl Fn(&Task, Of<'_>) -> Verdict<Task> + Send + Sync,
) -> Answer<()> {
    let Some((found, task)) = current(state, place, attempt) else { return Ok(()) };
    let why = format!("attempt {attempt} of {}: {why}", task.id);
    let writer = writer(state, &place.plan.0, &why, &why);
    let decide = |current: Option<&Task>| {
        let current = current.ok_or_else(|| Fault::not_found("the ledger does not know it"))?;
        Ok(end(current, found.of()?))
    };
    state.record_task(&writer, &found, decide).await?;
    state.finish_soon(&writer, &found);
    Ok(())
}

/// Ends a handoff whose deadline has passed.
async fn lapse(state: &Arc<Dispatcher>, mission: &Mission, id: &HandoffId) -> Answer<()> {
    let Some(entry) = state.handoffs.get(mission, &id.into()) else { return Ok(()) };
    let me = Caller::new(me()).map_err(|error| Fault::internal(error.to_string()))?;
    if handoff::expire(&entry.state, &me, now_ms()) == Verdict::Same {
        return Ok(());
    }
    let why = format!("the deadline of {id}");
    let of = entity(mission, EntityName::Handoff, id);
    let decide = |current: Option<&Handoff>| {
        let current = current.ok_or_else(|| Fault::not_found("the ledger does not know it"))?;
        Ok(handoff::expire(current, &me, now_ms()))
    };
    writer(state, mission, &why, &why).record(&state.handoffs, &of, decide).await?;
    state.note_handoff(&of);
    Ok(())
}

/// Keeps what is known about a task that has used up its attempts, and asks somebody to decide.
async fn bury(state: &Arc<Dispatcher>, place: &TaskPlace, attempt: u32) -> Answer<()> {
    let Some((found, task)) =
        current(state, place, attempt).filter(|(_, task)| task.state == TaskState::Failed)
    else {
        return Ok(());
    };
    let Some(letter) = dead::exhausted(&task, found.of()?, now_ms()) else { return Ok(()) };
    let why = format!("the end of {} after attempt {attempt}", task.id);
    let writer = writer(state, &place.plan.0, &why, &why);
    if state.letters.get(&letter.mission, &(&letter.id).into()).is_none() {
        state.bury(&writer, &letter).await?;
    }
    cases::open(state, &writer.follow_up("case"), &found, &task).await
}
