//! The chain of custody of a commit: from its trailers, held against the ledger where that can be asked.

use selvedge_committer::git::{INTENT_TRAILER, UNDO_TRAILER, trailers};
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{IntentId, Mission, RequestId},
    payload::{
        intent::{Accepted, Intent, IntentShow, Receipt},
        request::{RequestList, UserRequest},
    },
};
use selvedge_kit::{client::Client, clock::rfc3339};
use serde::Serialize;

use crate::{output::name, paging};

/// How far what is shown is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Proof {
    /// The ledger says that this commit is what came of the intent.
    Recorded,
    /// The ledger knows the intent, but not this commit as what came of it: copied, or forged.
    Disputed,
    /// The ledger could not be asked: the trailers say so, and whoever wrote the commit wrote those.
    Claimed,
    /// The commit names no intent.
    None,
}

/// Who asked for a commit, who approved it, under which policy, because of what.
#[derive(Debug, Default, Serialize)]
pub(super) struct Chain {
    pub(super) intent: Option<String>,
    /// Whether it takes the intent back.
    pub(super) is_undo: bool,
    pub(super) title: Option<String>,
    pub(super) state: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) mission: Option<String>,
    /// Who approved, and when.
    pub(super) approvals: Vec<String>,
    /// Who decided, and in which case, that what was handed in for its task holds.
    pub(super) accepted: Option<String>,
    pub(super) policy: Option<String>,
    /// The rules that decided.
    pub(super) rules: Vec<String>,
    pub(super) task: Option<String>,
    pub(super) request: Option<String>,
    pub(super) request_title: Option<String>,
    pub(super) request_owner: Option<String>,
}

/// What a commit's own trailers say.
pub(super) fn claimed(message: &str) -> Chain {
    let all: Vec<(&str, &str)> = trailers(message).collect();
    let first =
        |wanted: &str| all.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
    let undo = first(UNDO_TRAILER);
    let approvals = all.iter().filter(|(name, _)| *name == "Selvedge-Approved-By");
    Chain {
        is_undo: undo.is_some(),
        intent: undo.or_else(|| first(INTENT_TRAILER)),
        agent: first("Selvedge-Agent"),
        owner: first("Selvedge-Owner"),
        mission: first("Selvedge-Mission"),
        approvals: approvals.map(|(_, value)| (*value).to_owned()).collect(),
        accepted: first("Selvedge-Accepted-By"),
        policy: first("Selvedge-Policy"),
        task: first("Selvedge-Task"),
        request: first("Selvedge-Request"),
        ..Chain::default()
    }
}

/// The same from the ledger, and whether it knows this commit.
///
/// # Errors
/// What the services answer.
pub(super) async fn recorded(
    operator: &Client,
    claimed: &Chain,
    commit: &str,
) -> Result<(Chain, Proof), Fault> {
    let wrong = |error: &dyn std::fmt::Display| Fault::invalid(format!("the commit's trailers: {error}"));
    let id = IntentId::new(claimed.intent.as_deref().unwrap_or_default()).map_err(|error| wrong(&error))?;
    let mission =
        Mission::new(claimed.mission.as_deref().unwrap_or_default()).map_err(|error| wrong(&error))?;
    let client = operator.clone().in_mission(mission);
    let intent = client.call::<call::IntentShow>(&IntentShow { intent: id }).await?.reply.intent;
    let receipt = if claimed.is_undo { &intent.undone } else { &intent.receipt };
    let is_known = matches!(receipt, Some(Receipt::Git { commit: known, .. }) if known.as_str() == commit);
    let request = match &intent.request {
        Some(request) => request_of(&client, request).await?,
        None => None,
    };
    let proof = if is_known { Proof::Recorded } else { Proof::Disputed };
    Ok((of(&intent, request.as_ref(), claimed.is_undo), proof))
}

async fn request_of(client: &Client, wanted: &RequestId) -> Result<Option<UserRequest>, Fault> {
    let ask = |after| async move {
        let list = RequestList { status: None, after, limit: None };
        let reply = client.call::<call::RequestList>(&list).await?.reply;
        Ok((reply.requests, reply.more))
    };
    let all = paging::all(|request: &UserRequest| request.id.clone(), ask).await?;
    Ok(all.into_iter().find(|request| request.id == *wanted))
}

fn of(intent: &Intent, request: Option<&UserRequest>, is_undo: bool) -> Chain {
    let decision = intent.decision.as_ref();
    let policy = decision.map(|decision| match decision.policy {
        Some(version) => format!("version {version} (activation {})", decision.activation),
        None => "none".to_owned(),
    });
    let approved = intent.grants.iter();
    Chain {
        intent: Some(intent.id.to_string()),
        is_undo,
        title: Some(intent.title.clone()),
        state: Some(name(&intent.state)),
        agent: Some(intent.proposer.to_string()),
        owner: Some(intent.owner.to_string()),
        mission: Some(intent.mission.to_string()),
        approvals: approved
            .map(|grant| format!("{} ({}) {}", grant.owner, grant.approver, rfc3339(grant.at_ms)))
            .collect(),
        accepted: intent.accepted.as_ref().map(accepted),
        policy,
        rules: decision.map(|decision| decision.rules.clone()).unwrap_or_default(),
        task: intent.task.as_ref().map(ToString::to_string),
        request: intent.request.as_ref().map(ToString::to_string),
        request_title: request.map(|request| request.title.clone()),
        request_owner: request.map(|request| request.owner.to_string()),
    }
}

/// As the commit's trailer says it.
fn accepted(Accepted { case, by, owner }: &Accepted) -> String {
    format!("{} ({by}) {case}", owner.as_ref().map_or("nobody", |owner| owner.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_read_as_the_committer_writes_them() {
        let message = "Fix it\n\nSelvedge-Agent: forged\n\nSelvedge-Intent: intent_1\nSelvedge-Agent: ada\n\
            Selvedge-Owner: person:olga\nSelvedge-Mission: demo\nSelvedge-Policy: 3\n\
            Selvedge-Approved-By: person:bob (bob-1) 2026-01-01T00:00:00Z\nSelvedge-Accepted-By: person:judy (judy-1) case_1\n";
        let chain = claimed(message);
        assert_eq!(chain.intent.as_deref(), Some("intent_1"));
        assert_eq!(chain.agent.as_deref(), Some("ada"), "only the last paragraph counts");
        assert_eq!(chain.approvals, ["person:bob (bob-1) 2026-01-01T00:00:00Z"]);
        assert_eq!(chain.accepted.as_deref(), Some("person:judy (judy-1) case_1"));
        assert!(!chain.is_undo && claimed("x\n\nSelvedge-Undo-Of: intent_2").is_undo);
        assert_eq!(claimed("by hand").intent, None);
    }
}
