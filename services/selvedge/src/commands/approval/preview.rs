//! What an intent would do, in detail, before it does.

use std::path::Path;

use selvedge_contracts::{
    call,
    fault::Code,
    id::{ArtifactRef, Digest},
    payload::{
        artifact::Get,
        intent::{Effect, GitEffect, HttpEffect, IntentReply, MemoryEffect},
        memory::MemoryGet,
    },
};
use selvedge_kit::{
    client::{Client, Options},
    transfer,
};
use serde::Serialize;
use serde_json::Value;

use super::difference::{Difference, difference};
use crate::{
    commands::{
        intent::{indented, shown},
        lease::Asking,
    },
    exit::Failure,
    output::{visible, visible_line},
};

/// Largest content that is fetched to be shown, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// What would happen.
#[derive(Debug, Serialize)]
pub(super) struct Preview {
    /// What would be done.
    effect: String,
    /// What a commit changes in its files, as a unified diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
    /// What a request carries, if it is text and not large.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The value that a record has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// What takes it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<String>,
    /// What could not be shown, and how to look at it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
}

/// What an intent would do; of a commit against the base in `clone`, or wherever a clone is found.
pub(super) async fn preview(
    asking: &Asking,
    reply: &IntentReply,
    clone: Option<&Path>,
) -> Result<Preview, Failure> {
    let IntentReply { intent, revision } = reply;
    let looks = Looks { asking, at_least: *revision };
    let undo = intent.undo.as_ref().map(|undo| shown::effect(undo, &intent.id));
    let effect = shown::effect(&intent.effect, &intent.id);
    let plain = Preview { effect, diff: None, body: None, before: None, undo, left_out: Vec::new() };
    match &intent.effect {
        Effect::Git(of) => git(&looks, of, clone, plain).await,
        Effect::Http(of) => http(&looks, of, plain).await,
        Effect::Memory(of) => memory(&asking.client, of, plain).await,
        Effect::External(_) => Ok(plain),
    }
}

async fn git(
    looks: &Looks<'_>,
    git: &GitEffect,
    clone: Option<&Path>,
    plain: Preview,
) -> Result<Preview, Failure> {
    match difference(looks, git, clone).await? {
        Some(Difference { text, left_out }) => {
            Ok(Preview { effect: shown::git_head(git), diff: Some(text), left_out, ..plain })
        }
        None => {
            let mut left_out = vec![format!(
                "no clone with {} is here: clone the repository, or say --in DIR, for a diff",
                git.base
            )];
            for change in &git.changes {
                if let Some(content) = change.content() {
                    let size = looks.size(content).await?;
                    left_out.push(how_to_get(&change.path().to_text(), content, size));
                }
            }
            Ok(Preview { left_out, ..plain })
        }
    }
}

/// How a person looks at a content.
pub(super) fn how_to_get(path: &str, content: &Digest, size_bytes: u64) -> String {
    format!("{}, {size_bytes} bytes: selvedge artifact get {content}", visible_line(path))
}

async fn http(looks: &Looks<'_>, http: &HttpEffect, plain: Preview) -> Result<Preview, Failure> {
    let Some(content) = &http.body else { return Ok(plain) };
    match looks.small(content).await? {
        Content::Small(bytes) => match String::from_utf8(bytes) {
            Ok(body) => Ok(Preview { body: Some(body), ..plain }),
            Err(error) => {
                let left_out = vec![how_to_get("the body", content, error.as_bytes().len() as u64)];
                Ok(Preview { left_out, ..plain })
            }
        },
        Content::Large(size_bytes) => {
            Ok(Preview { left_out: vec![how_to_get("the body", content, size_bytes)], ..plain })
        }
    }
}

async fn memory(client: &Client, memory: &MemoryEffect, plain: Preview) -> Result<Preview, Failure> {
    let wanted = MemoryGet { key: memory.key.clone() };
    match client.call::<call::MemoryGet>(&wanted).await {
        Ok(answered) => {
            let found = answered.reply;
            let left_out = if found.revision == memory.revision {
                Vec::new()
            } else {
                vec![format!("the record stands at revision {} by now: the intent is stale", found.revision)]
            };
            Ok(Preview { before: found.record.value, left_out, ..plain })
        }
        Err(fault) if fault.code == Code::NotFound => Ok(plain),
        Err(fault) => Err(fault.into()),
    }
}

