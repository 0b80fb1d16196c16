//! What a task's reservations and effects must be.

use std::collections::BTreeSet;

use selvedge_contracts::{
    fault::Detail,
    payload::{
        claim::{Claim, MAX_PATTERN_BYTES},
        plan::{EffectTarget, MAX_EFFECTS, MAX_RESERVED_CLAIMS, TaskSpec, UndoWish},
    },
};
use url::Url;

use super::detail;

/// Everything that is wrong with what a task reserves. What only the service `leases` knows (whether a pool is
/// there, what a glob covers) is found when the task is to be given out.
pub(super) fn reservations(task: &TaskSpec, at: &str, found: &mut Vec<Detail>) {
    let mut spaces = BTreeSet::new();
    let claims: usize = task.reserve.iter().map(|reservation| reservation.claims.len()).sum();
    if claims > MAX_RESERVED_CLAIMS {
        let message =
            format!("has {claims} claims in all its spaces; at most {MAX_RESERVED_CLAIMS} are taken");
        found.push(detail(format!("{at}/reserve"), message));
    }
    for (index, reservation) in task.reserve.iter().enumerate() {
        let at = format!("{at}/reserve/{index}");
        if !spaces.insert(&reservation.space) {
            let message = format!("{} is there already; name each space once", reservation.space);
            found.push(detail(format!("{at}/space"), message));
        }
        if reservation.claims.is_empty() {
            found.push(detail(format!("{at}/claims"), "is empty; name what is needed"));
        }
        for (claim, wanted) in reservation.claims.iter().enumerate() {
            if let Some(wrong) = wrong_claim(wanted) {
                found.push(detail(format!("{at}/claims/{claim}"), wrong));
            }
        }
    }
}

fn wrong_claim(claim: &Claim) -> Option<&'static str> {
    let text = match claim {
        Claim::Path { path, .. } | Claim::File { path, .. } => path,
        Claim::Glob { glob, .. } | Claim::Files { glob, .. } => glob,
        Claim::Slots { slots: 0, .. } => return Some("wants no slots; expected at least 1"),
        Claim::Resource { .. } | Claim::Slots { .. } => return None,
    };
    if text.is_empty() || text.len() > MAX_PATTERN_BYTES || text.chars().any(char::is_control) {
        return Some("is empty, too long or holds a control character");
    }
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        return Some("is absolute or climbs with ..; expected a path below the space's root");
    }
    // Of a pattern, a backslash takes the next character as it is.
    let is_path = matches!(claim, Claim::Path { .. } | Claim::File { .. });
    if is_path && text.contains('\\') {
        return Some("has a backslash; the parts of a path are joined by /");
    }
    let parts = text.strip_suffix('/').unwrap_or(text);
    if parts.split('/').any(|part| part.is_empty() || part == ".") {
        return Some("has an empty part or the part .; expected for example src/main.rs");
    }
    (!is_path && has_wrong_range(text))
        .then_some("has a range in brackets that ends before it begins, or no ]")
}

/// Whether a pattern has brackets that do not close, or a range that is the wrong way round.
fn has_wrong_range(glob: &str) -> bool {
    let mut rest = glob.chars();
    while let Some(next) = rest.next() {
        match next {
            '\\' => drop(rest.next()),
            '[' => {
                let text = rest.as_str();
                let start = text.strip_prefix(['!', '^']).unwrap_or(text);
                // A ] right at the start stands for itself.
                let closing = start.char_indices().skip(1).find(|(_, c)| *c == ']');
                let Some((end, _)) = closing else { return true };
                let inside: Vec<char> = start.get(..end).unwrap_or_default().chars().collect();
                if inside.windows(3).any(|range| matches!(range, [from, '-', to] if from > to)) {
                    return true;
                }
                rest = start.get(end + 1..).unwrap_or_default().chars();
            }
            _ => {}
        }
    }
    false
}

/// Everything that is wrong with what a task declares to change outside.
pub(super) fn effects(task: &TaskSpec, at: &str, found: &mut Vec<Detail>) {
    if task.effects.len() > MAX_EFFECTS {
        let message = format!(
            "has {} effects; at most {MAX_EFFECTS} are taken: make it several tasks, one after the other",
            task.effects.len()
        );
        found.push(detail(format!("{at}/effects"), message));
    }
    let last = task.effects.len().saturating_sub(1);
    let mut names = BTreeSet::new();
    for (index, effect) in task.effects.iter().enumerate() {
        let at = format!("{at}/effects/{index}");
        if !names.insert(&effect.name) {
            found.push(detail(format!("{at}/name"), format!("{} is there already", effect.name)));
        }
        if index < last && effect.undo != UndoWish::Required {
            let message = "another effect comes after it, and it is undone if that one fails; expected \"required\": only the last may do without an undo";
            found.push(detail(format!("{at}/undo"), message));
        }
        match &effect.on {
            EffectTarget::Git { branch, .. } if is_wrong_branch(branch) => {
                found.push(detail(format!("{at}/on/branch"), "is no name of a branch, without refs/heads/"));
            }
            EffectTarget::Http { url, .. } => {
                if let Some(wrong) = wrong_url(url) {
                    found.push(detail(format!("{at}/on/url"), wrong));
                }
            }
            _ => {}
        }
    }
}

