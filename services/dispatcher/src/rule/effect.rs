//! What a task is to change outside: whether what is handed in is what its plan declares, the intents by which it
//! is done, and what follows from what becomes of them.

use std::collections::BTreeMap;

use selvedge_contracts::{
    fact::EntityName,
    fault::{Detail, Fault},
    id::{ArtifactRef, Digest, EntityId, IntentId, ScopeId},
    payload::{
        artifact::Reference,
        intent::{
            Effect, Intent, IntentPrecondition, IntentState, MAX_BINDINGS, Propose, Receipt, SagaPropose,
            SagaStepWanted, StepIdentity, intent_id, saga_id, step_occurrence,
        },
        plan::{EffectSpec, EffectTarget, MAX_RESERVATIONS, TaskSpec, UndoWish},
        task::{EffectEnd, EffectOffer, MAX_OFFER_BYTES, PastEffect, Task, TaskEffect},
    },
};
use url::Url;

use super::{cut, detail};

/// Everything that is wrong with the effects that are handed in.
///
/// # Errors
/// `invalid`, with every reason.
pub(crate) fn check(spec: &TaskSpec, offers: &[EffectOffer]) -> Result<(), Fault> {
    let mut found = Vec::new();
    let bytes = serde_json::to_vec(offers).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_OFFER_BYTES {
        let message = format!("have {bytes} bytes as JSON; at most {MAX_OFFER_BYTES} are accepted");
        found.push(detail("/effects", message));
    }
    for declared in &spec.effects {
        let count = offers.iter().filter(|offer| offer.name == declared.name).count();
        if count != 1 {
            let message = format!("{} is there {count} times; the plan declares it once", declared.name);
            found.push(detail("/effects", message));
        }
    }
    for (index, offer) in offers.iter().enumerate() {
        let at = format!("/effects/{index}");
        match spec.effects.iter().find(|declared| declared.name == offer.name) {
            None => {
                let names: Vec<&str> = spec.effects.iter().map(|declared| declared.name.as_str()).collect();
                let message = format!("the plan declares no such effect; expected {names:?}");
                found.push(detail(format!("{at}/name"), message));
            }
            Some(declared) => check_one(declared, &offer.propose, &format!("{at}/propose"), &mut found),
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(Fault { details: found, ..Fault::invalid("the effects are not those that the plan declares") })
}

fn check_one(declared: &EffectSpec, offered: &Propose, at: &str, found: &mut Vec<Detail>) {
    if let Err(why) = fits(&declared.on, &offered.effect) {
        found.push(detail(format!("{at}/effect"), format!("{why}; the plan binds it to {}", declared.on)));
    }
    match (&offered.undo, declared.undo) {
        (None, UndoWish::Required) => {
            found.push(detail(format!("{at}/undo"), "is missing; the plan asks for what takes it back"));
        }
        (Some(undo), _) => {
            if let Err(why) = fits(&declared.on, undo) {
                found.push(detail(
                    format!("{at}/undo"),
                    format!("{why}; the plan binds it to {}", declared.on),
                ));
            }
        }
        (None, UndoWish::Optional) => {}
    }
    if offered.occurrence.is_some() {
        let message = "is not for a task to name: its attempt tells it apart from all others";
        found.push(detail(format!("{at}/occurrence"), message));
    }
    // Beside them stand those of the attempt: its task as it was accepted, and its leases.
    if offered.preconditions.len() >= MAX_BINDINGS {
        let message = format!("has {MAX_BINDINGS} entities or more; at most {} are taken", MAX_BINDINGS - 1);
        found.push(detail(format!("{at}/preconditions"), message));
    }
    if offered.tokens.len() > MAX_BINDINGS - MAX_RESERVATIONS {
        let message = format!("names too many leases; at most {} are taken", MAX_BINDINGS - MAX_RESERVATIONS);
        found.push(detail(format!("{at}/tokens"), message));
    }
    for (index, input) in offered.inputs.iter().enumerate() {
        if !matches!(Reference::parse(input.as_str()), Some(Reference::Content(_))) {
            let message = format!("{input} is no digest: a name may mean something else by then");
            found.push(detail(format!("{at}/inputs/{index}"), message));
        }
    }
}

/// Whether an effect touches nothing but what it is bound to.
fn fits(target: &EffectTarget, effect: &Effect) -> Result<(), String> {
    match (target, effect) {
        (EffectTarget::Git { repository, branch }, Effect::Git(git)) => {
            same("repository", repository.as_str(), git.repository.as_str())?;
            same("branch", branch, &git.branch)
        }
        (EffectTarget::Http { method, url }, Effect::Http(http)) => {
            same("method", method.name(), http.method.name())?;
            if is_below(url, &http.url) { Ok(()) } else { Err(format!("its url is {}", http.url)) }
        }
        (EffectTarget::Memory { key }, Effect::Memory(memory)) => {
            let rest = memory.key.as_str().strip_prefix(key.as_str());
            let is_below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if is_below { Ok(()) } else { Err(format!("its key is {}", memory.key)) }
        }
        (EffectTarget::External { effector, operation }, Effect::External(external)) => {
            same("effector", effector.as_str(), external.effector.as_str())?;
            operation.as_ref().map_or(Ok(()), |wanted| same("operation", wanted, &external.operation))
        }
        (_, other) => Err(format!("it is of the kind {}", other.name())),
    }
}

fn same(what: &str, wanted: &str, offered: &str) -> Result<(), String> {
    if wanted == offered { Ok(()) } else { Err(format!("its {what} is {offered}")) }
}

/// Whether a URL is this one or lies below it, as whoever asks for it reads both (so with `..` resolved).
fn is_below(base: &str, url: &str) -> bool {
    let (Ok(base), Ok(url)) = (Url::parse(base), Url::parse(url)) else { return false };
    let is_there = base.origin() == url.origin() && url.username().is_empty() && url.password().is_none();
    let above = base.path().trim_end_matches('/');
    let rest = url.path().strip_prefix(above);
    // A slash in disguise means one to some servers and none to others.
    let is_plain = !url.path().to_ascii_lowercase().contains("%2f") && !url.path().contains('\\');
    is_there && is_plain && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The effects of an attempt, in the order of its plan: each with the intent by which it is done, under the
/// attempt's leases.
pub(crate) fn of_attempt(task: &Task, spec: &TaskSpec, offers: &[EffectOffer]) -> Vec<TaskEffect> {
    let leases = task.claim.iter().flat_map(|claim| &claim.leases);
    let wanted = |declared: &EffectSpec| {
        let offer = offers.iter().find(|offer| offer.name == declared.name)?;
        let mut propose = offer.propose.clone();
        for lease in leases.clone() {
            if !propose.tokens.contains(lease) {
                propose.tokens.push(lease.clone());
            }
        }
        Some((declared.name.clone(), propose))
    };
    let wanted: Vec<_> = spec.effects.iter().filter_map(wanted).collect();
    let intents = intents_of(task, wanted.iter().map(|(_, propose)| propose));
    let effects = wanted.into_iter().zip(intents).map(|((name, propose), intent)| TaskEffect {
        name,
        intent,
        propose: Some(Box::new(propose)),
        receipt: None,
    });
    effects.collect()
}

/// What was offered with an attempt, without what was added for it: of use to another one.
pub(crate) fn offers_of(task: &Task) -> Vec<EffectOffer> {
    let leases: Vec<_> = task.claim.iter().flat_map(|claim| &claim.leases).collect();
    let offer = |effect: &TaskEffect| {
        let mut propose = effect.propose.as_deref()?.clone();
        propose.tokens.retain(|token| !leases.contains(&token));
        Some(EffectOffer { name: effect.name.clone(), propose })
    };
    task.effects.iter().filter_map(offer).collect()
}

/// The intents that the service `governance` makes of them: one alone is no saga.
fn intents_of<'a>(task: &Task, wanted: impl ExactSizeIterator<Item = &'a Propose> + Clone) -> Vec<IntentId> {
    let scope: ScopeId = task.id.scope(task.attempt);
    let inputs: Vec<Vec<Digest>> = wanted.clone().map(|propose| resolved(&propose.inputs)).collect();
    let steps: Vec<StepIdentity<'_>> = wanted
        .zip(&inputs)
        .map(|(propose, inputs)| StepIdentity {
            effect: &propose.effect,
            undo: propose.undo.as_ref(),
            inputs,
        })
        .collect();
    let saga = saga_id(&task.mission, Some(&scope), None, &steps);
    let is_saga = steps.len() > 1;
    let intent = |(step, StepIdentity { effect, undo, inputs }): (u32, &StepIdentity<'_>)| {
        let occurrence = is_saga.then(|| step_occurrence(&saga, step));
        intent_id(&task.mission, Some(&scope), occurrence.as_deref(), effect, *undo, inputs)
    };
    (0..).zip(&steps).map(intent).collect()
}

/// Content that is named by its digest, as an intent holds it.
fn resolved(inputs: &[ArtifactRef]) -> Vec<Digest> {
    let digest = |input: &ArtifactRef| match Reference::parse(input.as_str()) {
        Some(Reference::Content(digest)) => Some(digest),
        _ => None,
    };
    let mut inputs: Vec<Digest> = inputs.iter().filter_map(digest).collect();
    inputs.sort();
    inputs.dedup();
    inputs
}

/// What is proposed for an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Proposal {
    /// Its one effect.
    One(Propose),
    /// Its effects, done in order, and undone in reverse if one of them comes to nothing.
    Several(SagaPropose),
}

/// What is proposed for an accepted attempt whose task stands at this revision. It is done only as long as the task
/// stands there: whoever proposes it late, for an attempt that is over, proposes what may not be done.
pub(crate) fn proposal(task: &Task, spec: &TaskSpec, revision: u64) -> Option<Proposal> {
    let accepted = IntentPrecondition { entity: EntityName::Task, id: EntityId::from(&task.id), revision };
    let mut wanted = Vec::with_capacity(task.effects.len());
    for effect in &task.effects {
        let mut propose = effect.propose.as_deref()?.clone();
        propose.preconditions.retain(|other| (other.entity, &other.id) != (accepted.entity, &accepted.id));
        propose.preconditions.push(accepted.clone());
        wanted.push(propose);
    }
    if let [_] = wanted.as_slice() {
        return wanted.pop().map(Proposal::One);
    }
    let expires_after_ms = wanted.iter().filter_map(|propose| propose.expires_after_ms).min();
    let step = |propose: Propose| {
        let Propose { title, effect, undo, inputs, preconditions, tokens, .. } = propose;
        SagaStepWanted { title, effect, undo, inputs, preconditions, tokens }
    };
    Some(Proposal::Several(SagaPropose {
        title: spec.title.clone(),
        occurrence: None,
        steps: wanted.into_iter().map(step).collect(),
        expires_after_ms,
    }))
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// It is done.
    Committed(Option<Receipt>),
    /// It is under way, or waits for somebody.
    Open,
    /// It came to nothing.
    Over {
        /// Why, in words.
        reason: String,
        /// Trying once more would be against what a person has said.
        is_final: bool,
    },
    /// It was done, and undone because another one came to nothing.
    Undone,
    /// It was done, and undoing it failed: a person has to settle it, in words.
    Stuck(String),
}

impl Outcome {
    /// What an intent's state means for its task.
    pub(crate) fn of(intent: &Intent) -> Self {
        match intent.state {
            IntentState::Committed => Self::Committed(intent.receipt.clone()),
            IntentState::Rejected | IntentState::Expired | IntentState::Cancelled | IntentState::Failed => {
                Self::Over { reason: cut(&in_words(intent)), is_final: intent.denied.is_some() }
            }
            IntentState::Compensated => Self::Undone,
            IntentState::Stuck => Self::Stuck(cut(&in_words(intent))),
            // Also of one whose outcome nobody knows: a person finds out.
            IntentState::Proposed
            | IntentState::Verified
            | IntentState::Approved
            | IntentState::Executing
            | IntentState::Unknown
            | IntentState::Compensating => Self::Open,
        }
    }

    /// How its effect stands, if that stays so until a person does something.
    const fn end(&self) -> Option<EffectEnd> {
        match self {
            Self::Open => None,
            Self::Over { .. } => Some(EffectEnd::NotDone),
            Self::Undone => Some(EffectEnd::Undone),
            Self::Committed(_) => Some(EffectEnd::Stands),
            Self::Stuck(_) => Some(EffectEnd::Stuck),
        }
    }
}

fn in_words(intent: &Intent) -> String {
    let reasons: Vec<_> = intent
        .reasons
        .iter()
        .map(|reason| format!("{} {}", reason.at, reason.message).trim().to_owned())
        .collect();
    format!("{} is {}: {}", intent.id, intent.state.name(), reasons.join("; "))
}

/// What became of all the effects of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Settled {
    /// Something of it goes on.
    Open,
    /// All are done: they, with their receipts.
    Done(Vec<TaskEffect>),
    /// It came to nothing.
    Over(Ending),
}

