//! `selvedge policy diff`.

use std::path::Path;

use clap::Args;
use selvedge_kit::client::Client;
use serde::Serialize;
use similar::TextDiff;

use super::version;
use crate::{
    commands::lease::asking::Who,
    connect::Context,
    exit::{Done, Failure},
    input,
};

/// Show what changed from one text to another.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge policy diff 1 2 --mission demo
  selvedge policy diff active rules.cedar --mission demo

Each side is a version's number, `active` for the one in force, or a file (./3 for one that is called 3).")]
pub(crate) struct Diff {
    /// The text before.
    before: String,
    /// The text after.
    after: String,
    #[command(flatten)]
    who: Who,
}

/// What changed, for programs.
#[derive(Debug, Serialize)]
struct Changed {
    before: String,
    after: String,
    same: bool,
    /// As `diff -u` writes it.
    diff: String,
}

impl Diff {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.who.anybody(context).await?.client;
        let (before, old) = side(&client, &self.before).await?;
        let (after, new) = side(&client, &self.after).await?;
        let diff = unified((&before, &old), (&after, &new));
        let changed = Changed { before, after, same: old == new, diff };
        context.output.print(&changed, |changed| match changed.same {
            true => format!("{} and {} are the same", changed.before, changed.after),
            false => changed.diff.clone(),
        })?;
        Ok(())
    }
}

/// A side's name and text.
async fn side(client: &Client, named: &str) -> Result<(String, String), Failure> {
    let kept = match (named, named.parse()) {
        ("active", _) => version(client, None).await?.policy,
        (_, Ok(number)) => version(client, Some(number)).await?.policy,
        (file, Err(_)) => return Ok((file.to_owned(), input::text(Path::new(file))?)),
    };
    Ok((format!("version {}", kept.version), kept.text))
}

fn unified((before, old): (&str, &str), (after, new): (&str, &str)) -> String {
    TextDiff::from_lines(old, new).unified_diff().header(before, after).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_has_both_names_and_what_changed_with_what_stands_around_it() {
        let diff = unified(("version 1", "a\nb\nc\n"), ("version 2", "a\nB\nc"));
        let lines: Vec<&str> = diff.lines().collect();
        assert_eq!(lines.first(), Some(&"--- version 1"));
        assert!(diff.contains("+++ version 2\n@@ -1,3 +1,3 @@\n a\n-b\n"), "{diff}");
        assert!(diff.contains("+B\n") && diff.contains("No newline"), "{diff}");
        assert_eq!(unified(("a", "x\n"), ("b", "x\n")), "");
    }
}
