//! What an effect is, for people. What others wrote is shown by [`visible`]: a terminal hides nothing.

use std::fmt::Write as _;

use selvedge_contracts::{
    id::IntentId,
    payload::intent::{
        Effect, ExternalEffect, FileChange, FileMode, GitEffect, HttpEffect, MemoryEffect, Receipt, Repeat,
    },
};

use crate::output::{visible, visible_line};

/// An effect in a word or two, for a table.
pub(in crate::commands) fn in_a_word(effect: &Effect) -> String {
    match effect {
        Effect::Git(git) => visible_line(&format!("git {}:{}", git.repository, git.branch)),
        Effect::Http(http) => format!("http {} {}", http.method.name(), host(&http.url)),
        Effect::Memory(memory) => format!("memory {}", memory.key),
        Effect::External(external) => {
            visible_line(&format!("external {} {}", external.effector, external.operation))
        }
    }
}

/// Up to the path of a URL.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    visible_line(rest.split(['/', '?', '#']).next().unwrap_or_default())
}

/// An effect in full, but for the contents that it names.
pub(in crate::commands) fn effect(effect: &Effect, id: &IntentId) -> String {
    match effect {
        Effect::Git(of) => git(of),
        Effect::Http(of) => http(of, id),
        Effect::Memory(of) => memory(of),
        Effect::External(of) => external(of),
    }
}

/// Where a commit goes and what it says, without its files.
pub(in crate::commands) fn git_head(git: &GitEffect) -> String {
    let mut text = format!(
        "commit on branch {} of repository {}, based on {}\n\n",
        visible_line(&git.branch),
        git.repository,
        git.base
    );
    for line in visible(&git.message).lines() {
        let _ = writeln!(text, "    {line}");
    }
    for path in &git.reads {
        let _ = writeln!(text, "rests on {}", visible_line(&path.to_text()));
    }
    text
}

fn git(git: &GitEffect) -> String {
    let mut text = git_head(git) + "\n";
    for change in &git.changes {
        text += &file(change);
        text.push('\n');
    }
    text
}

/// One path of a commit, in a line.
pub(in crate::commands) fn file(change: &FileChange) -> String {
    let shown = |path: &selvedge_contracts::payload::intent::TreePath| visible_line(&path.to_text());
    match change {
        FileChange::Put { path, mode: FileMode::Regular, .. } => format!("  put     {}", shown(path)),
        FileChange::Put { path, mode: FileMode::Executable, .. } => {
            format!("  put     {} (executable)", shown(path))
        }
        FileChange::Put { path, mode: FileMode::Symlink, .. } => {
            format!("  put     {} (symlink)", shown(path))
        }
        FileChange::Delete { path } => format!("  delete  {}", shown(path)),
        FileChange::Rename { from, path, content } => {
            let changed = if content.is_some() { " (changed)" } else { "" };
            format!("  rename  {} -> {}{changed}", shown(from), shown(path))
        }
    }
}

/// The request as it is sent: secrets by their names, the body by its digest.
fn http(http: &HttpEffect, id: &IntentId) -> String {
    let mut text = format!("{} {}\n", http.method.name(), visible_line(&http.url));
    for (name, value) in &http.headers {
        let _ = writeln!(text, "{}: {}", visible_line(name), visible_line(value));
    }
    for (name, secret) in &http.secrets {
        let _ = writeln!(text, "{}: <secret {secret}>", visible_line(name));
    }
    let _ = writeln!(text, "Idempotency-Key: {id}");
    if let Some(media_type) = &http.content_type {
        let _ = writeln!(text, "Content-Type: {media_type}");
    }
    if let Some(body) = &http.body {
        let _ = writeln!(text, "\nbody: {body}");
    }
    let _ = writeln!(text, "\n{}", repeated(http.repeat));
    if let Some(probe) = &http.probe {
        let _ = writeln!(
            text,
            "if its answer is lost: GET {} ({:?}: it happened; {:?}: it did not)",
            visible_line(&probe.url),
            probe.done,
            probe.absent
        );
    }
    text
}

fn repeated(repeat: Repeat) -> &'static str {
    match repeat {
        Repeat::Unsafe => "sent once at most: whether the target did it may stay unknown",
        Repeat::ByKey => "sent again if its answer is lost: the target is said to know the key",
        Repeat::Idempotent => "sent again if its answer is lost: twice is said to be once",
    }
}

fn memory(memory: &MemoryEffect) -> String {
    let over = match memory.revision {
        0 => "which does not exist".to_owned(),
        revision => format!("as of revision {revision}"),
    };
    let mut text = match &memory.value {
        Some(value) => {
            format!("record {}, {over}, becomes\n{}\n", memory.key, visible(&format!("{value:#}")))
        }
        None => format!("record {}, {over}, is deleted\n", memory.key),
    };
    for source in &memory.sources {
        let _ = writeln!(text, "made from {source}");
    }
    text
}

