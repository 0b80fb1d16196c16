//! What may be recorded about a creation. Each rule looks at the state that its own facts say, and at where it
//! stands with the facts of its thing taken into account, as far as this replica knows.

use selvedge_contracts::{
    fact::{
        CREATION_CHECKED, CREATION_DECIDED, CREATION_EDITED, CREATION_EXPIRED, CREATION_PROPOSED,
        CREATION_REOPENED,
    },
    fault::Fault,
    id::{Caller, CreationId, Owner},
    payload::{
        Nothing,
        overlap::{Answer, Basis, Checked, Creation, CreationState, Decision, Reopened},
    },
    role::Role,
};
use selvedge_kit::rule::{Change, Verdict};

/// A creation as it stands: its last fact's state, that fact's sequence, and where it stands with the facts of its
/// thing, if that is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    pub(crate) creation: &'a Creation,
    pub(crate) revision: u64,
    pub(crate) known: Option<CreationState>,
    /// Whether its thing is there, and it says something else of it since.
    pub(crate) is_edit: bool,
}

impl Standing<'_> {
    /// Its place in the order.
    pub(crate) fn place(&self) -> u64 {
        if self.creation.place == 0 { self.revision } else { self.creation.place }
    }

    /// Where it stands. What its own facts say holds where the owner of its thing has said nothing else, and where it
    /// has not gone with what it is a part of, or with a part of it.
    pub(crate) fn state(&self) -> CreationState {
        match self.known {
            Some(known @ (CreationState::Existing | CreationState::Removed | CreationState::Expired))
                if !matches!(self.creation.state, CreationState::Merged | CreationState::Discarded) =>
            {
                known
            }
            _ => self.creation.state,
        }
    }

    /// Where it stands for whoever wants it: an edit of what is there is open until somebody answers.
    pub(crate) fn stands(&self) -> CreationState {
        if self.is_edit && self.creation.state.is_open() { self.creation.state } else { self.state() }
    }

    /// The same creation with its place written down, for a fact that does not give it a new one.
    fn carried(&self) -> Creation {
        Creation { place: self.place(), ..self.creation.clone() }
    }
}

/// Whether two agents that name the same thing mean the same: the id of an intent is the digest of what it does,
/// that of a plan the digest of what it says, a plan's task is called by its plan, and of an artifact nothing is
/// compared but its name.
fn names_its_content(creation: &Creation) -> bool {
    matches!(creation.what.as_str(), "intent" | "plan" | "artifact") || creation.part_of.is_some()
}

/// Whether what stands there is another agent's, so that this one cannot have it.
pub(crate) fn is_taken(standing: Standing<'_>, wanted: &Creation) -> bool {
    let is_own_kind = !standing.creation.what.is_of_the_fabric();
    let stands = standing.state().is_open() || is_own_kind && standing.state() == CreationState::Existing;
    stands && standing.creation.proposer.agent != wanted.proposer.agent && !names_its_content(wanted)
}

/// Something is to be created.
pub(crate) fn propose(standing: Option<Standing<'_>>, wanted: &Creation) -> Verdict<Creation> {
    let Some(standing) = standing else {
        return Change::new(&CREATION_PROPOSED, &Nothing {}, wanted.clone()).into();
    };
    let is_own = standing.creation.proposer.agent == wanted.proposer.agent;
    let is_same = standing.creation.content == wanted.content;
    let is_left = standing.state() == CreationState::Asked && !is_own && names_its_content(wanted);
    match standing.state() {
        CreationState::Expired | CreationState::Removed => {
            Change::new(&CREATION_PROPOSED, &Nothing {}, wanted.clone()).into()
        }
        CreationState::Merged | CreationState::Discarded if is_own && is_same => Verdict::Same,
        CreationState::Merged | CreationState::Discarded => {
            Change::new(&CREATION_PROPOSED, &Nothing {}, wanted.clone()).into()
        }
        // Whoever was asked has not answered, and may never: whoever wants it now is asked instead.
        _ if is_left => Change::new(&CREATION_PROPOSED, &Nothing {}, wanted.clone()).into(),
        // An edit that nobody answered in time is wanted after all.
        _ if is_own && standing.is_edit && standing.creation.state == CreationState::Expired => {
            Change::new(&CREATION_EDITED, &Nothing {}, wanted.clone()).into()
        }
        _ if is_own && !is_same => {
            let edited = Creation { proposed_at_ms: standing.creation.proposed_at_ms, ..wanted.clone() };
            Change::new(&CREATION_EDITED, &Nothing {}, edited).into()
        }
        _ => Verdict::Same,
    }
}

/// What looks like it was found, for the place at which it stands.
pub(crate) fn checked(standing: Standing<'_>, place: u64, found: &Checked, asks: Asks) -> Verdict<Creation> {
    if standing.place() != place || standing.creation.state != CreationState::Pending {
        return Verdict::Same;
    }
    let state = match asks {
        Asks::Yes => CreationState::Asked,
        // Its proposer may be gone: it stays open until somebody answers.
        Asks::No if standing.creation.reopened && !standing.creation.what.is_of_the_fabric() => {
            CreationState::Asked
        }
        Asks::No => cleared(standing.creation),
    };
    let after = Creation { state, checked: Some(found.clone()), ..standing.carried() };
    Change::new(&CREATION_CHECKED, found, after).into()
}

/// Whether a check found something to ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// It did.
    Yes,
    /// It did not.
    No,
}

/// What a creation is once nothing stands in its way: there, if nobody else will say so.
fn cleared(creation: &Creation) -> CreationState {
    if creation.what.is_of_the_fabric() { CreationState::Cleared } else { CreationState::Existing }
}

