//! What may become of an intent until it is executed. The table of its states stands at the head of
//! `contracts::payload::intent`.

use selvedge_contracts::{
    fact::{INTENT_CANCELLED, INTENT_EXPIRED, INTENT_PROPOSED, INTENT_REJECTED, INTENT_VERIFIED},
    fault::{Detail, Fault},
    id::{Caller, Owner},
    payload::{
        Nothing,
        intent::{Decision, Intent, IntentPrecondition, IntentState, Reasons, Requirement, approval_digest},
    },
    role::Role,
};
use selvedge_kit::rule::{Change, Verdict};

/// What somebody wants done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    /// As it would stand on the record if it had never been proposed.
    pub(crate) intent: Intent,
    /// The life that was asked for, in milliseconds.
    pub(crate) ttl_ms: Option<u64>,
    /// Which activation of a policy decides now.
    pub(crate) activation: u32,
}

/// What was found when an intent was held against the world.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Finding {
    /// It may be done, under these terms.
    Fits(Terms),
    /// It may not: every reason.
    Refused(Vec<Detail>),
}

/// Under what an intent may be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Terms {
    /// The version of the policy that decided.
    pub(crate) policy: Option<u32>,
    /// Which activation that was.
    pub(crate) activation: u32,
    /// The rules that decided.
    pub(crate) rules: Vec<String>,
    /// What they ask for.
    pub(crate) requirement: Requirement,
    /// What was looked at.
    pub(crate) seen: Vec<IntentPrecondition>,
}

/// Whether it is neither over nor taken up by the committer.
pub(crate) fn is_open(intent: &Intent) -> bool {
    matches!(intent.state, IntentState::Proposed | IntentState::Verified | IntentState::Approved)
}

/// Puts an intent on the record. One that is there already stays as it stands, whoever asks; unless it is
/// over without effect (and was not denied), or its own proposer binds it to something else while it is open, or it was decided
/// under a policy that is no longer in force: then a new round begins, without approvals.
///
/// # Errors
/// Conflict if it was proposed more often than can be counted.
pub(crate) fn propose(current: Option<&Intent>, wanted: &Wanted) -> Result<Verdict<Intent>, Fault> {
    let round = match current {
        None => Some(0),
        Some(current) if current.denied.is_some() => return Ok(Verdict::Same),
        Some(current) if current.is_over_without_effect() => current.round.checked_add(1),
        Some(current) if is_open(current) && is_bound_anew(current, wanted) => current.round.checked_add(1),
        Some(_) => return Ok(Verdict::Same),
    };
    let round = round.ok_or_else(|| Fault::conflict("it was proposed too often; name another occurrence"))?;
    let state = Intent { round, ..wanted.intent.clone() };
    Ok(Change::new(&INTENT_PROPOSED, &Nothing {}, state).into())
}

fn is_bound_anew(current: &Intent, wanted: &Wanted) -> bool {
    let Wanted { intent, ttl_ms, activation } = wanted;
    let decision = current.decision.as_ref();
    let is_outdated = decision.is_some_and(|decision| decision.activation < *activation);
    let longest_ms = decision.and_then(|decision| decision.requirement.expires_after_ms);
    let ttl_of = |asked_ms: u64| longest_ms.map_or(asked_ms, |longest_ms| asked_ms.min(longest_ms));
    let lives_ms = current.expires_at_ms.saturating_sub(current.proposed_at_ms);
    let lives_otherwise = ttl_ms.is_some_and(|asked_ms| ttl_of(asked_ms) != lives_ms);
    current.proposer == intent.proposer
        && (is_outdated
            || lives_otherwise
            || current.tokens != intent.tokens
            || current.preconditions != intent.preconditions)
}

/// Records what was found about `seen`. If it is no longer what stands there, that is for whoever changed it.
pub(crate) fn verify(current: &Intent, seen: &Intent, finding: &Finding, now_ms: u64) -> Verdict<Intent> {
    if current.state != IntentState::Proposed || current != seen {
        return Verdict::Same;
    }
    match finding {
        Finding::Refused(reasons) => reject(current, reasons),
        Finding::Fits(_) if now_ms >= current.expires_at_ms => {
            reject(current, &[detail("", "its time ran out before it was verified; propose it again")])
        }
        Finding::Fits(terms) => accept(current, terms, now_ms),
    }
}

fn accept(current: &Intent, terms: &Terms, now_ms: u64) -> Verdict<Intent> {
    let Terms { policy, activation, rules, requirement, seen } = terms.clone();
    let latest_ms = requirement.expires_after_ms.map(|ms| current.proposed_at_ms.saturating_add(ms));
    let mut state = Intent {
        state: IntentState::Verified,
        expires_at_ms: latest_ms.map_or(current.expires_at_ms, |latest| latest.min(current.expires_at_ms)),
        ..current.clone()
    };
    let approval_digest = approval_digest(&state, &requirement, activation);
    state.decision = Some(Decision {
        policy,
        activation,
        rules,
        requirement,
        seen,
        approval_digest,
        decided_at_ms: now_ms,
    });
    Change::new(&INTENT_VERIFIED, &Nothing {}, state).into()
}

