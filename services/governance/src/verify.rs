//! Holds an intent against the world as it is now: the policy in force, the proposer's standing, the entities
//! it rests on (by the ledger's leader), the content that it names, the leases that it is done under. The
//! same look decides when it is proposed and when it is about to be executed.

use selvedge_contracts::{
    fact::EntityName,
    fault::Detail,
    id::{AgentId, Mission},
    payload::{
        agent::AgentStatus,
        intent::{Effect, Intent, IntentPrecondition, Requirement},
        policy::activation_id,
    },
    role::Role,
    subject::Entity,
};
use selvedge_kit::{clock::Deadline, service::Answer};

use crate::{
    intent::{Finding, Terms, detail},
    policy::{self, Question},
    state::Governance,
};

mod content;
mod lease;
mod precondition;

pub(crate) use content::{Reader, resolve};

/// What a look at the world found.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) finding: Finding,
    /// Until when its leases last (Unix time in milliseconds), if it is done under some.
    pub(crate) leases_until_ms: Option<u64>,
    /// The highest of its fencing tokens.
    pub(crate) highest_token: Option<u64>,
}

/// Looks at all of it; everything that stands against the intent is listed.
///
/// # Errors
/// `unavailable` if something cannot be looked at now: then nothing is decided.
pub(crate) async fn look(state: &Governance, intent: &Intent, deadline: Deadline) -> Answer<Look> {
    let (preconditions, content, leases) = tokio::try_join!(
        precondition::check(state, intent, deadline),
        content::check(state, intent, deadline),
        lease::check(state, intent, deadline),
    )?;
    let mut reasons = standing(state, intent);
    let requirement = match requirement(state, intent) {
        Ok(decided) => Some(decided),
        Err(refused) => {
            reasons.extend(refused);
            None
        }
    };
    reasons.extend(preconditions);
    reasons.extend(content);
    reasons.extend(leases.reasons);
    let finding = match requirement {
        Some(decided) if reasons.is_empty() => Finding::Fits(Terms { seen: seen(state, intent), ..decided }),
        _ => Finding::Refused(reasons),
    };
    let highest_token = intent.tokens.iter().map(|token| token.token).max();
    Ok(Look { finding, leases_until_ms: leases.until_ms, highest_token })
}

/// Which activation of a policy is in force in the mission.
pub(crate) fn activation(state: &Governance, mission: &Mission) -> u32 {
    let activation = state.policies.activations.state(mission, &activation_id());
    activation.map_or(0, |activation| activation.activation)
}

/// The life that the policy in force gives to such an intent, in milliseconds, if it says.
pub(crate) fn policy_ttl_ms(state: &Governance, intent: &Intent) -> Option<u64> {
    requirement(state, intent).ok()?.requirement.expires_after_ms
}

/// Why the proposer may not have it done, if its agent may no longer act as it did.
fn standing(state: &Governance, intent: &Intent) -> Vec<Detail> {
    let agent = AgentId::new(intent.proposer.as_str()).ok().and_then(|id| state.directory.agent(&id));
    let Some(agent) = agent.map(|entry| entry.state) else {
        return vec![detail("/proposer", format!("there is no agent {}", intent.proposer))];
    };
    let mut reasons = Vec::new();
    if agent.status == AgentStatus::Retired {
        reasons.push(detail("/proposer", format!("{} is retired", intent.proposer)));
    }
    if !has_role(&agent.roles, &intent.mission, intent.role) {
        let message = format!("{} is no {} in {}", intent.proposer, intent.role, intent.mission);
        reasons.push(detail("/role", message));
    }
    reasons
}

/// Whether an agent with these roles has this one in the mission. Operators have theirs in the whole kluster.
pub(crate) fn has_role(
    roles: &std::collections::BTreeMap<Mission, Role>,
    mission: &Mission,
    role: Role,
) -> bool {
    let mission = if role == Role::Operator { Mission::kluster() } else { mission.clone() };
    roles.get(&mission) == Some(&role)
}