/// How the effects of an attempt came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Why, in words.
    pub(crate) reason: String,
    /// Trying once more would be against what a person has said, or do twice what is not undone.
    pub(crate) is_final: bool,
    /// What became of each.
    pub(crate) effects: Vec<PastEffect>,
}

/// What became of all the effects of an attempt. One that came to nothing is the end of all: those that were done
/// are undone first, unless undoing one of them failed.
pub(crate) fn settled(effects: &[TaskEffect], outcomes: &BTreeMap<IntentId, Outcome>) -> Settled {
    let of = |effect: &TaskEffect| outcomes.get(&effect.intent).cloned().unwrap_or(Outcome::Open);
    let outcomes: Vec<(&TaskEffect, Outcome)> = effects.iter().map(|effect| (effect, of(effect))).collect();
    let ends: Option<Vec<PastEffect>> = outcomes
        .iter()
        .map(|(effect, outcome)| {
            let end = outcome.end()?;
            Some(PastEffect { name: effect.name.clone(), intent: effect.intent.clone(), end })
        })
        .collect();
    let Some(ends) = ends else { return Settled::Open };
    let count = |wanted: EffectEnd| ends.iter().filter(|effect| effect.end == wanted).count();
    if count(EffectEnd::Stands) == ends.len() {
        return Settled::Done(outcomes.into_iter().map(|(effect, outcome)| done(effect, outcome)).collect());
    }
    let is_stuck = count(EffectEnd::Stuck) > 0;
    if count(EffectEnd::Stands) > 0 && !is_stuck {
        return Settled::Open; // they are undone now
    }
    let said = |(effect, outcome): &(&TaskEffect, Outcome)| match outcome {
        Outcome::Over { reason, .. } => Some(format!("{}: {reason}", effect.name)),
        Outcome::Stuck(reason) => Some(format!(
            "{}, which was done, could not be undone, a person has to settle it: {reason}",
            effect.name
        )),
        _ => None,
    };
    // What could not be undone weighs most; of the rest, the first is the cause.
    let (mut stuck, mut others): (Vec<_>, Vec<_>) =
        outcomes.iter().partition(|(_, outcome)| matches!(outcome, Outcome::Stuck(_)));
    stuck.append(&mut others);
    let reasons: Vec<String> = stuck.into_iter().filter_map(said).collect();
    let is_denied =
        outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Over { is_final: true, .. }));
    let undone: Vec<&str> = ends
        .iter()
        .filter(|effect| effect.end == EffectEnd::Undone)
        .map(|effect| effect.name.as_str())
        .collect();
    let undone = if undone.is_empty() { String::new() } else { format!("; undone: {}", undone.join(", ")) };
    let reason = format!("{}{undone}", reasons.join("; "));
    Settled::Over(Ending { reason, is_final: is_denied || is_stuck, effects: ends })
}

