//! What an intent is about, in texts that can be compared with others'.

use selvedge_contracts::payload::intent::{Effect, FileChange, Intent};
use selvedge_kit::creation::Wanted;

/// The texts; nothing, where the intent creates nothing: it goes on with a record that is there.
pub(crate) fn texts(intent: &Intent) -> Option<Wanted> {
    let mut wanted = Wanted { id: intent.id.to_string(), title: intent.title.clone(), ..Wanted::default() };
    match &intent.effect {
        Effect::Git(git) => {
            let paths = git.changes.iter().flat_map(FileChange::paths).chain(&git.reads);
            wanted.paths = paths.map(ToString::to_string).collect();
            wanted.description.clone_from(&git.message);
        }
        Effect::Http(http) => wanted.description = format!("{} {}", http.method.name(), http.url),
        Effect::Memory(memory) if memory.revision > 0 => return None,
        Effect::Memory(memory) => {
            let value = memory.value.as_ref().map(ToString::to_string).unwrap_or_default();
            wanted.description = format!("{} {value}", memory.key);
        }
        Effect::External(external) => {
            wanted.description =
                format!("{} {} {}", external.effector, external.operation, external.arguments);
        }
    }
    Some(wanted)
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::payload::intent::MemoryEffect;
    use serde_json::json;

    use super::*;
    use crate::fixture::intent;

    fn of(effect: serde_json::Value) -> Wanted {
        texts(&Intent { effect: serde_json::from_value(effect).unwrap(), ..intent() }).unwrap()
    }

    #[test]
    fn a_commit_is_about_its_message_and_its_paths() {
        let found = of(json!({
            "kind": "git", "repository": "record", "branch": "main", "message": "Fix the login page",
            "base": "0123456789abcdef0123456789abcdef01234567", "reads": ["c"],
            "changes": [{"op": "rename", "from": "a", "path": "b"}],
        }));
        assert_eq!((found.title.as_str(), found.description.as_str()), ("t", "Fix the login page"));
        assert_eq!(
            found.paths.iter().collect::<std::collections::BTreeSet<_>>().len(),
            3,
            "{:?}",
            found.paths
        );
        assert_eq!(found.id, intent().id.to_string());
    }

    #[test]
    fn other_effects_are_about_what_they_say_they_do() {
        let http = of(json!({"kind": "http", "method": "POST", "url": "https://example.org/tickets"}));
        assert_eq!(http.description, "POST https://example.org/tickets");
        let mail = of(
            json!({"kind": "external", "effector": "mailer", "operation": "send", "arguments": {"to": "x"}}),
        );
        assert_eq!(mail.description, "mailer send {\"to\":\"x\"}");
        assert_eq!(texts(&intent()).unwrap().description, "a {\"a\":1}");
    }

    #[test]
    fn a_record_that_is_written_anew_is_nothing_new() {
        let Effect::Memory(record) = intent().effect else { unreachable!() };
        let effect = Effect::Memory(MemoryEffect { revision: 7, ..record });
        assert_eq!(texts(&Intent { effect, ..intent() }), None);
    }
}
