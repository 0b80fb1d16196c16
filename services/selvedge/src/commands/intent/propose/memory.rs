//! `selvedge intent propose memory`.

use std::path::{Path, PathBuf};

use clap::Args;
use selvedge_contracts::{
    id::{Digest, RecordKey},
    payload::intent::{Effect, MemoryEffect},
};
use serde_json::Value;

use super::{Following, about::About, propose};
use crate::{
    connect::Context,
    exit::{Done, Failure},
    input,
};

/// Propose a canonical record of the mission's memory.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge intent propose memory decisions/auth --value '{\"use\": \"tokens\"}' --new --as ada
  selvedge intent propose memory decisions/auth --value decision.json --revision 4711 --as ada
  selvedge intent propose memory decisions/auth --delete --revision 4711 --as ada

`selvedge memory get` shows a record's revision; `selvedge memory put` proposes and waits.")]
pub(super) struct Memory {
    /// Its key, such as decisions/auth.
    key: RecordKey,
    #[command(flatten)]
    value: Valued,
    #[command(flatten)]
    over: Over,
    /// Content that it was made from, by its digest; repeat for more.
    #[arg(long = "source", value_name = "DIGEST")]
    sources: Vec<Digest>,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    following: Following,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Valued {
    /// Its value: JSON, or a file that holds some, or - for standard input.
    #[arg(long, value_name = "JSON|FILE", allow_hyphen_values = true)]
    value: Option<String>,
    /// Delete it; its history stays.
    #[arg(long)]
    delete: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Over {
    /// Revision of the record that this replaces.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    revision: Option<u64>,
    /// There must be none yet.
    #[arg(long)]
    new: bool,
}

impl Memory {
    pub(super) async fn run(self, context: &Context) -> Done {
        let value = self.value.value.as_deref().map(value).transpose()?;
        let verb = if value.is_some() { "write" } else { "delete" };
        let title = format!("{verb} {}", self.key);
        let revision = self.over.revision.unwrap_or(0);
        let effect = MemoryEffect { key: self.key, value, revision, sources: self.sources };
        let request = self.about.proposal(Effect::Memory(effect), &title)?;
        let asking = self.following.who.anybody(context).await?;
        propose(context, &asking, &request, &self.following.creating, self.following.wait).await
    }
}

/// A value as it is typed: JSON, else the name of a file with some.
///
/// # Errors
/// [`Failure::Usage`] if it is neither.
pub(in crate::commands) fn value(text: &str) -> Result<Value, Failure> {
    if text == "-" {
        return input::json(Path::new("-"));
    }
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(_) if PathBuf::from(text).is_file() => input::json(Path::new(text)),
        Err(error) => Err(Failure::usage(format!(
            "{text:?} is neither JSON ({error}) nor a file; texts stand in double quotes"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_or_a_file_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("v.json");
        std::fs::write(&file, "{\"a\": 1}").unwrap();
        assert_eq!(value("[1]").unwrap(), serde_json::json!([1]));
        assert_eq!(value(file.to_str().unwrap()).unwrap(), serde_json::json!({"a": 1}));
        assert!(value("tokens").unwrap_err().to_string().contains("neither JSON"));
    }
}