/// Content, if it is small enough to be shown.
pub(super) enum Content {
    /// It is.
    Small(Vec<u8>),
    /// It has so many bytes.
    Large(u64),
}

/// Whoever looks, and how much must be known by then: the intent that opens its contents to its approvers.
pub(super) struct Looks<'a> {
    pub(super) asking: &'a Asking,
    at_least: u64,
}

impl Looks<'_> {
    /// Fetches content, verified, if it is not too large.
    pub(super) async fn small(&self, content: &Digest) -> Result<Content, Failure> {
        let size_bytes = self.size(content).await?;
        if size_bytes > MOST_BYTES {
            return Ok(Content::Large(size_bytes));
        }
        let (client, mut bytes) = (&self.asking.client, Vec::new());
        transfer::get(client, &by_digest(content)?, self.at_least, &mut bytes, &|_, _| {}).await?;
        Ok(Content::Small(bytes))
    }

    async fn size(&self, content: &Digest) -> Result<u64, Failure> {
        let get = Get { artifact: by_digest(content)?, offset: 0, len: Some(1) };
        let options = Options { at_least: self.at_least, ..Options::default() };
        let got = self.asking.client.call_bytes::<call::ArtifactGet>(&get, Vec::new().into(), &options);
        Ok(got.await?.0.reply.size_bytes)
    }
}

fn by_digest(content: &Digest) -> Result<ArtifactRef, Failure> {
    ArtifactRef::new(content.as_str()).map_err(|error| Failure::usage(error.to_string()))
}

impl Preview {
    /// For people.
    pub(super) fn human(&self) -> String {
        let mut text = indented(&self.effect);
        if let Some(before) = &self.before {
            text += &format!("\nin place of\n{}", indented(&visible(&format!("{before:#}"))));
        }
        if let Some(body) = &self.body {
            text += &format!("\nits body\n{}", indented(&visible(body)));
        }
        if let Some(diff) = &self.diff {
            text += &format!("\n{}\n", coloured(&visible(diff)));
        }
        if let Some(undo) = &self.undo {
            text += &format!("\nundone by\n{}", indented(undo));
        }
        for line in &self.left_out {
            text += &format!("\nnot shown: {line}");
        }
        if self.left_out.is_empty() { text } else { text + "\n" }
    }
}

/// A diff in the colours of diffs, on a terminal.
fn coloured(diff: &str) -> String {
    use std::env::var_os;
    if !crate::output::is_coloured(var_os("NO_COLOR").is_some_and(|set| !set.is_empty()).then_some("set")) {
        return diff.to_owned();
    }
    diff.lines().map(|line| painted(line) + "\n").collect()
}

/// One line of a diff in its colour (ECMA-48, SGR).
fn painted(line: &str) -> String {
    let colour = match line.chars().next() {
        _ if line.starts_with("+++") || line.starts_with("---") || line.starts_with("diff ") => "1",
        Some('+') => "32",
        Some('-') => "31",
        Some('@') => "36",
        _ => return line.to_owned(),
    };
    format!("\u{1b}[{colour}m{line}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_diff_are_painted_and_context_is_not() {
        assert_eq!(painted("+a"), "\u{1b}[32m+a\u{1b}[0m");
        assert_eq!(painted("-a"), "\u{1b}[31m-a\u{1b}[0m");
        assert_eq!(painted("--- a/x"), "\u{1b}[1m--- a/x\u{1b}[0m");
        assert_eq!(painted(" a"), " a");
    }

    #[test]
    fn a_preview_hides_nothing_that_a_terminal_would_obey() {
        let preview = Preview {
            effect: "x".to_owned(),
            diff: Some("+rm -rf\u{1b}[2K\r-fine".to_owned()),
            body: Some("a\u{202e}b".to_owned()),
            before: Some(serde_json::json!("old")),
            undo: None,
            left_out: vec!["big".to_owned()],
        };
        let text = preview.human();
        assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text:?}");
        for part in ["in place of\n    \"old\"", "its body\n    a\\u{202e}b", "not shown: big"] {
            assert!(text.contains(part), "{part:?} is missing of {text}");
        }
    }
}
