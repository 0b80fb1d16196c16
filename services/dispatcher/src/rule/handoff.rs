//! What may become of a handoff, and everything that may be wrong with one. The table of its states stands at the
//! head of `contracts::payload::handoff`.

use selvedge_contracts::{
    fact::{
        FactType, HANDOFF_ACCEPTED, HANDOFF_COMPLETED, HANDOFF_DECLINED, HANDOFF_EXPIRED, HANDOFF_OFFERED,
        HANDOFF_STALE, HANDOFF_WITHDRAWN,
    },
    fault::{Code, Detail, Fault},
    id::{AgentId, Caller, Mission, Owner},
    payload::{
        Nothing,
        agent::{Agent, AgentStatus},
        handoff::{
            Handoff, HandoffResult, HandoffState, HandoffStep, MAX_HANDOFF_BYTES, MAX_HANDOFF_MS, Offer,
            RECEIVERS, Receiver, Taken,
        },
    },
    role::Role,
};
use selvedge_kit::rule::{Change, Verdict};
use serde_json::Value;

use super::{cut, detail, dispute, inexact};

/// What the service found about an offer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// What is wrong with the input by its contract; nothing if there is no such contract.
    pub(crate) input: Option<Vec<Detail>>,
    /// Whether there is the contract of what is expected.
    pub(crate) has_output_contract: bool,
    /// Whether there is the task that it continues; true if it names none.
    pub(crate) has_task: bool,
    /// At which revision each of its preconditions' entities stands.
    pub(crate) revisions: Vec<u64>,
    /// Of each stored content why it cannot be used; nothing if it can.
    pub(crate) unusable: Vec<Option<String>>,
    /// What is wrong with its receiver.
    pub(crate) receiver: Vec<Detail>,
}

/// Everything that does not fit about an offer; places are pointers into the request that made it.
pub(crate) fn reasons(offer: &Offer, seen: &Seen, now_ms: u64) -> Vec<Detail> {
    let mut found = bounds("/offer/input", &offer.input);
    let unknown =
        |contract| format!("there is no contract {contract}; registry.contract_list shows those there are");
    match &seen.input {
        None => found.push(detail("/offer/input_contract", unknown(&offer.input_contract))),
        Some(violations) => found.extend(
            violations.iter().map(|wrong| detail(format!("/offer/input{}", wrong.at), wrong.message.clone())),
        ),
    }
    if !seen.has_output_contract {
        found.push(detail("/offer/output_contract", unknown(&offer.output_contract)));
    }
    if !seen.has_task {
        found.push(detail("/offer/task", "there is no such task in this mission, or nobody ever had it"));
    }
    found.extend(deadline(offer, now_ms));
    found.extend(blown(offer, &seen.revisions));
    for (index, why) in seen.unusable.iter().enumerate() {
        found.extend(why.iter().map(|why| detail(format!("/offer/artifacts/{index}"), why.clone())));
    }
    found.extend(seen.receiver.iter().cloned());
    found
}

/// Everything that is wrong with a value that crosses from agent to agent, whatever its contract says.
pub(crate) fn bounds(at: &str, value: &Value) -> Vec<Detail> {
    let mut found = Vec::new();
    let bytes = serde_json::to_vec(value).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_HANDOFF_BYTES {
        let message = format!(
            "has {bytes} bytes as JSON; at most {MAX_HANDOFF_BYTES} are accepted: store it with artifacts.put and refer to it"
        );
        found.push(detail(at, message));
    }
    inexact(value, at, &mut found);
    found
}

fn deadline(offer: &Offer, now_ms: u64) -> Option<Detail> {
    let at_ms = offer.deadline_at_ms;
    let message = if at_ms <= now_ms {
        format!("passed {} ms ago", now_ms.saturating_sub(at_ms))
    } else if at_ms.saturating_sub(now_ms) > MAX_HANDOFF_MS {
        format!("lies more than {MAX_HANDOFF_MS} ms ahead, 30 days; make it earlier, and offer it again then")
    } else {
        return None;
    };
    Some(detail("/offer/deadline_at_ms", message))
}

/// The preconditions that do not hold.
pub(crate) fn blown(offer: &Offer, revisions: &[u64]) -> Vec<Detail> {
    let seen = dispute::standing(&offer.preconditions, revisions);
    let failed = seen.into_iter().enumerate().filter(|(_, finding)| !finding.passed);
    let said = |finding: selvedge_contracts::payload::task::Finding| {
        format!("expected that {}; {}: read it again", finding.check, finding.seen)
    };
    failed.map(|(index, finding)| detail(format!("/offer/preconditions/{index}"), said(finding))).collect()
}

