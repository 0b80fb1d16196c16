//! What tasks change outside: proposed in the name of whoever did them once their output holds, and followed
//! until it is done or comes to nothing.
//!
//! Every step follows from the ledger. A task that is accepted names its intents; whoever sees it proposes them,
//! which is the same proposal whoever makes it, and however often; whoever sees an intent settled settles its
//! task. The effect itself happens once, since its intent does.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::{Code, Fault},
    id::{AgentId, IntentId, Mission, TaskId},
    payload::{
        intent::{Accepted, Intent, IntentCancel, ProposeFor, SagaProposeFor},
        overlap::OnBehalf,
        task::{Task, TaskState},
    },
    subject::Entity,
};
use selvedge_kit::{
    client::Options,
    clock::now_ms,
    ledger::{FactRecord, RequestDigest},
    service::Answer,
    view::Apply,
};
use serde::Deserialize;

use crate::{
    board::{Attempt, Board, Job},
    rule::{
        effect::{self, Outcome, Proposal},
        task::Of,
    },
    state::Dispatcher,
};

/// Longest wait for one answer, in milliseconds.
const STEP_MS: u64 = 8_000;

/// So long after a plan was cancelled, no replica proposes anything for it any more, in milliseconds: longer than a
/// proposal may take that began before.
pub(crate) const PROPOSED_BY_MS: u64 = STEP_MS + 2_000;

/// What it means that an intent is not on the record, where its plan is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// A replica that did not know yet may be proposing it.
    MayCome,
    /// Nobody proposes it any more.
    NeverCame,
}

/// What became of the intents of tasks, as the ledger says.
pub(crate) struct Intents {
    known: RwLock<HashMap<(Mission, IntentId), (u64, Outcome)>>,
    board: Arc<Board>,
}

impl Intents {
    pub(crate) fn new(board: &Arc<Board>) -> Self {
        Self { known: RwLock::default(), board: Arc::clone(board) }
    }

    /// What became of an intent; nothing if it is not on the record.
    pub(crate) fn outcome(&self, mission: &Mission, intent: &IntentId) -> Option<Outcome> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&(mission.clone(), intent.clone())).map(|(_, outcome)| outcome.clone())
    }
}

impl Apply for Intents {
    fn entity(&self) -> EntityName {
        EntityName::Intent
    }

    fn apply(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct After {
            state: Intent,
        }
        let After { state: intent } = serde_json::from_slice(&fact.envelope.payload)?;
        // Of those that no attempt of a task has, nobody asks.
        let Some((task, attempt)) = intent.task.as_ref().and_then(TaskId::of_scope) else { return Ok(()) };
        let outcome = Outcome::of(&intent);
        let is_settled = outcome != Outcome::Open;
        let key = (intent.mission.clone(), intent.id);
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            let entry = known.entry(key).or_insert((0, Outcome::Open));
            if entry.0 < fact.revision {
                *entry = (fact.revision, outcome);
            }
        }
        if is_settled {
            let of = Attempt { mission: intent.mission, task, attempt };
            self.board.put_off(Job::Commit(of), now_ms());
        }
        Ok(())
    }

    fn revision_of(&self, entity: &Entity) -> u64 {
        let Ok(id) = IntentId::new(entity.id.as_str()) else { return 0 };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&(entity.mission.clone(), id)).map_or(0, |(revision, _)| *revision)
    }

    fn may_hold(&self, _: &Entity, _: RequestDigest) -> bool {
        false
    }

    fn is_of_newest(&self) -> bool {
        true
    }
}

/// What the service `governance` made of a proposal.
enum Proposed {
    /// Its intents, as they stand.
    As(Vec<(IntentId, Outcome)>),
    /// Nothing, and why.
    Refused(String),
}

/// In whose name it is proposed.
fn on_behalf(task: &Task, of: Of<'_>) -> Answer<OnBehalf> {
    let missing = || Fault::internal("an accepted task without whoever did it");
    let claim = task.claim.as_ref().ok_or_else(missing)?;
    let scope = task.id.scope(task.attempt);
    Ok(OnBehalf {
        agent: AgentId::new(claim.worker.as_str()).map_err(|_| missing())?,
        role: of.spec.role,
        owner: claim.owner.clone(),
        session: scope.clone(),
        task: Some(scope),
        request: of.plan.request.clone(),
    })
}

/// Who decided that its output holds, if somebody did.
fn accepted(task: &Task) -> Option<Accepted> {
    let verdict = task.verdict.as_ref()?;
    let case = verdict.case.clone()?;
    Some(Accepted { case, by: verdict.by.clone(), owner: verdict.owner.clone() })
}

