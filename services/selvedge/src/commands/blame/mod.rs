//! `selvedge blame`

mod chain;
mod lines;

use std::path::{Path, PathBuf};

use clap::Args;
use selvedge_contracts::{
    call,
    id::{Mission, RepositoryName},
    payload::{Nothing, repository::Repository},
};
use selvedge_kit::client::Client;
use serde::Serialize;

use crate::{
    connect::Context,
    exit::{Done, Failure},
    output::{fields, hint, instant, visible_line},
};
use chain::{Chain, Proof};

/// Who asked for a line, who approved it, under which policy, from which user request.
///
/// Looks in the clone around the current folder, unless a repository of the mission or a folder is named.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge blame src/main.rs:42
  selvedge blame README.md --in ~/clones/shop -o json
  selvedge blame src/main.rs --repository record --mission demo --branch main")]
pub(crate) struct Blame {
    /// The file, with a line if only that is meant.
    #[arg(value_name = "PATH[:LINE]")]
    place: String,
    /// The clone to look in.
    #[arg(long = "in", value_name = "FOLDER", conflicts_with = "repository")]
    folder: Option<PathBuf>,
    /// A repository on this machine, by its name in the mission.
    #[arg(long, requires = "mission")]
    repository: Option<RepositoryName>,
    /// The repository's mission.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
    /// The branch meant, where there is no work tree.
    #[arg(long, value_parser = branch)]
    branch: Option<String>,
}

/// A name that git cannot take for an option.
fn branch(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('-') {
        return Err("expected a branch or a commit; none starts with -".to_owned());
    }
    Ok(text.to_owned())
}

/// Lines of one commit, and its chain of custody.
#[derive(Debug, Serialize)]
struct Shown {
    path: String,
    /// First and last line of each stretch, from 1.
    lines: Vec<(u32, u32)>,
    commit: String,
    at: String,
    subject: String,
    proof: Proof,
    #[serde(flatten)]
    chain: Chain,
}

impl Blame {
    pub(crate) async fn run(self, context: &Context) -> Done {
        // What the ledger says is worth more than trailers, but they are there without it too.
        let operator = context.operator().await;
        let (path, line) = place(&self.place)?;
        let folder = match (&self.repository, &self.mission) {
            (Some(name), Some(mission)) => {
                let operator = context.operator_in(mission).await?;
                folder_of(&operator, name).await?
            }
            _ => self.folder.clone().unwrap_or_else(|| PathBuf::from(".")),
        };
        let branch = match (self.branch, self.repository) {
            (None, Some(_)) => Some("HEAD".to_owned()),
            (branch, _) => branch,
        };
        let mut shown = Vec::new();
        for blamed in lines::blame(&folder, branch.as_deref(), path, line)? {
            shown.push(show(&folder, path, blamed, operator.as_ref().ok()).await?);
        }
        if let (Err(reason), true) = (operator, shown.iter().any(|one| one.proof == Proof::Claimed)) {
            hint(&format!("only what the commits say of themselves: {reason}"));
        }
        context.output.print_all(&shown, |shown| shown.iter().map(text).collect::<Vec<_>>().join("\n"))?;
        Ok(())
    }
}

/// A path and the line behind it, if there is one.
fn place(text: &str) -> Result<(&str, Option<u32>), Failure> {
    match text.rsplit_once(':') {
        Some((path, line)) if !path.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit()) => {
            let line = line.parse().ok().filter(|line| *line > 0);
            let line = line.ok_or_else(|| Failure::usage("lines are counted from 1"))?;
            Ok((path, Some(line)))
        }
        _ => Ok((text, None)),
    }
}

async fn folder_of(operator: &Client, name: &RepositoryName) -> Result<PathBuf, Failure> {
    let known = operator.call::<call::RepositoryList>(&Nothing {}).await?.reply.repositories;
    let found: Option<Repository> = known.into_iter().map(|one| one.repository).find(|one| one.name == *name);
    let found =
        found.ok_or_else(|| Failure::usage(format!("there is no repository {name} in this mission")))?;
    if found.location.starts_with('/') {
        return Ok(found.location.into());
    }
    Err(Failure::usage(format!("{name} is at {}; clone it and use --in", found.location)))
}

async fn show(
    folder: &Path,
    path: &str,
    blamed: lines::Blamed,
    operator: Option<&Client>,
) -> Result<Shown, Failure> {
    let lines::Blamed { commit, lines } = blamed;
    let is_committed = commit.bytes().any(|byte| byte != b'0');
    let (message, at_s) =
        if is_committed { lines::commit(folder, &commit)? } else { ("not committed yet".to_owned(), 0) };
    let claimed = chain::claimed(&message);
    let (chain, proof) = match (&claimed.intent, operator) {
        (None, _) => (claimed, Proof::None),
        (Some(_), None) => (claimed, Proof::Claimed),
        (Some(_), Some(operator)) => match chain::recorded(operator, &claimed, &commit).await {
            Ok(found) => found,
            Err(fault) if fault.is_retryable() => (claimed, Proof::Claimed),
            // The ledger was asked, and knows no such intent.
            Err(fault) => {
                hint(&format!("{commit}: {}", fault.message));
                (claimed, Proof::Disputed)
            }
        },
    };
    Ok(Shown {
        path: path.to_owned(),
        lines: lines.iter().map(|range| (*range.start(), *range.end())).collect(),
        commit,
        at: instant(at_s * 1_000),
        subject: message.lines().next().unwrap_or_default().to_owned(),
        proof,
        chain,
    })
}