/// What is wrong with the receiver of an offer: `known` are the agents that it may mean.
pub(crate) fn receiver<'a>(
    offer: &Offer,
    from: &AgentId,
    mission: &Mission,
    known: impl IntoIterator<Item = &'a Agent>,
) -> Vec<Detail> {
    let mut known = known.into_iter();
    match &offer.to {
        Receiver::Agent { agent } if agent == from => {
            vec![detail("/offer/to/agent", "is whoever offers it; do it yourself")]
        }
        Receiver::Agent { agent } => match known.find(|found| found.id == *agent) {
            None => vec![detail("/offer/to/agent", format!("there is no agent {agent}"))],
            Some(found) => unfit(offer, found, mission),
        },
        Receiver::Role { role, .. } if !RECEIVERS.contains(role) => {
            let names = RECEIVERS.map(Role::name).join(", ");
            vec![detail("/offer/to/role", format!("a {role} takes no handoffs; expected one of {names}"))]
        }
        Receiver::Role { role, .. } => {
            let of_role = |agent: &&Agent| agent.roles.get(mission) == Some(role) && agent.id != *from;
            if known.any(|agent| of_role(&agent) && unfit(offer, agent, mission).is_empty()) {
                return Vec::new();
            }
            let wanted = match offer.capabilities.as_slice() {
                [] => String::new(),
                wanted => format!(" says that it can {}", wanted.join(", ")),
            };
            vec![detail("/offer/to/role", format!("no other {role} of the mission{wanted}"))]
        }
    }
}

/// Why an agent could not take what is offered.
pub(crate) fn unfit(offer: &Offer, agent: &Agent, mission: &Mission) -> Vec<Detail> {
    let mut found = Vec::new();
    if agent.status == AgentStatus::Retired {
        found.push(detail("/offer/to", format!("{} is retired", agent.id)));
    }
    match agent.roles.get(mission) {
        None => found.push(detail("/offer/to", format!("{} is no member of the mission", agent.id))),
        Some(role) if !RECEIVERS.contains(role) => {
            found.push(detail("/offer/to", format!("{} is an {role}, who takes no handoffs", agent.id)));
        }
        Some(_) => {}
    }
    for (index, wanted) in offer.capabilities.iter().enumerate() {
        if !agent.about.capabilities.contains(wanted) {
            let says = match agent.about.capabilities.as_slice() {
                [] => "nothing".to_owned(),
                says => says.join(", "),
            };
            let message = format!("{} does not say that it can {wanted:?}; it says: {says}", agent.id);
            found.push(detail(format!("/offer/capabilities/{index}"), message));
        }
    }
    found
}

/// The refusal with every reason.
pub(crate) fn refuse(details: Vec<Detail>, message: &str) -> Fault {
    Fault { code: Code::Conflict, message: message.to_owned(), details }
}

/// Puts an offer on the record; one that is there already stays as it stands.
pub(crate) fn offer(current: Option<&Handoff>, wanted: &Handoff) -> Verdict<Handoff> {
    match current {
        Some(_) => Verdict::Same,
        None => Change::new(&HANDOFF_OFFERED, &Nothing {}, wanted.clone()).into(),
    }
}

/// Who answers an offer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) agent: &'a AgentId,
    pub(crate) caller: &'a Caller,
    pub(crate) role: Role,
}

/// Whether a handoff is offered to whoever asks.
///
/// # Errors
/// `denied` if it is not.
pub(crate) fn addressed(current: &Handoff, by: &Asker<'_>) -> Result<(), Fault> {
    let is_theirs = match &current.offer.to {
        Receiver::Agent { agent } => agent == by.agent,
        Receiver::Role { role, .. } => *role == by.role && current.from != *by.agent,
    };
    if is_theirs {
        return Ok(());
    }
    Err(Fault::denied(format!("it is offered to {}, and not to {}", current.offer.to, by.agent)))
}

fn moved(
    current: &Handoff,
    fact: &FactType<Nothing, Handoff>,
    (state, by, at_ms): (HandoffState, &Caller, u64),
    change: impl FnOnce(&mut Handoff),
) -> Verdict<Handoff> {
    let mut after = Handoff { state, ..current.clone() };
    after.history.push(HandoffStep { state, by: by.clone(), at_ms });
    change(&mut after);
    Change::new(fact, &Nothing {}, after).into()
}

fn over(current: &Handoff) -> Fault {
    let by = current.history.last().map(|step| format!(" by {}", step.by)).unwrap_or_default();
    Fault::conflict(format!("it is {}{by}", current.state.name()))
}

/// Gives what is offered to whoever accepts it.
///
/// # Errors
/// `denied` to others than its receiver; conflict if somebody else was first, it is over, or its deadline passed.
pub(crate) fn accept(current: &Handoff, by: &Asker<'_>, taken: &Taken) -> Result<Verdict<Handoff>, Fault> {
    addressed(current, by)?;
    let is_repetition = current.state == HandoffState::Accepted
        && current.receiver.as_ref().is_some_and(|receiver| receiver.by == *by.agent);
    if is_repetition {
        return Ok(Verdict::Same);
    }
    open_offer(current, taken.at_ms)?;
    Ok(moved(current, &HANDOFF_ACCEPTED, (HandoffState::Accepted, by.caller, taken.at_ms), |after| {
        after.receiver = Some(taken.clone());
    }))
}