fn external(external: &ExternalEffect) -> String {
    format!(
        "effector {}: {} with\n{}\n{}\n",
        external.effector,
        visible_line(&external.operation),
        visible(&format!("{:#}", external.arguments)),
        repeated(external.repeat)
    )
}

/// What an effect left in the world.
pub(in crate::commands) fn receipt(receipt: &Receipt) -> String {
    match receipt {
        Receipt::Git { repository, branch, commit, parent } => {
            format!("commit {commit} on {} of {repository}, after {parent}", visible_line(branch))
        }
        Receipt::Http { status, response, content_type } => {
            let status = status
                .map_or_else(|| "a probe says it happened".to_owned(), |status| format!("status {status}"));
            let body = response.as_ref().map_or_else(String::new, |digest| format!(", response {digest}"));
            let of = content_type.as_ref().map_or_else(String::new, |of| format!(" ({of})"));
            format!("{status}{body}{of}")
        }
        Receipt::Memory { key, replaced: 0 } => format!("record {key}, new"),
        Receipt::Memory { key, replaced } => format!("record {key}, in place of revision {replaced}"),
        Receipt::External { result } => visible(&result.to_string()),
        Receipt::Settled { by, owner, note } => format!("{by} of {owner} says: {}", visible_line(note)),
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        id::{CommitHash, Digest, RecordKey, RepositoryName, SecretName},
        payload::intent::{Method, TreePath},
    };

    use super::*;

    fn id() -> IntentId {
        IntentId::new(&format!("intent_{}", "0".repeat(64))).unwrap()
    }

    fn digest() -> Digest {
        Digest::new(&"a".repeat(64)).unwrap()
    }

    fn path(bytes: &[u8]) -> TreePath {
        TreePath::new(bytes).unwrap()
    }

    #[test]
    fn a_commit_is_shown_with_every_path_and_no_control_character() {
        let changes = vec![
            FileChange::Put { path: path(b"a\x1b[2K\nb"), content: digest(), mode: FileMode::Executable },
            FileChange::Delete { path: path(b"caf\xe9") },
            FileChange::Rename { from: path(b"x"), path: path(b"y"), content: Some(digest()) },
        ];
        let git = GitEffect {
            repository: RepositoryName::new("record").unwrap(),
            branch: "main".to_owned(),
            base: CommitHash::new(&"1".repeat(40)).unwrap(),
            changes,
            message: "Fix it\n\nall\u{202e} of it".to_owned(),
            reads: vec![path(b"src")],
        };
        let text = effect(&Effect::Git(git), &id());
        for part in [
            "commit on branch main of repository record, based on 1111",
            "    Fix it\n",
            "    all\\u{202e} of it",
            "put     a\\u{1b}[2K\\nb (executable)",
            "delete  caf\u{fffd}",
            "rename  x -> y (changed)",
            "rests on src",
        ] {
            assert!(text.contains(part), "{part:?} is missing of {text}");
        }
        assert!(!text.contains('\x1b'), "{text:?}");
    }

    #[test]
    fn a_request_is_shown_as_it_is_sent_with_secrets_by_name() {
        let http = HttpEffect {
            method: Method::Post,
            url: "https://api.example.org/v1/tickets?x=1".to_owned(),
            headers: [("Accept".to_owned(), "*/*".to_owned())].into(),
            secrets: [("Authorization".to_owned(), SecretName::new("ticket-token").unwrap())].into(),
            body: Some(digest()),
            content_type: None,
            repeat: Repeat::ByKey,
            probe: None,
            timeout_ms: None,
        };
        let http = Effect::Http(http);
        assert_eq!(in_a_word(&http), "http POST api.example.org");
        let text = effect(&http, &id());
        assert!(text.starts_with("POST https://api.example.org/v1/tickets?x=1\nAccept: */*\n"), "{text}");
        assert!(text.contains("Authorization: <secret ticket-token>\n"), "{text}");
        assert!(text.contains(&format!("Idempotency-Key: {}\n", id())), "{text}");
        assert!(text.contains("the target is said to know the key"), "{text}");
    }

    #[test]
    fn a_record_is_shown_with_what_it_replaces() {
        let memory = |value, revision| {
            let key = RecordKey::new("decisions/auth").unwrap();
            effect(&Effect::Memory(MemoryEffect { key, value, revision, sources: vec![] }), &id())
        };
        let text = memory(Some(serde_json::json!({"use": "tokens"})), 0);
        assert!(
            text.contains("which does not exist, becomes") && text.contains("\"use\": \"tokens\""),
            "{text}"
        );
        assert_eq!(memory(None, 7), "record decisions/auth, as of revision 7, is deleted\n");
    }
}
