//! `selvedge intent show`, and an intent in full, for people.

use std::fmt::Write as _;

use clap::Args;
use selvedge_contracts::{
    call,
    payload::intent::{Decision, Intent, IntentReply, IntentShow, IntentState},
};
use selvedge_kit::client::Client;

use super::{Named, short, shown};
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::{Done, Failure},
    output::{fields, instant, visible, visible_line},
};

/// Show an intent: who, for what, what will happen, why it may, and what came of it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge intent show 0a1b2c3d4e5f
  selvedge intent show 0a1b2c3d4e5f --as ada -o json

`selvedge approval show` also shows what its contents change; `selvedge log intent ID` who did what when.")]
pub(crate) struct Show {
    /// The intent: its id, or the first 8 or more hex digits of it.
    intent: Named,
    #[command(flatten)]
    who: Who,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let reply = ask(&asking.client, &self.intent).await?;
        context.output.print(&reply, human)?;
        Ok(())
    }
}

/// The intent that is named, as it stands.
pub(in crate::commands) async fn ask(client: &Client, named: &Named) -> Result<IntentReply, Failure> {
    let intent = named.find(client).await?;
    Ok(client.call::<call::IntentShow>(&IntentShow { intent }).await?.reply)
}

/// An intent, for people.
pub(in crate::commands) fn human(reply: &IntentReply) -> String {
    let IntentReply { intent, revision } = reply;
    let mut text = head(intent, *revision);
    let _ = write!(text, "\n{}", indented(&shown::effect(&intent.effect, &intent.id)));
    if let Some(undo) = &intent.undo {
        let _ = write!(text, "\nundone by\n{}", indented(&shown::effect(undo, &intent.id)));
    }
    text += &rest(intent);
    if let Some(next) = next(intent) {
        let _ = writeln!(text, "\nnext: {next}");
    }
    text
}

/// Who wants it, and where it stands.
pub(in crate::commands) fn head(intent: &Intent, revision: u64) -> String {
    let optional = |id: Option<String>| id.unwrap_or_default();
    fields(&[
        ("intent", intent.id.to_string()),
        ("title", visible_line(&intent.title)),
        ("state", state(intent)),
        ("proposer", format!("{}, {}, of {}", intent.proposer, intent.role, intent.owner)),
        ("mission", intent.mission.to_string()),
        ("session", intent.session.to_string()),
        ("task", optional(intent.task.as_ref().map(ToString::to_string))),
        ("request", optional(intent.request.as_ref().map(ToString::to_string))),
        ("occurrence", optional(intent.occurrence.as_deref().map(visible_line))),
        (
            "saga",
            optional(
                intent.saga.as_ref().map(|at| format!("{}, step {} of {}", at.saga, at.step + 1, at.of)),
            ),
        ),
        ("accepted", optional(intent.accepted.as_ref().map(|by| format!("{} in {}", by.by, by.case)))),
        ("proposed", instant(intent.proposed_at_ms)),
        ("expires", instant(intent.expires_at_ms)),
        ("revision", revision.to_string()),
    ])
}

fn state(intent: &Intent) -> String {
    let round = if intent.round > 0 { format!(" (round {})", intent.round + 1) } else { String::new() };
    let waits = waits_for(intent).map_or_else(String::new, |waits| format!(", waits for {waits}"));
    format!("{}{round}{waits}", intent.state.name())
}

/// What an intent waits for, if it does.
pub(in crate::commands) fn waits_for(intent: &Intent) -> Option<String> {
    match (intent.state, &intent.decision) {
        (IntentState::Proposed, _) => Some("its verification".to_owned()),
        (IntentState::Verified, Some(decision)) if decision.requirement.approvals > 0 => {
            Some(missing(intent, decision))
        }
        (IntentState::Verified | IntentState::Approved, _) if intent.saga.is_some() => {
            Some("the committer, when its turn in the saga comes".to_owned())
        }
        (IntentState::Verified | IntentState::Approved, _) => Some("the committer".to_owned()),
        (IntentState::Executing | IntentState::Compensating, _) => Some("the committer to end".to_owned()),
        (IntentState::Unknown | IntentState::Stuck, _) => Some("a person who settles it".to_owned()),
        _ => None,
    }
}