/// The service `governance` looks closer once something is proposed.
pub(super) fn is_wrong_branch(branch: &str) -> bool {
    branch.starts_with("refs/")
        || branch.starts_with('-')
        || branch.starts_with('/')
        || branch.contains("..")
        || branch.contains(|c: char| c.is_control() || c == ' ')
}

fn wrong_url(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else { return Some("is no absolute URL") };
    if !matches!(url.scheme(), "http" | "https") {
        return Some("has another scheme than http and https");
    }
    let is_bare = url.username().is_empty() && url.password().is_none();
    if !is_bare || url.query().is_some() || url.fragment().is_some() {
        return Some("holds a user, a query or a fragment; what it may go on with is for the worker to say");
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rule::fixture::said;

    fn found(fields: Value) -> Vec<String> {
        let mut spec = json!({ "id": "a", "title": "a" });
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (task, mut found): (TaskSpec, _) = (serde_json::from_value(spec).unwrap(), Vec::new());
        reservations(&task, "", &mut found);
        effects(&task, "", &mut found);
        said(&found)
    }

    fn places(fields: Value) -> Vec<String> {
        found(fields).iter().map(|said| said.split(' ').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_in_order_has_nothing_wrong() {
        let fields = json!({
            "reserve": [
                { "space": "shop", "claims": [{ "path": "src" }, { "glob": "**/*.md", "mode": "shared" }] },
                { "space": "lab", "claims": [{ "pool": "gpu", "slots": 1 }, { "resource": "db:x" }] },
            ],
            "effects": [{ "name": "land", "on": { "kind": "git", "repository": "shop", "branch": "main" } }],
        });
        assert_eq!(found(fields), [""; 0]);
    }

    #[test]
    fn everything_that_is_wrong_with_reservations_is_listed() {
        let many: Vec<Value> = (0..63).map(|n| json!({ "path": format!("p{n}") })).collect();
        let fields = json!({ "reserve": [
            { "space": "shop", "claims": [{ "path": "/etc" }, { "glob": "a/../b" }] },
            { "space": "shop", "claims": many }, { "space": "lab", "claims": [] },
        ] });
        assert_eq!(
            places(fields),
            [
                "/reserve",
                "/reserve/0/claims/0",
                "/reserve/0/claims/1",
                "/reserve/1/space",
                "/reserve/2/claims"
            ]
        );
    }

    #[test]
    fn what_the_leases_would_refuse_is_refused_with_the_plan() {
        let wrong = [
            json!({ "path": "./a" }),
            json!({ "path": "a//b" }),
            json!({ "file": "C:\\x" }),
            json!({ "glob": "a/[z-a]" }),
            json!({ "glob": "a/[b" }),
            json!({ "files": "./*.rs" }),
        ];
        for claim in wrong {
            let fields = json!({ "reserve": [{ "space": "shop", "claims": [claim] }] });
            assert_eq!(places(fields), ["/reserve/0/claims/0"], "{claim}");
        }
        let right = [
            json!({ "path": "src/" }),
            json!({ "glob": "**/*.[a-z]" }),
            json!({ "glob": "a\\[b" }),
            json!({ "files": "[]x]/[!-a]" }),
        ];
        for claim in right {
            let fields = json!({ "reserve": [{ "space": "shop", "claims": [claim] }] });
            assert_eq!(places(fields), [""; 0], "{claim}");
        }
    }

    #[test]
    fn everything_that_is_wrong_with_effects_is_listed() {
        let fields = json!({ "effects": [
            { "name": "a", "on": { "kind": "git", "repository": "shop", "branch": "refs/heads/main" } },
            { "name": "a", "on": { "kind": "http", "method": "POST", "url": "https://u@x.example/a?b" } },
        ] });
        assert_eq!(
            places(fields),
            ["/effects/0/undo", "/effects/0/on/branch", "/effects/1/name", "/effects/1/on/url"]
        );
        let effect = |n: usize| json!({ "name": format!("e{n}"), "on": { "kind": "memory", "key": "k" }, "undo": "required" });
        let most: Vec<Value> = (0..MAX_EFFECTS).map(effect).collect();
        assert_eq!(found(json!({ "effects": most })), [""; 0]);
        let many: Vec<Value> = (0..=MAX_EFFECTS).map(effect).collect();
        assert_eq!(found(json!({ "effects": many }))[0].split(';').next(), Some("/effects has 17 effects"));
    }
}
