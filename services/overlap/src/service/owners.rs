//! What the owners of things say by facts of their own: that a thing is there, or has ended. One row for each sort
//! of thing that a service of the fabric creates.

use selvedge_contracts::{
    fact::{
        EntityName, FactKind, INTENT_CANCELLED, INTENT_COMMITTED, INTENT_COMPENSATED, INTENT_EXPIRED,
        INTENT_FAILED, INTENT_PROPOSED, INTENT_REJECTED, PLAN_CANCELLED, PLAN_FAILED, PLAN_RESUMED,
        PLAN_SUBMITTED,
    },
    id::{CreationId, KindName},
    payload::{
        artifact::Artifact,
        intent::{Effect, Intent},
        overlap::Text,
        plan::Plan,
    },
};
use selvedge_kit::ledger::FactRecord;
use serde::{Deserialize, de::DeserializeOwned};

use super::content::Kept;

/// What an owner's fact says about a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Its thing is there.
    There(Box<Thing>),
    /// Its thing has ended.
    Ended(u128),
}

/// A thing as its owner has it: what is needed if nobody proposed it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thing {
    pub(crate) number: u128,
    pub(crate) mission: String,
    pub(crate) what: KindName,
    pub(crate) id: String,
    pub(crate) agent: String,
    pub(crate) owner: Option<String>,
    pub(crate) at_ms: u64,
    pub(crate) kept: Kept,
}

/// Sorts of entities whose facts say something about creations.
pub(crate) const ENTITIES: &[EntityName] = &[EntityName::Intent, EntityName::Artifact, EntityName::Plan];

/// Facts after which an intent or a plan is there, and those after which it has ended; the others change nothing: a
/// plan that is done stays.
const BEGINS: [FactKind; 4] =
    [INTENT_PROPOSED.kind, INTENT_COMMITTED.kind, PLAN_SUBMITTED.kind, PLAN_RESUMED.kind];
const ENDS: [FactKind; 7] = [
    INTENT_REJECTED.kind,
    INTENT_EXPIRED.kind,
    INTENT_CANCELLED.kind,
    INTENT_FAILED.kind,
    INTENT_COMPENSATED.kind,
    PLAN_CANCELLED.kind,
    PLAN_FAILED.kind,
];

fn is_one_of(fact: &FactRecord, kinds: &[FactKind]) -> bool {
    kinds.iter().any(|kind| kind.entity == fact.fact.entity.name && kind.name == fact.fact.kind)
}

/// What a fact of another service says; nothing if it says nothing about a creation.
///
/// # Errors
/// The payload is not what the fact's kind says.
pub(crate) fn said(fact: &FactRecord) -> Result<Option<Said>, serde_json::Error> {
    match fact.fact.entity.name {
        EntityName::Intent | EntityName::Plan if !is_one_of(fact, &BEGINS) && !is_one_of(fact, &ENDS) => {
            Ok(None)
        }
        EntityName::Intent => intent(fact).map(Some),
        EntityName::Artifact => artifact(fact).map(Some),
        EntityName::Plan => plan(fact).map(Some),
        _ => Ok(None),
    }
}

fn after<S: DeserializeOwned>(fact: &FactRecord) -> Result<S, serde_json::Error> {
    #[derive(Deserialize)]
    struct After<S> {
        state: S,
    }
    serde_json::from_slice::<After<S>>(&fact.envelope.payload).map(|After { state }| state)
}

fn intent(fact: &FactRecord) -> Result<Said, serde_json::Error> {
    let intent: Intent = after(fact)?;
    let what = KindName::intent();
    let number = CreationId::of(&intent.mission, &what, intent.id.as_str()).number();
    if is_one_of(fact, &ENDS) {
        return Ok(Said::Ended(number));
    }
    let paths: Vec<String> = match &intent.effect {
        Effect::Git(git) => git.changes.iter().map(|change| change.path().to_string()).collect(),
        Effect::Memory(memory) => vec![memory.key.to_string()],
        Effect::Http(_) | Effect::External(_) => Vec::new(),
    };
    Ok(Said::There(Box::new(Thing {
        number,
        mission: intent.mission.to_string(),
        what,
        id: intent.id.to_string(),
        agent: intent.proposer.to_string(),
        owner: Some(intent.owner.to_string()),
        at_ms: intent.proposed_at_ms,
        kept: Kept::new(&intent.title, "", &paths, &[]),
    })))
}

/// A plan stands for all its tasks.
fn plan(fact: &FactRecord) -> Result<Said, serde_json::Error> {
    let plan: Plan = after(fact)?;
    let what = KindName::plan();
    let number = CreationId::of(&plan.mission, &what, plan.id.as_str()).number();
    if is_one_of(fact, &ENDS) {
        return Ok(Said::Ended(number));
    }
    let Text { title, description, paths, artifacts } = plan.spec.text();
    Ok(Said::There(Box::new(Thing {
        number,
        mission: plan.mission.to_string(),
        what,
        id: plan.id.to_string(),
        agent: plan.planner.to_string(),
        owner: Some(plan.owner.to_string()),
        at_ms: plan.submitted_at_ms,
        kept: Kept::new(&title, &description, &paths, &artifacts),
    })))
}

/// A name has no end: its versions stay.
fn artifact(fact: &FactRecord) -> Result<Said, serde_json::Error> {
    let artifact: Artifact = after(fact)?;
    let (what, name) = (KindName::artifact(), artifact.name.to_string());
    Ok(Said::There(Box::new(Thing {
        number: CreationId::of(&artifact.mission, &what, &name).number(),
        mission: artifact.mission.to_string(),
        what,
        agent: artifact.latest.producer.to_string(),
        owner: None,
        at_ms: artifact.latest.published_at_ms,
        kept: Kept::new(&name, "", &[], std::slice::from_ref(&name)),
        id: name,
    })))
}
