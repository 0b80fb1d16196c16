//! Whether what is handed in is what its plan declares.

use selvedge_contracts::{
    fault::{Detail, Fault},
    payload::{
        artifact::Reference,
        intent::{Effect, MAX_BINDINGS, Propose},
        plan::{EffectSpec, EffectTarget, MAX_RESERVATIONS, TaskSpec, UndoWish},
        task::{EffectOffer, MAX_OFFER_BYTES},
    },
};
use url::Url;

use super::super::detail;

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
pub(super) fn is_below(base: &str, url: &str) -> bool {
    let (Ok(base), Ok(url)) = (Url::parse(base), Url::parse(url)) else { return false };
    let is_there = base.origin() == url.origin() && url.username().is_empty() && url.password().is_none();
    let above = base.path().trim_end_matches('/');
    let rest = url.path().strip_prefix(above);
    // A slash in disguise means one to some servers and none to others.
    let is_plain = !url.path().to_ascii_lowercase().contains("%2f") && !url.path().contains('\\');
    is_there && is_plain && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
