//! Who may approve an intent, and when it is approved.
//!
//! A quorum counts owners, each once, and never the proposer's. What is signed is the decision's digest, over
//! all that the intent is bound to, so an approval is of exactly what was seen.

use selvedge_contracts::{
    fact::{INTENT_APPROVED, INTENT_GRANTED, INTENT_LIFTED},
    fault::{Code, Detail, Fault},
    id::{AgentId, Caller, Digest, Owner, PublicKey},
    payload::intent::{
        ApprovalToken, Decision, Denial, Grant, Granted, Intent, IntentState, Lifted, approval_text,
        token_bytes,
    },
    role::Role,
};
use selvedge_kit::{
    rule::{Change, Verdict},
    sabotage::{Guard, is_broken},
    signature::{decode_base64url, verify_text},
};

use crate::intent::{detail, reject};

/// Who approves or denies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Approver<'a> {
    pub(crate) agent: &'a AgentId,
    pub(crate) owner: &'a Owner,
    pub(crate) role: Role,
    /// The agent's present identity key.
    pub(crate) key: &'a PublicKey,
}

/// What is approved or denied, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The digest that was seen.
    pub(crate) digest: &'a Digest,
    /// Which activation of a policy is in force.
    pub(crate) activation: u32,
    pub(crate) now_ms: u64,
}

/// Records an approval. The last one that is needed approves the intent, and seals it.
///
/// # Errors
/// `denied` to whoever may not approve it, conflict if it is not waiting for that; with every reason.
pub(crate) fn approve(
    current: &Intent,
    approver: Approver<'_>,
    seen: Seen<'_>,
    signature: &str,
    seal: impl FnOnce(&[u8]) -> ApprovalToken,
) -> Result<Verdict<Intent>, Fault> {
    if has_approved(current, approver, seen.digest) {
        return Ok(Verdict::Same);
    }
    let decision = waiting(current)?;
    let mut reasons = objections(current, decision, approver, seen);
    reasons.extend(forgery(current, approver, seen.digest, signature));
    refuse(reasons)?;
    let grant = Grant {
        approver: approver.agent.clone(),
        owner: approver.owner.clone(),
        role: approver.role,
        key: approver.key.clone(),
        signature: signature.to_owned(),
        at_ms: seen.now_ms,
    };
    let granted = Granted { approver: grant.approver.clone(), owner: grant.owner.clone() };
    let mut state = current.clone();
    state.grants.push(grant);
    if state.grants.len() < decision.requirement.approvals as usize {
        return Ok(Change::new(&INTENT_GRANTED, &granted, state).into());
    }
    state.state = IntentState::Approved;
    state.token = Some(seal(&sealed_bytes(&state, decision)));
    Ok(Change::new(&INTENT_APPROVED, &granted, state).into())
}

/// Ends an intent that somebody who could approve it does not want done.
///
/// # Errors
/// As [`approve`].
pub(crate) fn deny(
    current: &Intent,
    approver: Approver<'_>,
    seen: Seen<'_>,
    reason: &str,
) -> Result<Verdict<Intent>, Fault> {
    let by_them = |denial: &Denial| denial.by == *approver.agent;
    if current.state == IntentState::Rejected && current.denied.as_ref().is_some_and(by_them) {
        return Ok(Verdict::Same);
    }
    let decision = match (current.state, &current.decision) {
        (IntentState::Approved, Some(decision)) => decision,
        _ => waiting(current)?,
    };
    refuse(may_judge(current, decision, approver, seen))?;
    let message = format!(
        "{} ({}) denied it: {reason}; it stays so unless {} or an operator lifts that",
        approver.agent, approver.owner, approver.owner
    );
    let denied = Denial { by: approver.agent.clone(), owner: approver.owner.clone(), at_ms: seen.now_ms };
    Ok(match reject(current, &[detail("", message)]) {
        Verdict::Changed(mut change) => {
            change.state.denied = Some(denied);
            Verdict::Changed(change)
        }
        Verdict::Same => Verdict::Same,
    })
}

/// Takes a denial back.
///
/// # Errors
/// `denied` to whoever is neither of the owner who denied it nor an operator; conflict if nobody denied it.
pub(crate) fn lift(
    current: &Intent,
    by: &Caller,
    owner: Option<&Owner>,
    role: Role,
    reason: &str,
) -> Result<Verdict<Intent>, Fault> {
    let Some(denial) = &current.denied else {
        return Err(Fault::conflict(format!("it is {}, and nobody denied it", current.state.name())));
    };
    if Some(&denial.owner) != owner && role != Role::Operator {
        let message = format!("{} denied it: they may lift that, or an operator", denial.owner);
        return Err(Fault::denied(message));
    }
    let mut state = Intent { denied: None, ..current.clone() };
    state.reasons.push(detail("", format!("{by} lifted the denial: {reason}")));
    let lifted = Lifted { by: by.clone(), reason: reason.to_owned() };
    Ok(Change::new(&INTENT_LIFTED, &lifted, state).into())
}

/// Whether the intent waits for an approval that this approver may give.
pub(crate) fn waits_for(current: &Intent, owner: &Owner, role: Role, now_ms: u64) -> bool {
    waiting(current).is_ok_and(|decision| {
        decision.requirement.role == role
            && current.owner != *owner
            && now_ms < current.expires_at_ms
            && current.grants.iter().all(|grant| grant.owner != *owner)
    })
}

