//! Following intents: which one is next, and who of this process is at it.
//!
//! What may be done comes by the follower; what an instance left behind is found by a sweep, at the start and
//! at the moment when it may be taken over. Both may find the same intent, on every replica: one process is at
//! it once, and among processes the first fact wins.

use std::{
    collections::BTreeSet,
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
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{
    attempt::{self, Attempt},
    carry,
    claims::{Claim, Claims},
    due::due_at_ms,
    effects::{Earlier, Outcome, Side},
    saga::{self, Turn},
    shares::{Share, Shares},
    state::{Committer, entity},
};

/// Effects that one instance carries out at once; half of them of one mission.
const MAX_AT_ONCE: usize = 64;
/// Shortest and longest time between two sweeps, in milliseconds.
const SWEEP_MS: (u64, u64) = (100, 5_000);

struct Runner {
    state: Arc<Committer>,
    slots: Shares,
    claims: Claims,
    /// What could not be taken up just now, for the next sweep.
    left: Mutex<BTreeSet<Entity>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Starts following.
pub(crate) fn start(state: &Arc<Committer>, tasks: &TaskTracker, stop: &CancellationToken) {
    let runner = Arc::new(Runner {
        state: Arc::clone(state),
        slots: Shares::new(MAX_AT_ONCE, 1),
        claims: Claims::default(),
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
    /// attempt is on record when this answers, unless it waits for a place; it is carried out in a task of its
    /// own.
    async fn attend(self: &Arc<Self>, about: &Entity) -> Result<(), Fault> {
        let Some(claim) = self.claim(about)? else { return Ok(()) };
        let runner = Arc::clone(self);
        let Some(slot) = self.slots.try_take(&about.mission, 1) else {
            // Other missions' intents must not wait behind it. Should this process die, a sweep finds it.
            self.tasks.spawn(async move {
                let taken = runner.wait(claim).await;
                runner.carry(taken).await;
            });
            return Ok(());
        };
        if let Some(taken) = self.begin(claim, slot).await? {
            self.tasks.spawn(async move { runner.carry(Some(taken)).await });
        }
        Ok(())
    }

    /// Carries out what was taken up and whatever follows from that.
    async fn carry(self: Arc<Self>, mut taken: Option<Taken>) {
        while let Some(Taken { attempt, slot, claim }) = taken {
            carry::carry(&self.state, attempt, &self.slots, slot, &self.stop).await;
            let about = claim.about.clone();
            drop(claim);
            if self.stop.is_cancelled() {
                return;
            }
            // Whoever came meanwhile found it taken and left.
            taken = match self.claim(&about) {
                Ok(Some(claim)) => self.wait(claim).await,
                Ok(None) => None,
                Err(fault) => self.leave(about, &fault),
            };
        }
    }

    /// The right to be at what is next; nothing if nothing is, or somebody is at it.
    fn claim(&self, about: &Entity) -> Result<Option<Claim>, Fault> {
        let Some(found) = next_of(&self.state, about, now_ms()) else { return Ok(None) };
        self.claims.claim(&entity(&found.state.mission, &found.state.id))
    }

    /// Begins what was claimed once there is a place for it.
    async fn wait(&self, claim: Claim) -> Option<Taken> {
        let about = claim.about.clone();
        let slot = self.slots.take(&about.mission, 1);
        let slot = self.stop.run_until_cancelled(slot).await.flatten()?;
        self.begin(claim, slot).await.unwrap_or_else(|fault| self.leave(about, &fault))
    }

    async fn begin(&self, claim: Claim, slot: Share) -> Result<Option<Taken>, Fault> {
        // It may have moved on while we waited for a place.
        let is_next = |found: &Entry<Intent>| entity(&found.state.mission, &found.state.id) == claim.about;
        let Some(found) = next_of(&self.state, &claim.about, now_ms()).filter(is_next) else {
            return Ok(None);
        };
        let begun = attempt::begin(&self.state, &found).await?;
        Ok(begun.map(|attempt| Taken { attempt, slot, claim }))
    }

    /// Leaves an intent to the next sweep.
    fn leave(&self, about: Entity, fault: &Fault) -> Option<Taken> {
        warn!(intent = %about.id, error = %fault, "left to a sweep");
        self.left().insert(about);
        None
    }

    /// Looks after what nobody is at, from the start on.
    async fn sweep(self: Arc<Self>) {
        let takeover_ms = self.state.config.takeover_ms;
        let longest_ms = SWEEP_MS.1.min(takeover_ms.max(SWEEP_MS.0));
        let mut due = self.found_at_start(now_ms());
        while !self.stop.is_cancelled() {
            for about in &due {
                if let Err(fault) = self.attend(about).await {
                    self.leave(about.clone(), &fault);
                }
                if let Some(intent) = self.state.intents.state(&about.mission, &about.id) {
                    self.state.due.put_back(about, &intent, now_ms() + longest_ms);
                }
            }
            let next_ms =
                self.state.due.next_at_ms().map_or(u64::MAX, |at_ms| at_ms.saturating_sub(now_ms()));
            let pause = tokio::time::sleep(Duration::from_millis(next_ms.clamp(SWEEP_MS.0, longest_ms)));
            let _ = self.stop.run_until_cancelled(pause).await;
            due = std::mem::take(&mut *self.left());
            due.extend(self.state.due.take(now_ms()));
        }
    }

    /// What waited when we came, which has waited long enough. A saga may have broken, too: of its steps those
    /// that are committed tell nothing of that.
    fn found_at_start(&self, now_ms: u64) -> BTreeSet<Entity> {
        let waits = |intent: &Intent, _| {
            let is_committed_step = intent.saga.is_some() && intent.state == IntentState::Committed;
            is_committed_step || due_at_ms(intent, 0).is_some_and(|at_ms| at_ms <= now_ms)
        };
        let found = self.state.intents.all(waits);
        found.iter().map(|intent| entity(&intent.mission, &intent.id)).collect()
    }

    fn left(&self) -> MutexGuard<'_, BTreeSet<Entity>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        IntentState::Executing | IntentState::Compensating => {
            intent.execution.as_ref().is_none_or(|execution| execution.until_ms <= now_ms)
        }
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
    slot: Share,
    claim: Claim,
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{id::ScopeId, payload::intent::Execution};

    use super::*;
    use crate::fixture;

    #[test]
    fn an_attempt_is_taken_over_when_its_time_is_over_and_not_before() {
        let executor = ScopeId::new("c1").unwrap();
        let execution = Some(Execution { executor, attempt: 1, until_ms: 100, highest_token: None });
        for state in [IntentState::Executing, IntentState::Compensating] {
            let under_way = Intent { execution: execution.clone(), ..fixture::intent(state) };
            assert!(!may_begin(&under_way, 99) && may_begin(&under_way, 100));
        }
        let ready = fixture::intent(IntentState::Verified); // expires at 10,000
        assert!(may_begin(&ready, 9_999) && !may_begin(&ready, 10_000), "governance expires it");
    }
}