/// What the policy in force asks for before the effect and its undo are done; whatever approves the one
/// approves the other. Without what was looked at.
fn requirement(state: &Governance, intent: &Intent) -> Result<Terms, Vec<Detail>> {
    let effect = decided(state, intent, &intent.effect, "/effect");
    let undo = intent.undo.as_ref().map(|undo| decided(state, intent, undo, "/undo")).transpose();
    let (mut terms, undo) = match (effect, undo) {
        (Ok(terms), Ok(undo)) => (terms, undo),
        (effect, undo) => {
            return Err(effect.err().into_iter().chain(undo.err()).flatten().collect());
        }
    };
    if let Some(undo) = undo {
        terms.requirement =
            strictest(&terms.requirement, &undo.requirement).map_err(|reason| vec![reason])?;
        terms.rules.extend(undo.rules);
        terms.rules.sort();
        terms.rules.dedup();
    }
    Ok(terms)
}

fn decided(state: &Governance, intent: &Intent, effect: &Effect, at: &str) -> Result<Terms, Vec<Detail>> {
    let Ok(agent) = AgentId::new(intent.proposer.as_str()) else {
        return Err(vec![detail("/proposer", "it is no agent")]);
    };
    let question = Question {
        mission: &intent.mission,
        agent: &agent,
        role: intent.role,
        owner: &intent.owner,
        task: intent.task.as_ref(),
        effect,
        has_undo: intent.undo.is_some(),
    };
    let policy::Answer { policy, activation, requirement, rules, errors } = state.policies.decide(&question);
    match requirement {
        Some(requirement) if errors.is_empty() => {
            Ok(Terms { policy, activation, rules, requirement, seen: Vec::new() })
        }
        _ => {
            let version =
                policy.map_or_else(|| "the policy".to_owned(), |version| format!("policy version {version}"));
            let by = if rules.is_empty() { "no rule permits it".to_owned() } else { rules.join(", ") };
            let refused = detail(at, format!("{version} forbids it: {by}"));
            let errors =
                errors.iter().map(|error| detail(at, format!("{version} cannot be evaluated: {error}")));
            Err(std::iter::once(refused).chain(errors).collect())
        }
    }
}

/// The requirement that satisfies both.
fn strictest(one: &Requirement, other: &Requirement) -> Result<Requirement, Detail> {
    let expires_after_ms = [one.expires_after_ms, other.expires_after_ms].into_iter().flatten().min();
    let both = |of: &Requirement, approvals| Requirement { approvals, role: of.role, expires_after_ms };
    match (one.approvals, other.approvals) {
        (_, 0) => Ok(both(one, one.approvals)),
        (0, _) => Ok(both(other, other.approvals)),
        (a, b) if one.role == other.role => Ok(both(one, a.max(b))),
        _ => Err(detail(
            "/undo",
            format!(
                "it is for the role {} to approve, and the effect for the role {}: expected one role that may approve both",
                other.role, one.role
            ),
        )),
    }
}

/// What was looked at, and at which revision: the preconditions, the proposer, the policy in force.
fn seen(state: &Governance, intent: &Intent) -> Vec<IntentPrecondition> {
    let agent = AgentId::new(intent.proposer.as_str()).ok().and_then(|id| state.directory.agent(&id));
    let agent = agent.map(|entry| IntentPrecondition {
        entity: EntityName::Agent,
        id: (&entry.state.id).into(),
        revision: entry.revision,
    });
    let activation = state.policies.activations.get(&intent.mission, &activation_id());
    let activation = activation.map(|entry| IntentPrecondition {
        entity: EntityName::Activation,
        id: activation_id(),
        revision: entry.revision,
    });
    intent.preconditions.iter().cloned().chain(agent).chain(activation).collect()
}

/// The entity that a precondition is about.
fn entity(mission: &Mission, wanted: &IntentPrecondition) -> Entity {
    let mission = if wanted.entity.is_kluster_wide() { Mission::kluster() } else { mission.clone() };
    Entity { mission, name: wanted.entity, id: wanted.id.clone() }
}

#[cfg(test)]
mod tests;
