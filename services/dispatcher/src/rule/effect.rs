//! What a task is to change outside: whether what is handed in is what its plan declares, the intents by which it
//! is done, and what follows from what becomes of them.

use std::collections::BTreeMap;

use selvedge_contracts::{
    fault::{Detail, Fault},
    id::{Digest, IntentId},
    payload::{
        artifact::Reference,
        intent::{Effect, Intent, IntentState, Propose, Receipt, intent_id},
        plan::{EffectSpec, EffectTarget, TaskSpec, UndoWish},
        task::{EffectOffer, MAX_OFFER_BYTES, Task, TaskEffect},
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
    let scope = task.id.scope(task.attempt);
    let leases = task.claim.iter().flat_map(|claim| &claim.leases);
    let effect = |declared: &EffectSpec| {
        let offer = offers.iter().find(|offer| offer.name == declared.name)?;
        let mut propose = offer.propose.clone();
        for lease in leases.clone() {
            if !propose.tokens.contains(lease) {
                propose.tokens.push(lease.clone());
            }
        }
        let intent = intent_of(task, &scope, &propose);
        Some(TaskEffect {
            name: declared.name.clone(),
            intent,
            propose: Some(Box::new(propose)),
            receipt: None,
        })
    };
    spec.effects.iter().filter_map(effect).collect()
}

/// The intent that the service `governance` makes of it.
fn intent_of(task: &Task, scope: &selvedge_contracts::id::ScopeId, propose: &Propose) -> IntentId {
    let digest = |input: &selvedge_contracts::id::ArtifactRef| match Reference::parse(input.as_str()) {
        Some(Reference::Content(digest)) => Some(digest),
        _ => None,
    };
    let mut inputs: Vec<Digest> = propose.inputs.iter().filter_map(digest).collect();
    inputs.sort();
    inputs.dedup();
    intent_id(&task.mission, Some(scope), None, &propose.effect, propose.undo.as_ref(), &inputs)
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
}

impl Outcome {
    /// What an intent's state means for its task.
    pub(crate) fn of(intent: &Intent) -> Self {
        match intent.state {
            IntentState::Committed => Self::Committed(intent.receipt.clone()),
            IntentState::Rejected
            | IntentState::Expired
            | IntentState::Cancelled
            | IntentState::Failed
            | IntentState::Compensated => {
                Self::Over { reason: cut(&in_words(intent)), is_final: intent.denied.is_some() }
            }
            // Also of one whose outcome nobody knows: a person finds out.
            IntentState::Proposed
            | IntentState::Verified
            | IntentState::Approved
            | IntentState::Executing
            | IntentState::Unknown
            | IntentState::Compensating
            | IntentState::Stuck => Self::Open,
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

/// The effects with their receipts, if all are done; nothing as long as one is open.
///
/// # Errors
/// The reason why one came to nothing, and whether that is final.
pub(crate) fn settled(
    effects: &[TaskEffect],
    outcomes: &BTreeMap<IntentId, Outcome>,
) -> Result<Option<Vec<TaskEffect>>, (String, bool)> {
    let mut done = Vec::with_capacity(effects.len());
    for effect in effects {
        match outcomes.get(&effect.intent) {
            Some(Outcome::Over { reason, is_final }) => {
                return Err((format!("{}: {reason}", effect.name), *is_final));
            }
            Some(Outcome::Committed(receipt)) => {
                done.push(TaskEffect { receipt: receipt.clone(), propose: None, ..effect.clone() });
            }
            Some(Outcome::Open) | None => {}
        }
    }
    Ok((done.len() == effects.len()).then_some(done))
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
        assert_eq!(settled(&both, &outcomes(Outcome::Open)), Ok(None));
        assert_eq!(settled(&both, &outcomes(Outcome::Committed(None))).unwrap().unwrap().len(), 2);
        let over = Outcome::Over { reason: "no".to_owned(), is_final: true };
        assert_eq!(settled(&both, &outcomes(over)), Err(("b: no".to_owned(), true)));
    }
}