impl Dispatcher {
    /// What became of the effects of an accepted task, which stands at this revision; what nobody proposed yet is
    /// proposed, unless the plan is not wanted any more.
    ///
    /// # Errors
    /// `unavailable` if the service `governance` does not answer; conflict if it has no room for more intents now.
    pub(crate) async fn outcomes(
        &self,
        (task, revision): (&Task, u64),
        of: Of<'_>,
        unknown: Unknown,
    ) -> Answer<BTreeMap<IntentId, Outcome>> {
        let ids = || task.effects.iter().map(|effect| &effect.intent);
        let known = |id: &IntentId| Some((id.clone(), self.intents.outcome(&task.mission, id)?));
        let mut outcomes: BTreeMap<IntentId, Outcome> = ids().filter_map(known).collect();
        if ids().all(|id| outcomes.contains_key(id)) {
            return Ok(outcomes);
        }
        let of_the_rest = match unknown {
            _ if of.plan.state.is_open() => match self.propose(task, revision, of).await? {
                Proposed::As(proposed) => {
                    outcomes.extend(proposed);
                    return Ok(outcomes);
                }
                Proposed::Refused(reason) => Outcome::Over { reason, is_final: false },
            },
            Unknown::MayCome => Outcome::Open,
            Unknown::NeverCame => {
                Outcome::Over { reason: "its plan is cancelled".to_owned(), is_final: true }
            }
        };
        for id in ids() {
            outcomes.entry(id.clone()).or_insert_with(|| of_the_rest.clone());
        }
        Ok(outcomes)
    }

    /// Proposes what an accepted task is to change. Whoever does it, and however often, proposes the same: it is
    /// known by the attempt, and may be done as long as the task stands as it was accepted.
    async fn propose(&self, task: &Task, revision: u64, of: Of<'_>) -> Answer<Proposed> {
        let missing = || Fault::internal("an accepted task without what it is to change");
        let proposal = effect::proposal(task, of.spec, revision).ok_or_else(missing)?;
        let (on_behalf, accepted) = (on_behalf(task, of)?, accepted(task));
        let client = self.client.clone().in_mission(task.mission.clone());
        let options = Options {
            timeout_ms: Some(STEP_MS),
            idempotency_key: Some(format!("effects of {}", task.id.scope(task.attempt))),
            ..Options::default()
        };
        let answered = match proposal {
            Proposal::One(propose) => {
                let request = ProposeFor { propose: *propose, on_behalf, accepted };
                let answered = client.call_with::<call::IntentProposeFor>(&request, &options).await;
                answered.map(|answered| vec![answered.reply.intent])
            }
            Proposal::Several(propose) => {
                let request = SagaProposeFor { propose, on_behalf, accepted };
                let answered = client.call_with::<call::SagaProposeFor>(&request, &options).await;
                answered.map(|answered| answered.reply.steps)
            }
        };
        match answered {
            Ok(intents) => {
                let as_wanted = task.effects.iter().map(|effect| &effect.intent);
                if as_wanted.eq(intents.iter().map(|intent| &intent.id)) {
                    return Ok(Proposed::As(
                        intents.iter().map(|intent| (intent.id.clone(), Outcome::of(intent))).collect(),
                    ));
                }
                Err(Fault::internal(format!("what {} changes was proposed as something else", task.id)))
            }
            // Also where there is no room for more intents now: another replica may find some.
            Err(fault) if fault.is_retryable() || fault.code == Code::Conflict => Err(fault),
            Err(fault) => {
                let details =
                    fault.details.iter().map(|detail| format!("; {} {}", detail.at, detail.message));
                Ok(Proposed::Refused(format!("{}{}", fault.message, details.collect::<String>())))
            }
        }
    }

    /// Why a task that came to nothing is not to be done anew, nor an output of it accepted: something that it did
    /// outside is not undone.
    ///
    /// # Errors
    /// Conflict that names it, and who can help.
    pub(crate) fn is_undone(&self, task: &Task) -> Answer<()> {
        match effect::not_undone(task, |intent| self.intents.outcome(&task.mission, intent)) {
            None => Ok(()),
            Some(why) => Err(Fault::conflict(why)),
        }
    }

    /// Takes back what an accepted task is to change, as far as it is not done, since its plan is cancelled.
    ///
    /// # Errors
    /// `unavailable` if the service `governance` does not answer.
    pub(crate) async fn call_off(&self, task: &Task) -> Answer<()> {
        let client = self.client.clone().in_mission(task.mission.clone());
        let options = Options { timeout_ms: Some(STEP_MS), ..Options::default() };
        for effect in task.effects.iter().filter(|_| task.state == TaskState::Committing) {
            let cancel = IntentCancel {
                intent: effect.intent.clone(),
                reason: "the plan of its task is cancelled".to_owned(),
            };
            match client.call_with::<call::IntentCancel>(&cancel, &options).await {
                Err(fault) if fault.is_retryable() => return Err(fault),
                // Under way, done, or never proposed: what becomes of it is seen.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }
}
