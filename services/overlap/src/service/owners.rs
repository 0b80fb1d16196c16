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
        overlap::{MAX_PARTS, Part, Text},
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

impl Said {
    /// What has ended.
    pub(crate) const fn ended(&self) -> Option<u128> {
        match self {
            Self::Ended(number) => Some(*number),
            Self::There(_) => None,
        }
    }
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
    /// What it is a part of.
    pub(crate) part_of: Option<u128>,
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

/// What a fact of another service says, of a whole before its parts; nothing if it says nothing about a creation.
///
/// # Errors
/// The payload is not what the fact's kind says.
pub(crate) fn said(fact: &FactRecord) -> Result<Vec<Said>, serde_json::Error> {
    match fact.fact.entity.name {
        EntityName::Intent | EntityName::Plan if !is_one_of(fact, &BEGINS) && !is_one_of(fact, &ENDS) => {
            Ok(Vec::new())
        }
        EntityName::Intent => intent(fact).map(|said| vec![said]),
        EntityName::Artifact => artifact(fact).map(|said| vec![said]),
        EntityName::Plan => plan(fact),
        _ => Ok(Vec::new()),
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
        part_of: None,
    })))
}

/// A plan, and its tasks as far as they are looked at: they come and go with it.
fn plan(fact: &FactRecord) -> Result<Vec<Said>, serde_json::Error> {
    let plan: Plan = after(fact)?;
    let whole = CreationId::of(&plan.mission, &KindName::plan(), plan.id.as_str()).number();
    let of_task = |name: &str| format!("{}/{name}", plan.id);
    let number = |id: &str| CreationId::of(&plan.mission, &KindName::task(), id).number();
    if is_one_of(fact, &ENDS) {
        let tasks = plan.spec.tasks.iter().take(MAX_PARTS);
        let tasks = tasks.map(|task| Said::Ended(number(&of_task(task.id.as_str()))));
        return Ok(std::iter::once(Said::Ended(whole)).chain(tasks).collect());
    }
    let thing = |number, what, id, text: &Text, part_of| {
        Said::There(Box::new(Thing {
            number,
            mission: plan.mission.to_string(),
            what,
            id,
            agent: plan.planner.to_string(),
            owner: Some(plan.owner.to_string()),
            at_ms: plan.submitted_at_ms,
            kept: Kept::new(&text.title, &text.description, &text.paths, &text.artifacts),
            part_of,
        }))
    };
    let task = |Part { name, text }: Part| {
        let id = of_task(&name);
        thing(number(&id), KindName::task(), id, &text, Some(whole))
    };
    let own = thing(whole, KindName::plan(), plan.id.to_string(), &plan.spec.text(), None);
    Ok(std::iter::once(own).chain(plan.spec.parts().into_iter().map(task)).collect())
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
        part_of: None,
        id: name,
    })))
}
