//! What tasks handed in, followed from the ledger: the content that their outputs and effects name. It stays as
//! long as what was handed in may still hold, or does; what came to nothing is let go, and stays for the grace
//! period of its writing like other content that nothing names.

use std::collections::{BTreeSet, HashMap};

use selvedge_contracts::{
    fact::EntityName,
    id::{ArtifactRef, Digest},
    payload::{
        artifact::Reference,
        task::{Output, TaskEffect, TaskState},
    },
};
use serde::Deserialize;
use serde_json::Value;

use crate::followed::{At, Followed, Key, Register};

/// All content that tasks name.
pub(crate) type Tasks = Followed<Named>;

#[derive(Default)]
pub(crate) struct Named {
    /// How many tasks name a content.
    by_digest: HashMap<Digest, usize>,
    /// What each task names; none that names nothing.
    by_task: HashMap<Key, Vec<Digest>>,
    /// Of tasks that name something, or did.
    revisions: HashMap<Key, u64>,
}

/// As much of a task as is looked at.
#[derive(Deserialize)]
pub(crate) struct Task {
    state: TaskState,
    #[serde(default)]
    output: Option<Output>,
    #[serde(default)]
    effects: Vec<TaskEffect>,
}

impl Task {
    /// The content that it names, if what was handed in may hold: every text in it that is a digest.
    fn digests(&self) -> Vec<Digest> {
        let counts = [TaskState::Submitted, TaskState::Committing, TaskState::Validated];
        let mut found = BTreeSet::new();
        if counts.contains(&self.state) {
            self.output.iter().for_each(|output| collect(&output.value, &mut found));
            for propose in self.effects.iter().filter_map(|effect| effect.propose.as_deref()) {
                let effects = std::iter::once(&propose.effect).chain(&propose.undo);
                found.extend(effects.flat_map(|effect| effect.digests()).cloned());
                found.extend(propose.inputs.iter().filter_map(content));
            }
        }
        found.into_iter().collect()
    }
}

fn content(reference: &ArtifactRef) -> Option<Digest> {
    match Reference::parse(reference.as_str()) {
        Some(Reference::Content(digest)) => Some(digest),
        // What stands under a name is named by its version.
        _ => None,
    }
}

fn collect(value: &Value, found: &mut BTreeSet<Digest>) {
    match value {
        Value::String(text) => found.extend(ArtifactRef::new(text).ok().as_ref().and_then(content)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Named {
    fn put(&mut self, key: Key, digests: Vec<Digest>, revision: u64) {
        let before = self.by_task.remove(&key).unwrap_or_default();
        if digests.is_empty() && before.is_empty() && !self.revisions.contains_key(&key) {
            return; // most name nothing: nothing is kept of them
        }
        for digest in &digests {
            *self.by_digest.entry(digest.clone()).or_default() += 1;
        }
        for digest in before {
            if let Some(count) = self.by_digest.get_mut(&digest) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.by_digest.remove(&digest);
                }
            }
        }
        self.revisions.insert(key.clone(), revision);
        if !digests.is_empty() {
            self.by_task.insert(key, digests);
        }
    }
}

impl Register for Named {
    type State = Task;
    const ENTITY: EntityName = EntityName::Task;

    fn take(&mut self, key: Key, state: &Task, at: At) {
        self.put(key, state.digests(), at.revision);
    }

    fn revision_of(&self, key: &Key) -> u64 {
        self.revisions.get(key).copied().unwrap_or(0)
    }

    fn names(&self, digest: &Digest) -> bool {
        self.by_digest.contains_key(digest)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hex(digit: &str) -> String {
        digit.repeat(64)
    }

    fn task(state: &str, output: &Value) -> Task {
        let output = json!({ "value": output, "digest": hex("f"), "at_ms": 1 });
        serde_json::from_value(json!({ "state": state, "output": output })).unwrap()
    }

    #[test]
    fn every_digest_in_what_was_handed_in_is_named_as_long_as_it_may_hold() {
        let output =
            json!({ "a": hex("a"), "more": [format!("blake3:{}", hex("b")), "name@v1", 7], "c": "x" });
        let found: Vec<String> =
            task("submitted", &output).digests().iter().map(ToString::to_string).collect();
        assert_eq!(found, [hex("a"), hex("b")]);
        for (state, is_named) in
            [("validated", true), ("committing", true), ("waiting", false), ("failed", false)]
        {
            assert_eq!(!task(state, &output).digests().is_empty(), is_named, "{state}");
        }
    }

    #[test]
    fn content_that_two_tasks_name_stays_until_both_let_it_go() {
        let key = |id: &str| {
            (
                selvedge_contracts::id::Mission::new("demo").unwrap(),
                selvedge_contracts::id::EntityId::new(id).unwrap(),
            )
        };
        let digest = Digest::new(&hex("a")).unwrap();
        let mut named = Named::default();
        named.put(key("t0"), Vec::new(), 1);
        assert!(named.revisions.is_empty(), "nothing is kept of one that names nothing");
        named.put(key("t1"), vec![digest.clone()], 2);
        named.put(key("t2"), vec![digest.clone()], 3);
        named.put(key("t1"), Vec::new(), 4);
        assert!(named.by_digest.contains_key(&digest));
        named.put(key("t2"), Vec::new(), 5);
        assert!(!named.by_digest.contains_key(&digest));
    }

    #[test]
    fn what_an_effect_would_put_into_the_world_is_named_too() {
        let change = json!({ "op": "put", "path": "a", "content": hex("c") });
        let propose = json!({ "title": "t", "inputs": [hex("d"), "name@v1"], "effect": { "kind": "git",
            "repository": "r", "branch": "main", "base": "0".repeat(40), "changes": [change], "message": "m" } });
        let effect = json!({ "name": "land", "intent": format!("intent_{}", hex("0")), "propose": propose });
        let task: Task =
            serde_json::from_value(json!({ "state": "committing", "effects": [effect] })).unwrap();
        let found: Vec<String> = task.digests().iter().map(ToString::to_string).collect();
        assert_eq!(found, [hex("c"), hex("d")]);
    }
}