/// Who decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decider<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) owner: Option<&'a Owner>,
    pub(crate) role: Role,
}

impl Decider<'_> {
    fn may_decide(&self, creation: &Creation) -> bool {
        *self.caller == creation.proposer.agent
            || self.owner == Some(&creation.proposer.owner)
            || matches!(self.role, Role::Planner | Role::Arbitrator | Role::Operator)
    }
}

impl Decider<'_> {
    /// Whether it was this agent who decided, or another one of the same owner.
    fn has_made(&self, decision: &Decision) -> bool {
        *self.caller == decision.by || self.owner.is_some() && self.owner == decision.owner.as_ref()
    }
}

/// A decision that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) answer: Answer,
    pub(crate) reason: Option<String>,
    /// What stands at the end of the chain, if it is to be merged.
    pub(crate) root: Option<CreationId>,
    /// What the index has taken in now.
    pub(crate) basis: Basis,
    pub(crate) now_ms: u64,
    /// How long a creation waits for its thing, in milliseconds.
    pub(crate) ttl_ms: u64,
}

/// Somebody says what is to become of it.
///
/// # Errors
/// `not_found`, `denied`, or `conflict` if something else was decided, or nothing can be any more.
pub(crate) fn decide(
    standing: Option<Standing<'_>>,
    by: Decider<'_>,
    wanted: &Wanted,
) -> Result<Verdict<Creation>, Fault> {
    let standing = standing.ok_or_else(|| Fault::not_found("there is no such creation in this mission"))?;
    let creation = standing.creation;
    if !by.may_decide(creation) {
        return Err(Fault::denied(format!(
            "{} proposed it: it is decided by that agent, another one of {}, a planner, an arbitrator or an operator",
            creation.proposer.agent, creation.proposer.owner
        )));
    }
    let is_own_to_end = !creation.what.is_of_the_fabric()
        && creation.state == CreationState::Existing
        && wanted.answer == Answer::Discard;
    // Who decided against it may think better of it; of two who decide at once, one is heard.
    let is_own_decision = creation.decision.as_ref().is_some_and(|decision| by.has_made(decision));
    let is_withdrawn =
        creation.state == CreationState::Discarded && wanted.answer == Answer::Proceed && is_own_decision;
    let is_decided_anew = is_own_to_end || is_withdrawn;
    if let Some(decision) = creation.decision.as_ref().filter(|_| !is_decided_anew) {
        let is_same = decision.answer == wanted.answer
            || matches!(wanted.answer, Answer::Merge(_))
                && decision.root == wanted.root
                && wanted.root.is_some();
        return if is_same { Ok(Verdict::Same) } else { Err(decided(decision)) };
    }
    let may_be = creation.state.is_open() && standing.stands().is_open()
        || creation.state == CreationState::Asked && standing.stands() != CreationState::Expired
        || is_decided_anew;
    if !may_be {
        return Err(Fault::conflict(format!(
            "it is {}, and nothing is to be decided about it; overlap.show says more",
            standing.stands()
        )));
    }
    let basis = creation.checked.as_ref().map_or_else(|| wanted.basis.clone(), |found| found.basis.clone());
    let decision = Decision {
        answer: wanted.answer.clone(),
        reason: wanted.reason.clone(),
        by: by.caller.clone(),
        owner: by.owner.cloned(),
        at_ms: wanted.now_ms,
        root: wanted.root.clone(),
        basis: Some(basis),
    };
    let state = match &wanted.answer {
        Answer::Proceed => cleared(creation),
        Answer::Merge(_) => CreationState::Merged,
        Answer::Discard => CreationState::Discarded,
    };
    let expires_at_ms = match is_withdrawn {
        true => wanted.now_ms.saturating_add(wanted.ttl_ms),
        false => creation.expires_at_ms,
    };
    let decided = Some(decision.clone());
    let after = Creation { state, decision: decided, reopened: false, expires_at_ms, ..standing.carried() };
    Ok(Change::new(&CREATION_DECIDED, &decision, after).into())
}

fn decided(decision: &Decision) -> Fault {
    let what = match &decision.answer {
        Answer::Proceed => "to go on with it".to_owned(),
        Answer::Merge(into) => format!("to merge it into {into}"),
        Answer::Discard => "to discard it".to_owned(),
    };
    Fault::conflict(format!("{} decided {what}: that stands", decision.by))
}

/// Its time is over.
pub(crate) fn expire(standing: Standing<'_>, now_ms: u64) -> Verdict<Creation> {
    let creation = standing.creation;
    if !standing.stands().is_open() || creation.expires_at_ms > now_ms {
        return Verdict::Same;
    }
    let after = Creation { state: CreationState::Expired, ..standing.carried() };
    Change::new(&CREATION_EXPIRED, &Nothing {}, after).into()
}

/// What it was merged into is gone.
pub(crate) fn reopen(
    standing: Standing<'_>,
    into: &CreationId,
    became: CreationState,
    now_ms: u64,
    ttl_ms: u64,
) -> Verdict<Creation> {
    let creation = standing.creation;
    let merged = creation.decision.as_ref().map(|decision| &decision.answer);
    if creation.state != CreationState::Merged || merged != Some(&Answer::Merge(into.clone())) {
        return Verdict::Same;
    }
    let after = Creation {
        state: CreationState::Pending,
        place: 0,
        checked: None,
        decision: None,
        reopened: true,
        expires_at_ms: now_ms.saturating_add(ttl_ms),
        ..creation.clone()
    };
    Change::new(&CREATION_REOPENED, &Reopened { into: into.clone(), became }, after).into()
}

#[cfg(test)]
mod tests;