fn open_offer(current: &Handoff, now_ms: u64) -> Result<(), Fault> {
    match (&current.receiver, current.state) {
        (_, HandoffState::Offered) if now_ms >= current.offer.deadline_at_ms => {
            Err(Fault::conflict("its deadline passed"))
        }
        (_, HandoffState::Offered) => Ok(()),
        (Some(receiver), HandoffState::Accepted) => {
            Err(Fault::conflict(format!("{} was first and has accepted it", receiver.by)))
        }
        _ => Err(over(current)),
    }
}

/// What is offered rests on something that has moved on: nobody can accept it any more.
pub(crate) fn spoil(current: &Handoff, by: &Caller, reason: &str, now_ms: u64) -> Verdict<Handoff> {
    if current.state != HandoffState::Offered {
        return Verdict::Same;
    }
    moved(current, &HANDOFF_STALE, (HandoffState::Stale, by, now_ms), |after| {
        after.reason = Some(cut(reason));
    })
}

/// Its receiver does not want it.
///
/// # Errors
/// `denied` to others, and to one of many to whom it is offered; conflict if it is accepted or over.
pub(crate) fn decline(
    current: &Handoff,
    by: &Asker<'_>,
    taken: &Taken,
    reason: &str,
) -> Result<Verdict<Handoff>, Fault> {
    addressed(current, by)?;
    if let Receiver::Role { role, .. } = &current.offer.to {
        return Err(Fault::denied(format!("it is offered to every {role}: leave it to the others")));
    }
    let is_repetition = current.state == HandoffState::Declined
        && current.receiver.as_ref().is_some_and(|receiver| receiver.by == *by.agent);
    if is_repetition {
        return Ok(Verdict::Same);
    }
    open_offer(current, taken.at_ms)?;
    Ok(moved(current, &HANDOFF_DECLINED, (HandoffState::Declined, by.caller, taken.at_ms), |after| {
        after.receiver = Some(taken.clone());
        after.reason = Some(cut(reason));
    }))
}

/// Takes what was expected from whoever accepted it; that it satisfies its contract is for the caller to see.
///
/// # Errors
/// `denied` to others than who accepted it; conflict if it is not accepted, or its deadline passed.
pub(crate) fn complete(
    current: &Handoff,
    by: &Asker<'_>,
    result: &HandoffResult,
) -> Result<Verdict<Handoff>, Fault> {
    match (&current.receiver, current.state) {
        (Some(receiver), HandoffState::Accepted | HandoffState::Completed) if receiver.by != *by.agent => {
            return Err(Fault::denied(format!("{} has accepted it, not {}", receiver.by, by.agent)));
        }
        (Some(_), HandoffState::Accepted) => {}
        (Some(_), HandoffState::Completed)
            if current.result.as_ref().is_some_and(|done| {
                (&done.digest, &done.artifacts) == (&result.digest, &result.artifacts)
            }) =>
        {
            return Ok(Verdict::Same);
        }
        (_, HandoffState::Offered) => return Err(Fault::conflict("nobody has accepted it yet")),
        _ => return Err(over(current)),
    }
    if result.at_ms >= current.offer.deadline_at_ms {
        return Err(Fault::conflict("its deadline passed"));
    }
    Ok(moved(current, &HANDOFF_COMPLETED, (HandoffState::Completed, by.caller, result.at_ms), |after| {
        after.result = Some(result.clone());
    }))
}

/// Takes back what was offered, also where somebody does it already.
///
/// # Errors
/// `denied` to others than its sender, whoever answers for them, and operators; conflict if it is over.
pub(crate) fn withdraw(
    current: &Handoff,
    (by, owner, role): (&Caller, Option<&Owner>, Role),
    reason: &str,
    now_ms: u64,
) -> Result<Verdict<Handoff>, Fault> {
    let is_theirs =
        current.from.as_str() == by.as_str() || owner == Some(&current.owner) || role == Role::Operator;
    if !is_theirs {
        return Err(Fault::denied(format!(
            "{} offered it for {}: they may take it back, or an operator",
            current.from, current.owner
        )));
    }
    match current.state {
        HandoffState::Withdrawn => Ok(Verdict::Same),
        state if state.is_open() => {
            Ok(moved(current, &HANDOFF_WITHDRAWN, (HandoffState::Withdrawn, by, now_ms), |after| {
                after.reason = Some(cut(reason));
            }))
        }
        _ => Err(over(current)),
    }
}

/// Ends what was not done in time.
pub(crate) fn expire(current: &Handoff, by: &Caller, now_ms: u64) -> Verdict<Handoff> {
    if !current.state.is_open() || now_ms < current.offer.deadline_at_ms {
        return Verdict::Same;
    }
    moved(current, &HANDOFF_EXPIRED, (HandoffState::Expired, by, now_ms), |_| {})
}

#[cfg(test)]
mod tests;