/// `1 of 2 approvals by approver, not of person:ada`
fn missing(intent: &Intent, decision: &Decision) -> String {
    let wanted = decision.requirement.approvals;
    let there = u32::try_from(intent.grants.len()).unwrap_or(u32::MAX);
    format!(
        "{} of {wanted} approvals by an {}, not of {}",
        wanted.saturating_sub(there),
        decision.requirement.role,
        intent.owner
    )
}

/// What to type next, if there is something.
pub(in crate::commands) fn next(intent: &Intent) -> Option<String> {
    let id = short(&intent.id);
    match (intent.state, &intent.decision) {
        (IntentState::Verified, Some(decision)) if decision.requirement.approvals > 0 => Some(format!(
            "selvedge approval show {id} --as {0}; selvedge approval grant {id} --as {0}",
            decision.requirement.role.name().to_uppercase()
        )),
        (IntentState::Unknown | IntentState::Stuck, _) => {
            Some(format!("find out, then selvedge intent settle {id} happened|did-not --note HOW"))
        }
        (state, _) if state.is_settled() => None,
        _ => Some(format!("selvedge intent wait {id}")),
    }
}

/// What it rests on, why it may be done, and what came of it.
pub(in crate::commands) fn rest(intent: &Intent) -> String {
    let mut text = bindings(intent);
    if let Some(decision) = &intent.decision {
        let _ = write!(text, "\n{}", why(decision));
    }
    for grant in &intent.grants {
        let _ = writeln!(
            text,
            "granted by {}, {}, of {}, at {}",
            grant.approver,
            grant.role,
            grant.owner,
            instant(grant.at_ms)
        );
    }
    if let Some(execution) = &intent.execution {
        let _ = writeln!(text, "\ncarried out by {}, attempt {}", execution.executor, execution.attempt);
    }
    if let Some(receipt) = &intent.receipt {
        let _ = writeln!(text, "came of it: {}", shown::receipt(receipt));
    }
    if let Some(undone) = &intent.undone {
        let _ = writeln!(text, "taken back: {}", shown::receipt(undone));
    }
    for reason in &intent.reasons {
        let at = if reason.at.is_empty() { String::new() } else { format!("{}: ", visible_line(&reason.at)) };
        let _ = writeln!(text, "reason: {at}{}", visible_line(&reason.message));
    }
    text
}

fn bindings(intent: &Intent) -> String {
    let mut text = String::new();
    for input in &intent.inputs {
        let _ = writeln!(text, "rests on content {input}");
    }
    for precondition in &intent.preconditions {
        let at = match precondition.revision {
            0 => "does not exist".to_owned(),
            revision => format!("stands at revision {revision}"),
        };
        let _ = writeln!(text, "only if {} {} {at}", precondition.entity, precondition.id);
    }
    for token in &intent.tokens {
        let _ = writeln!(text, "only under {}={} in space {}", token.lease, token.token, token.space);
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn why(decision: &Decision) -> String {
    let policy = match decision.policy {
        Some(version) => format!("version {version} (activation {})", decision.activation),
        None => "none is active".to_owned(),
    };
    let seen: Vec<String> =
        decision.seen.iter().map(|seen| format!("{} {}@{}", seen.entity, seen.id, seen.revision)).collect();
    let requirement = &decision.requirement;
    let needs = match requirement.approvals {
        0 => "no approval".to_owned(),
        count => format!("{count} by distinct owners of role {}", requirement.role),
    };
    fields(&[
        ("policy", policy),
        ("decided by", visible_line(&decision.rules.join(", "))),
        ("needs", needs),
        ("seen", seen.join(", ")),
        ("decided", instant(decision.decided_at_ms)),
        ("digest", decision.approval_digest.to_string()),
    ])
}

/// Four spaces before every line.
pub(in crate::commands) fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }).collect()
}

/// As it stands, in the fewest words.
pub(in crate::commands) fn briefly(intent: &Intent) -> String {
    let reasons: String = intent
        .reasons
        .iter()
        .map(|reason| format!("{}: {}\n", visible_line(&reason.at), visible(&reason.message)))
        .collect();
    let came = intent.receipt.as_ref().map(shown::receipt).unwrap_or_default();
    fields(&[
        ("intent", intent.id.to_string()),
        ("title", visible_line(&intent.title)),
        ("state", state(intent)),
        ("came of it", came),
        ("expires", if intent.state.is_settled() { String::new() } else { instant(intent.expires_at_ms) }),
        ("reasons", reasons.trim_end().to_owned()),
        ("next", next(intent).unwrap_or_default()),
    ])
}

#[cfg(test)]
pub(in crate::commands) mod tests;