fn text(shown: &Shown) -> String {
    let Shown { path, lines, commit, at, subject, proof, chain } = shown;
    let stretches: Vec<String> = lines
        .iter()
        .map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") })
        .collect();
    let intent = chain.intent.as_ref().map(|id| {
        let undo = if chain.is_undo { " (its undo)" } else { "" };
        let state = chain.state.as_ref().map(|state| format!(", {state}")).unwrap_or_default();
        let title = chain.title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
        format!("{id}{undo}{state}{title}")
    });
    let of = |value: &Option<String>, by: &Option<String>| match (value, by) {
        (Some(value), Some(by)) => format!("{value} for {by}"),
        (value, _) => value.clone().unwrap_or_default(),
    };
    let rules = if chain.rules.is_empty() { String::new() } else { format!(": {}", chain.rules.join(", ")) };
    let proof = match proof {
        Proof::Recorded => "the ledger records this commit as what came of the intent",
        Proof::Disputed => "DISPUTED: the ledger does not record this commit as what came of the intent",
        Proof::Claimed => "only the commit's own trailers; the ledger was not asked",
        Proof::None => "none: the commit names no intent",
    };
    let rows = [
        ("commit", format!("{commit} {at} {subject}")),
        ("intent", intent.unwrap_or_default()),
        ("asked by", of(&chain.agent, &chain.owner)),
        ("approved by", chain.approvals.join("; ")),
        ("accepted by", chain.accepted.clone().unwrap_or_default()),
        ("policy", chain.policy.as_ref().map(|policy| format!("{policy}{rules}")).unwrap_or_default()),
        ("task", chain.task.clone().unwrap_or_default()),
        (
            "request",
            chain.request_title.as_ref().map_or_else(
                || chain.request.clone().unwrap_or_default(),
                |title| {
                    let by =
                        chain.request_owner.as_ref().map(|by| format!(", asked by {by}")).unwrap_or_default();
                    format!("{}: {title}{by}", chain.request.as_deref().unwrap_or_default())
                },
            ),
        ),
        ("proof", proof.to_owned()),
    ];
    // What agents and others wrote stands among them.
    let rows = rows.map(|(name, value)| (name, visible_line(&value)));
    format!("{}:{}\n{}", visible_line(path), stretches.join(","), fields(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_follow_a_path() {
        assert_eq!(place("src/a.rs:3").unwrap(), ("src/a.rs", Some(3)));
        assert_eq!(place("src/a.rs").unwrap(), ("src/a.rs", None));
        assert_eq!(place("odd:name").unwrap(), ("odd:name", None));
        assert!(place("a:0").is_err());
    }

    #[test]
    fn a_branch_is_no_option_of_git() {
        assert_eq!(branch("main").unwrap(), "main");
        for option in ["-x", "--contents=/etc/passwd", ""] {
            assert!(branch(option).unwrap_err().contains("none starts with -"), "{option}");
        }
    }

    #[test]
    fn the_whole_chain_is_shown_and_what_is_missing_is_left_out() {
        let message = "Fix it\n\nSelvedge-Intent: intent_1\nSelvedge-Agent: ada\nSelvedge-Owner: person:olga\n\
            Selvedge-Policy: 3\nSelvedge-Approved-By: person:bob (bob-1) today\n";
        let shown = Shown {
            path: "a".into(),
            lines: vec![(1, 2), (4, 4)],
            commit: "0a1b".into(),
            at: "2026".into(),
            subject: "Fix it".into(),
            proof: Proof::Claimed,
            chain: chain::claimed(message),
        };
        let expected = "a:1-2,4\n\
            commit       0a1b 2026 Fix it\n\
            intent       intent_1\n\
            asked by     ada for person:olga\n\
            approved by  person:bob (bob-1) today\n\
            policy       3\n\
            proof        only the commit's own trailers; the ledger was not asked\n";
        assert_eq!(text(&shown), expected);
        let bent = Shown { subject: "Fix\u{1b}[2K it\r".into(), ..shown };
        assert!(!text(&bent).contains(['\u{1b}', '\r']), "a terminal would obey");
        let shown = bent;
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!((&json["proof"], &json["agent"]), (&"claimed".into(), &"ada".into()));
    }
}