/// Ends an intent that may not be done, or no longer, with every reason.
pub(crate) fn reject(current: &Intent, reasons: &[Detail]) -> Verdict<Intent> {
    if !is_open(current) {
        return Verdict::Same;
    }
    let change = Reasons::of(reasons);
    let reasons = change.reasons.clone();
    let state = Intent { state: IntentState::Rejected, reasons, token: None, ..current.clone() };
    Change::new(&INTENT_REJECTED, &change, state).into()
}

/// Ends an intent that its proposer's owner or an operator wants no more.
///
/// # Errors
/// `denied` to others; conflict if it is executed already.
pub(crate) fn cancel(current: &Intent, by: &Canceller<'_>, reason: &str) -> Result<Verdict<Intent>, Fault> {
    let is_its_own = current.proposer == *by.caller || Some(&current.owner) == by.owner;
    // The dispatcher gives up what it proposed for a task whose plan is cancelled.
    let is_of_task = by.role == Role::Dispatcher && current.task.is_some();
    if !is_its_own && !is_of_task && by.role != Role::Operator {
        return Err(Fault::denied(format!(
            "{} proposed it for {}: they may cancel it, or an operator",
            current.proposer, current.owner
        )));
    }
    if current.state == IntentState::Cancelled {
        return Ok(Verdict::Same);
    }
    if !is_open(current) {
        return Err(Fault::conflict(format!("it is {}: there is nothing to cancel", current.state.name())));
    }
    Ok(end(current, &format!("{} cancelled it: {reason}", by.caller)))
}

/// Who cancels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Canceller<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) owner: Option<&'a Owner>,
    pub(crate) role: Role,
}

/// Ends an open intent as cancelled, by governance itself.
pub(crate) fn end(current: &Intent, reason: &str) -> Verdict<Intent> {
    if !is_open(current) {
        return Verdict::Same;
    }
    let reasons = vec![detail("", reason)];
    let change = Reasons { reasons: reasons.clone() };
    let state = Intent { state: IntentState::Cancelled, reasons, token: None, ..current.clone() };
    Change::new(&INTENT_CANCELLED, &change, state).into()
}

/// Ends an open intent whose time has run out; whatever round it is in, its own time counts.
pub(crate) fn expire(current: &Intent, now_ms: u64) -> Verdict<Intent> {
    if !is_open(current) || now_ms < current.expires_at_ms {
        return Verdict::Same;
    }
    let state = Intent { state: IntentState::Expired, token: None, ..current.clone() };
    Change::new(&INTENT_EXPIRED, &Nothing {}, state).into()
}

/// What has changed since an intent was found fit, so that it may no longer be done: every reason. What was
/// approved is bound to what it was approved under; what needed no approval is decided anew.
pub(crate) fn staleness(intent: &Intent, finding: &Finding, now_ms: u64) -> Vec<Detail> {
    let terms = match finding {
        Finding::Refused(reasons) => return reasons.clone(),
        Finding::Fits(terms) => terms,
    };
    let Some(decision) = &intent.decision else {
        return vec![detail("/decision", "it was never decided")];
    };
    let mut reasons = Vec::new();
    let is_bound = !intent.grants.is_empty();
    let is_met = match is_bound {
        true => terms.requirement == decision.requirement,
        false => {
            let lives_ms = now_ms.saturating_sub(intent.proposed_at_ms);
            let is_in_time =
                terms.requirement.expires_after_ms.is_none_or(|longest_ms| lives_ms < longest_ms);
            terms.requirement.approvals == 0 && is_in_time
        }
    };
    if !is_met {
        let message = format!("the policy in force asks for {}", in_words(&terms.requirement));
        reasons.push(detail("/decision/requirement", message));
    }
    if is_bound && terms.activation != decision.activation {
        reasons.push(detail(
            "/decision/activation",
            format!(
                "it was approved under activation {} of a policy, and activation {} is in force",
                decision.activation, terms.activation
            ),
        ));
    }
    if is_bound
        && decision.approval_digest != approval_digest(intent, &decision.requirement, decision.activation)
    {
        reasons.push(detail("/decision/approval_digest", "it is not what was approved"));
    }
    reasons
}

fn in_words(requirement: &Requirement) -> String {
    let Requirement { approvals, role, expires_after_ms } = requirement;
    let within = expires_after_ms.map(|ms| format!(" within {ms} ms")).unwrap_or_default();
    format!("{approvals} approvals by the role {role}{within}")
}

pub(crate) fn detail(at: &str, message: impl Into<String>) -> Detail {
    Detail { at: at.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests;