fn done(effect: &TaskEffect, outcome: Outcome) -> TaskEffect {
    let receipt = match outcome {
        Outcome::Committed(receipt) => receipt,
        _ => None,
    };
    TaskEffect { receipt, propose: None, ..effect.clone() }
}

/// Why a task whose last attempt came to nothing is not to be tried anew, nor its output accepted: something that it
/// has done outside is not undone yet. `now` says what became of an intent by now.
pub(crate) fn not_undone(task: &Task, now: impl Fn(&IntentId) -> Option<Outcome>) -> Option<String> {
    let is_left = |effect: &&PastEffect| {
        let now = now(&effect.intent).and_then(|outcome| outcome.end());
        let is_undone = matches!(now, Some(EffectEnd::Undone | EffectEnd::NotDone));
        matches!(effect.end, EffectEnd::Stands | EffectEnd::Stuck) && !is_undone
    };
    let left = task.past.iter().flat_map(|past| &past.effects).find(is_left)?;
    Some(format!(
        "{} of an earlier attempt was done and is not undone: {}. Once a person has settled what could not be undone (`selvedge intent list --waiting-for-settlement`, `selvedge intent settle`), the rest is undone by itself",
        left.name, left.intent
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rule::fixture::task;

    fn spec(effects: Value) -> TaskSpec {
        TaskSpec { effects: serde_json::from_value(effects).unwrap(), ..task("a", &[]) }
    }

    fn note(undo: bool) -> TaskSpec {
        let undo = if undo { "required" } else { "optional" };
        spec(json!([{ "name": "note", "on": { "kind": "memory", "key": "notes/a" }, "undo": undo }]))
    }

    fn offer(name: &str, effect: Value, more: Value) -> EffectOffer {
        let mut propose = json!({ "title": "t", "effect": effect });
        propose.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(json!({ "name": name, "propose": propose })).unwrap()
    }

    fn memory(key: &str) -> Value {
        json!({ "kind": "memory", "key": key, "value": 1, "revision": 0 })
    }

    fn places(spec: &TaskSpec, offers: &[EffectOffer]) -> Vec<String> {
        let details = check(spec, offers).err().map(|fault| fault.details).unwrap_or_default();
        details.into_iter().map(|detail| detail.at).collect()
    }

    #[test]
    fn exactly_what_is_declared_is_taken() {
        let fine = offer("note", memory("notes/a/b"), json!({}));
        assert_eq!(places(&note(false), std::slice::from_ref(&fine)), [""; 0]);
        assert_eq!(places(&note(false), &[]), ["/effects"]);
        assert_eq!(places(&note(false), &[fine.clone(), fine.clone()]), ["/effects"]);
        assert_eq!(places(&task("a", &[]), &[fine]), ["/effects/0/name"]);
    }

    #[test]
    fn everything_that_does_not_fit_is_listed() {
        let more = json!({ "occurrence": "x", "inputs": ["name@v1"], "undo": memory("other") });
        let wrong = offer("note", memory("notes/ab"), more);
        assert_eq!(
            places(&note(true), &[wrong]),
            [
                "/effects/0/propose/effect",
                "/effects/0/propose/undo",
                "/effects/0/propose/occurrence",
                "/effects/0/propose/inputs/0"
            ]
        );
        let without = offer("note", memory("notes/a"), json!({}));
        assert_eq!(places(&note(true), &[without]), ["/effects/0/propose/undo"]);
    }

    #[test]
    fn a_url_below_is_below_as_it_is_read() {
        let base = "https://x.example/api/v1";
        for fine in
            ["https://x.example/api/v1", "https://x.example/api/v1/a?b=c", "https://X.example:443/api/v1/"]
        {
            assert!(is_below(base, fine), "{fine}");
        }
        for other in [
            "https://x.example/api/v10",
            "https://x.example/api/v1/../v2",
            "https://x.example/api/v1/%2e%2e/v2",
            "https://x.example/api/v1/..%2fv2",
            "http://x.example/api/v1",
            "https://x.example.evil/api/v1",
            "https://u@x.example/api/v1",
        ] {
            assert!(!is_below(base, other), "{other}");
        }
    }

    #[test]
    fn a_task_is_done_once_all_of_it_is_and_over_once_one_is() {
        let effect = |name: &str| TaskEffect {
            name: name.parse().unwrap(),
            intent: IntentId::of(&blake3::hash(name.as_bytes())),
            propose: None,
            receipt: None,
        };
        let (one, other) = (effect("a"), effect("b"));
        let outcomes = |of_other| {
            BTreeMap::from([(one.intent.clone(), Outcome::Committed(None)), (other.intent.clone(), of_other)])
        };
        let both = [one.clone(), other.clone()];
        assert_eq!(settled(&both, &outcomes(Outcome::Open)), Settled::Open);
        let Settled::Done(done) = settled(&both, &outcomes(Outcome::Committed(None))) else {
            panic!("not done")
        };
        assert_eq!(done.len(), 2);
        let over = |is_final| Outcome::Over { reason: "no".to_owned(), is_final };
        assert_eq!(settled(&both, &outcomes(over(false))), Settled::Open, "the first is undone now");
        let ended = |first: Outcome, second: Outcome| {
            let both_ended = BTreeMap::from([(one.intent.clone(), first), (other.intent.clone(), second)]);
            match settled(&both, &both_ended) {
                Settled::Over(ending) => ending,
                other => panic!("not over: {other:?}"),
            }
        };
        let undone = ended(Outcome::Undone, over(false));
        assert_eq!((undone.reason.as_str(), undone.is_final), ("b: no; undone: a", false));
        let ends = undone.effects.iter().map(|effect| effect.end).collect::<Vec<_>>();
        assert_eq!(ends, [EffectEnd::Undone, EffectEnd::NotDone]);
        assert!(ended(over(true), over(false)).is_final, "a person said no");
        let stuck = ended(Outcome::Stuck("no way back".to_owned()), over(false));
        assert!(stuck.is_final && stuck.reason.starts_with("a, which was done"), "{stuck:?}");
        let three = [one.clone(), effect("c"), other.clone()];
        let before = BTreeMap::from([
            (one.intent.clone(), Outcome::Committed(None)),
            (effect("c").intent, Outcome::Stuck("no".to_owned())),
            (other.intent.clone(), over(false)),
        ]);
        let Settled::Over(ending) = settled(&three, &before) else { panic!("it waits for a person") };
        assert_eq!(ending.effects[0].end, EffectEnd::Stands);
    }

    #[test]
    fn what_was_done_and_is_not_undone_forbids_another_try() {
        let left =
            |end| PastEffect { name: "a".parse().unwrap(), intent: IntentId::of(&blake3::hash(b"a")), end };
        let mut task = handed_in(&note(false), &[]);
        let past = |effects| selvedge_contracts::payload::task::PastAttempt {
            attempt: 1,
            worker: "ada-0a1b2c3d".parse().unwrap(),
            ended_at_ms: 1,
            cause: selvedge_contracts::payload::task::Cause::Effect,
            reason: String::new(),
            output: None,
            effects,
        };
        task.past = vec![past(vec![left(EffectEnd::Undone)])];
        assert_eq!(not_undone(&task, |_| None), None);
        task.past = vec![past(vec![left(EffectEnd::Stuck)])];
        assert!(not_undone(&task, |_| Some(Outcome::Stuck(String::new()))).is_some());
        assert!(not_undone(&task, |_| Some(Outcome::Committed(None))).is_some(), "it is to be undone again");
        assert_eq!(not_undone(&task, |_| Some(Outcome::Undone)), None, "a person settled it");
    }

    /// A task of this plan whose first attempt hands these in, under a lease.
    fn handed_in(spec: &TaskSpec, offers: &[EffectOffer]) -> Task {
        let plan = crate::rule::fixture::plan(selvedge_contracts::payload::plan::PlanSpec {
            tasks: vec![spec.clone()],
            ..crate::rule::fixture::plan_of(&[])
        });
        let mut claim = crate::rule::fixture::claim(&plan, spec, 1, "ada-0a1b2c3d", 0);
        let lease = json!({ "space": "shop", "lease": format!("lease_{}", "0a".repeat(16)), "token": 7 });
        claim.leases = vec![serde_json::from_value(lease).unwrap()];
        let task = json!({ "id": plan.id.task(&spec.id), "mission": "demo", "plan": plan.id, "name": spec.id,
            "state": "running", "attempt": 1, "tries": 1, "round": 0, "claim": claim });
        let task: Task = serde_json::from_value(task).unwrap();
        Task { effects: of_attempt(&task, spec, offers), ..task }
    }

    #[test]
    fn one_effect_is_an_intent_and_several_are_a_saga_in_the_order_of_the_plan() {
        let target =
            |name: &str| json!({ "name": name, "on": { "kind": "memory", "key": name }, "undo": "required" });
        let both = spec(json!([target("x"), target("y")]));
        let undo = |key: &str| json!({ "undo": memory(key), "expires_after_ms": 9_000 });
        let offers = [offer("y", memory("y"), undo("y")), offer("x", memory("x"), undo("x"))];
        assert_eq!(places(&both, &offers), [""; 0]);
        let task = handed_in(&both, &offers);
        let names: Vec<_> = task.effects.iter().map(|effect| effect.name.as_str()).collect();
        assert_eq!(names, ["x", "y"]);
        let Some(Proposal::Several(saga)) = proposal(&task, &both, 12) else { panic!("no saga") };
        assert_eq!((saga.steps.len(), saga.expires_after_ms), (2, Some(9_000)));
        let bound = &saga.steps[1].preconditions[0];
        assert_eq!((bound.entity, bound.revision, saga.steps[1].tokens.len()), (EntityName::Task, 12, 1));
        // As the service makes them.
        let scope = task.id.scope(1);
        let identities: Vec<_> = saga
            .steps
            .iter()
            .map(|step| StepIdentity { effect: &step.effect, undo: step.undo.as_ref(), inputs: &[] })
            .collect();
        let id = saga_id(&task.mission, Some(&scope), None, &identities);
        let occurrence = step_occurrence(&id, 1);
        let step = &saga.steps[1];
        let intent =
            intent_id(&task.mission, Some(&scope), Some(&occurrence), &step.effect, step.undo.as_ref(), &[]);
        assert_eq!(task.effects[1].intent, intent);
        assert_eq!(offers_of(&task).iter().map(|offer| offer.propose.tokens.len()).sum::<usize>(), 0);
        let single = handed_in(&note(false), &[offer("note", memory("notes/a"), json!({}))]);
        let Some(Proposal::One(propose)) = proposal(&single, &note(false), 3) else { panic!("a saga") };
        let own = intent_id(&single.mission, Some(&scope_of(&single)), None, &propose.effect, None, &[]);
        assert_eq!(single.effects[0].intent, own);
    }

    fn scope_of(task: &Task) -> ScopeId {
        task.id.scope(task.attempt)
    }
}