/// The bytes that an approved intent's token is over.
pub(crate) fn sealed_bytes(intent: &Intent, decision: &Decision) -> Vec<u8> {
    let mut owners: Vec<&Owner> = intent.grants.iter().map(|grant| &grant.owner).collect();
    owners.sort();
    token_bytes(intent, &decision.approval_digest, &owners)
}

/// What is wrong with the approvals of an intent: their number, who gave them, their signatures. Nothing of
/// it can be where governance recorded it; it is held against what was recorded all the same.
pub(crate) fn unsound(intent: &Intent, decision: &Decision) -> Vec<Detail> {
    let mut reasons = Vec::new();
    let owners: std::collections::BTreeSet<_> = intent.grants.iter().map(|grant| &grant.owner).collect();
    let (wanted, is_own) = (decision.requirement.approvals as usize, owners.contains(&intent.owner));
    if owners.len() < wanted || is_own {
        let is = owners.len() - usize::from(is_own);
        reasons.push(detail("/grants", format!("{is} owners approved it, of {wanted}")));
    }
    for (index, grant) in intent.grants.iter().enumerate() {
        let Grant { approver, owner, role, key, signature, .. } = grant;
        let approver = Approver { agent: approver, owner, role: *role, key };
        let at = format!("/grants/{index}");
        if *role != decision.requirement.role {
            reasons.push(detail(&at, format!("{role} is not the role that approves it")));
        }
        let forged = forgery(intent, approver, &decision.approval_digest, signature);
        reasons.extend(forged.map(|objection| detail(&at, objection.detail.message)));
    }
    reasons
}

/// Why an approval does not count.
struct Objection {
    code: Code,
    detail: Detail,
}

fn has_approved(current: &Intent, approver: Approver<'_>, digest: &Digest) -> bool {
    let is_of_this = current.decision.as_ref().is_some_and(|decision| decision.approval_digest == *digest);
    is_of_this && current.grants.iter().any(|grant| grant.approver == *approver.agent)
}

/// The decision of an intent that waits for approvals.
fn waiting(current: &Intent) -> Result<&Decision, Fault> {
    match (current.state, &current.decision) {
        (IntentState::Verified, Some(decision)) if decision.requirement.approvals > 0 => Ok(decision),
        (IntentState::Verified, _) => {
            Err(Fault::conflict("it needs no approval; its proposer or an operator may cancel it"))
        }
        (state, _) => Err(Fault::conflict(format!("it is {}, and waits for no approval", state.name()))),
    }
}

/// Why this approver may neither approve nor deny it.
fn may_judge(current: &Intent, decision: &Decision, by: Approver<'_>, seen: Seen<'_>) -> Vec<Objection> {
    let mut found = Vec::new();
    let mut add =
        |code, at: &str, message: String| found.push(Objection { code, detail: detail(at, message) });
    if by.role != decision.requirement.role {
        let wanted = decision.requirement.role;
        add(Code::Denied, "", format!("it is for the role {wanted} to approve, not for a {}", by.role));
    }
    if by.owner == &current.owner && !is_broken(Guard::OwnApproval) {
        let message =
            format!("{} answers for its proposer {}: another owner must approve", by.owner, current.proposer);
        add(Code::Denied, "", message);
    }
    if *seen.digest != decision.approval_digest {
        let message = format!("expected {}: look at it again", decision.approval_digest);
        add(Code::Conflict, "/digest", message);
    }
    found
}

/// Why this approval may not be added.
fn objections(current: &Intent, decision: &Decision, by: Approver<'_>, seen: Seen<'_>) -> Vec<Objection> {
    let mut found = may_judge(current, decision, by, seen);
    let mut add = |code, message: String| found.push(Objection { code, detail: detail("", message) });
    if let Some(grant) = current.grants.iter().find(|grant| grant.owner == *by.owner) {
        let message =
            format!("{} has approved it already, as {}; a quorum counts owners", grant.owner, grant.approver);
        add(Code::Denied, message);
    }
    if seen.now_ms >= current.expires_at_ms {
        add(Code::Conflict, "its time has run out; it has to be proposed again".to_owned());
    }
    if seen.activation != decision.activation {
        let message = format!(
            "it was decided under activation {} of a policy, and {} is in force; its proposer has to propose it again",
            decision.activation, seen.activation
        );
        add(Code::Conflict, message);
    }
    found
}

fn forgery(current: &Intent, by: Approver<'_>, digest: &Digest, signature: &str) -> Option<Objection> {
    let wrong = |message: String| Objection { code: Code::Denied, detail: detail("/signature", message) };
    let Some(bytes) = decode_base64url(signature) else {
        return Some(wrong("expected unpadded base64url".to_owned()));
    };
    let text = approval_text(by.agent, &current.id, digest);
    let verified = verify_text(by.key, &text, &bytes);
    verified.err().map(|error| wrong(format!("{error}: expected one by {}'s identity key", by.agent)))
}

fn refuse(objections: Vec<Objection>) -> Result<(), Fault> {
    let is_denied = objections.iter().any(|objection| objection.code == Code::Denied);
    let details: Vec<_> = objections.into_iter().map(|objection| objection.detail).collect();
    match details.first() {
        None => Ok(()),
        Some(first) => {
            let code = if is_denied { Code::Denied } else { Code::Conflict };
            Err(Fault { code, message: first.message.clone(), details })
        }
    }
}

#[cfg(test)]
mod tests;
