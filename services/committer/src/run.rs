//! Following intents: which one is next, and who of this process is at it.
//!
//! What may be done comes by the follower; what an instance left behind is found by a sweep of the view, at
//! the start and at the moment when it may be taken over. Both may find the same intent, on every replica: one
//! process is at it once, and among processes the first fact wins.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use selvedge_contracts::{
    fault::Fault,
    id::IntentId,
    payload::intent::{Intent, IntentState},
    stream::COMMITTER_INTENTS,
    subject::Entity,
};
use selvedge_kit::{
    bus::error_chain,
    clock::{Deadline, now_ms},
    follow::{self, Delivery},
    view::Entry,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{
    attempt::{self, Attempt, Slots},
    effects::{Earlier, Outcome, Side},
    saga::{self, Turn},
    state::{Committer, entity},
};

/// Effects that one instance carries out at once.
const MAX_AT_ONCE: usize = 64;
/// Intents that one instance is at, those among them that pause before their next attempt.
const MAX_IN_FLIGHT: usize = 10_000;
/// Shortest and longest time between two sweeps of the view, in milliseconds.
const SWEEP_MS: (u64, u64) = (100, 5_000);

struct Runner {
    state: Arc<Committer>,
    slots: Slots,
    in_flight: InFlight,
    /// What could not be taken up just now, for the next sweep.
    left: Mutex<HashSet<Entity>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Starts following.
pub(crate) fn start(state: &Arc<Committer>, tasks: &TaskTracker, stop: &CancellationToken) {
    let runner = Arc::new(Runner {
        state: Arc::clone(state),
        slots: Slots::new(MAX_AT_ONCE),
        in_flight: InFlight::default(),
        left: Mutex::default(),
        tasks: tasks.clone(),
        stop: stop.clone(),
    });
    tasks.spawn(Arc::clone(&runner).sweep());
    let work = move |delivery: Arc<Delivery>| {
        let runner = Arc::clone(&runner);
        async move {
            let fact = delivery.fact().map_err(|error| Fault::invalid(error_chain(&error)))?;
            delivery.is_in_view().await?;
            runner.attend(&fact.fact.entity).await
        }
    };
    follow::start(COMMITTER_INTENTS, state.ledger.clone(), state.feed.clone(), tasks, stop.clone(), work);
}

impl Runner {
    /// Takes up what follows from this intent, if anything does: itself, or another step of its saga. Its first
    /// attempt is on record when this answers; it is carried out in a task of its own.
    async fn attend(self: &Arc<Self>, about: &Entity) -> Result<(), Fault> {
        if let Some(taken) = self.take_up(about).await? {
            let runner = Arc::clone(self);
            self.tasks.spawn(async move { runner.carry(taken).await });
        }
        Ok(())
    }

    /// Carries out what was taken up and whatever follows from that.
    async fn carry(self: Arc<Self>, first: Taken) {
        let mut taken = Some(first);
        while let Some(Taken { attempt, slot, claim }) = taken {
            attempt::carry(&self.state, attempt, &self.slots, slot, &self.stop).await;
            let about = claim.about.clone();
            drop(claim);
            if self.stop.is_cancelled() {
                return;
            }
            // Whoever came meanwhile found it taken and left.
            taken = self.take_up(&about).await.unwrap_or_else(|fault| {
                warn!(intent = %about.id, error = %fault, "left to a sweep");
                self.left().insert(about);
                None
            });
        }
    }

    async fn take_up(&self, about: &Entity) -> Result<Option<Taken>, Fault> {
        let Some(found) = next_of(&self.state, about, now_ms()) else { return Ok(None) };
        let Some(claim) = self.in_flight.claim(entity(&found.state.mission, &found.state.id))? else {
            return Ok(None);
        };
        let Some(slot) = self.slots.take().await else { return Ok(None) };
        // It may have moved on while we waited for a slot.
        let is_next = |found: &Entry<Intent>| entity(&found.state.mission, &found.state.id) == claim.about;
        let Some(found) = next_of(&self.state, &claim.about, now_ms()).filter(is_next) else {
            return Ok(None);
        };
        let begun = attempt::begin(&self.state, &found).await?;
        Ok(begun.map(|attempt| Taken { attempt, slot, claim }))
    }

    /// Looks after what nobody is at, from the start on.
    async fn sweep(self: Arc<Self>) {
        let takeover_ms = self.state.config.takeover_ms;
        let mut patience_ms = 0; // what waited when we came has waited long enough
        while !self.stop.is_cancelled() {
            let now_ms = now_ms();
            let is_due = |intent: &Intent, _| is_due(intent, now_ms, patience_ms);
            let found = self.state.intents.all(is_due);
            // A step that is to be undone is committed, which does not tell that something is to be done.
            let mut due = std::mem::take(&mut *self.left());
            due.extend(found.iter().map(|intent| entity(&intent.mission, &intent.id)));
            for about in due {
                if let Err(fault) = self.attend(&about).await {
                    warn!(intent = %about.id, error = %fault, "left to the next sweep");
                    self.left().insert(about);
                }
            }
            patience_ms = takeover_ms;
            let pause_ms =
                self.next_takeover_ms(now_ms).clamp(SWEEP_MS.0, SWEEP_MS.1.min(takeover_ms.max(SWEEP_MS.0)));
            let pause = tokio::time::sleep(Duration::from_millis(pause_ms));
            let _ = self.stop.run_until_cancelled(pause).await;
        }
    }

    fn left(&self) -> MutexGuard<'_, HashSet<Entity>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it is until the next attempt may be taken over, in milliseconds.
    fn next_takeover_ms(&self, now_ms: u64) -> u64 {
        let under_way = self.state.intents.all(|intent, _| is_under_way(intent));
        let until = under_way.iter().filter_map(|intent| intent.execution.as_ref());
        let waits = until.map(|execution| execution.until_ms).filter(|until_ms| *until_ms > now_ms);
        waits.min().map_or(u64::MAX, |until_ms| until_ms - now_ms)
    }
}

fn is_under_way(intent: &Intent) -> bool {
    matches!(intent.state, IntentState::Executing | IntentState::Compensating)
}

/// Whether the time of whoever is at it is over.
fn is_left(intent: &Intent, now_ms: u64) -> bool {
    intent.execution.as_ref().is_none_or(|execution| execution.until_ms <= now_ms)
}

/// Whether a sweep attends to it: nobody is at it any more, or nobody came for so long. At the
/// start also what is committed, whose saga may have broken.
fn is_due(intent: &Intent, now_ms: u64, patience_ms: u64) -> bool {
    if is_under_way(intent) {
        return is_left(intent, now_ms);
    }
    if intent.saga.is_some() && intent.state == IntentState::Committed {
        return patience_ms == 0;
    }
    let decided_at_ms = intent.decision.as_ref().map_or(0, |decision| decision.decided_at_ms);
    let ready_at_ms = intent.grants.iter().map(|grant| grant.at_ms).fold(decided_at_ms, u64::max);
    intent.is_ready() && ready_at_ms.saturating_add(patience_ms) <= now_ms && now_ms < intent.expires_at_ms
}

/// What is next, of an intent alone or of its saga, if it may be begun now.
fn next_of(state: &Committer, about: &Entity, now_ms: u64) -> Option<Entry<Intent>> {
    let found = state.intents.get(&about.mission, &about.id)?;
    if found.state.saga.is_none() {
        return may_begin(&found.state, now_ms).then_some(found);
    }
    let steps = steps_of(state, &found.state)?;
    let at = |place: usize| steps.get(place).cloned();
    match saga::turn(steps.iter().map(|step| step.state.as_ref())) {
        Turn::Nothing => None,
        Turn::Undo(place) => at(place),
        Turn::Begin(place) | Turn::UnderWay(place) => at(place).filter(|step| may_begin(&step.state, now_ms)),
    }
}

fn may_begin(intent: &Intent, now_ms: u64) -> bool {
    match intent.state {
        IntentState::Executing | IntentState::Compensating => is_left(intent, now_ms),
        _ => intent.is_ready() && now_ms < intent.expires_at_ms,
    }
}

/// The steps of an intent's saga, in order; nothing if it is in none, or one is not known.
fn steps_of(state: &Committer, intent: &Intent) -> Option<Vec<Entry<Intent>>> {
    let saga = state.sagas.state(&intent.mission, &(&intent.saga.as_ref()?.saga).into())?;
    let step = |id: &IntentId| state.intents.get(&intent.mission, &id.into());
    saga.steps.iter().map(step).collect()
}

/// Whether a step may go on now that it is on record as under way. Two instances may have looked at a saga at
/// different moments; both have recorded what they are at before they look again here, at the ledger's leader,
/// so one of them sees the other.
pub(crate) async fn may_go_on(
    state: &Committer,
    intent: &Intent,
    side: Side,
    earlier: Earlier,
    deadline: Deadline,
) -> Result<(), Outcome> {
    if intent.saga.is_none() {
        return Ok(());
    }
    let steps = steps_of(state, intent).ok_or_else(|| Outcome::Later("its saga is not known yet".into()))?;
    for step in &steps {
        let refreshed = state.feed.refresh(&entity(&step.state.mission, &step.state.id), deadline).await;
        refreshed.map_err(|error| Outcome::Later(error_chain(&error)))?;
    }
    let steps = steps_of(state, intent).unwrap_or(steps);
    let turn = saga::turn(steps.iter().map(|step| step.state.as_ref()));
    let is_its = matches!(turn, Turn::UnderWay(place) if steps.get(place).is_some_and(|step| step.state.id == intent.id));
    let is_broken = steps.iter().any(|step| saga::is_broken(step.state.state));
    match side {
        Side::Undo if is_its => Ok(()),
        Side::Undo => Err(Outcome::Later("a later step is not undone yet".into())),
        // What may have been done is finished first, and undone then.
        Side::Do if !is_broken || earlier == Earlier::Begun => Ok(()),
        Side::Do => Err(Outcome::refused("/saga", "another step of the saga failed")),
    }
}

/// An attempt that is on record and to be carried out.
struct Taken {
    attempt: Attempt,
    slot: OwnedSemaphorePermit,
    claim: Claim,
}

/// The intents that this process is at.
#[derive(Clone, Default)]
struct InFlight(Arc<Mutex<HashSet<Entity>>>);

/// The right to be at an intent, in this process; given back when it is dropped.
struct Claim {
    about: Entity,
    in_flight: InFlight,
}

impl InFlight {
    /// Claims an intent; nothing if somebody is at it.
    fn claim(&self, about: Entity) -> Result<Option<Claim>, Fault> {
        let mut claimed = self.lock();
        if claimed.len() >= MAX_IN_FLIGHT {
            return Err(Fault::busy("too many intents at once"));
        }
        Ok(claimed.insert(about.clone()).then(|| Claim { about, in_flight: self.clone() }))
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Entity>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.in_flight.lock().remove(&self.about);
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{id::ScopeId, payload::intent::Execution};

    use super::*;
    use crate::fixture;

    fn until(state: IntentState, until_ms: u64) -> Intent {
        let executor = ScopeId::new("c1").unwrap();
        let execution = Some(Execution { executor, attempt: 1, until_ms, highest_token: None });
        Intent { execution, ..fixture::intent(state) }
    }

    #[test]
    fn one_of_a_process_is_at_an_intent_and_it_is_free_when_that_one_is_gone() {
        let intents = InFlight::default();
        let intent = fixture::intent(IntentState::Approved);
        let about = entity(&intent.mission, &intent.id);
        let claim = intents.claim(about.clone()).unwrap().unwrap();
        assert!(intents.claim(about.clone()).unwrap().is_none());
        drop(claim);
        assert!(intents.claim(about).unwrap().is_some());
    }

    #[test]
    fn an_attempt_is_taken_over_when_its_time_is_over_and_not_before() {
        for state in [IntentState::Executing, IntentState::Compensating] {
            assert!(!may_begin(&until(state, 100), 99));
            assert!(may_begin(&until(state, 100), 100));
            assert!(!is_due(&until(state, 100), 99, 0) && is_due(&until(state, 100), 100, 1_000));
        }
    }

    #[test]
    fn what_waits_is_swept_up_at_the_start_and_else_when_nobody_came_for_it() {
        let ready = fixture::intent(IntentState::Verified); // decided at 20, expires at 10,000
        assert!(is_due(&ready, 20, 0) && !is_due(&ready, 20, 500));
        assert!(is_due(&ready, 520, 500));
        assert!(!is_due(&ready, 10_000, 500) && !may_begin(&ready, 10_000), "governance expires it");
        for state in [IntentState::Proposed, IntentState::Committed, IntentState::Unknown, IntentState::Stuck]
        {
            assert!(!is_due(&fixture::intent(state), 520, 0), "{state:?}");
        }
    }
}
