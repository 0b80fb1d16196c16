//! What agents may become. An agent is made once, keeps its id, its name and its owner for ever, has
//! one role in each of its missions and one identity key at a time; a key belongs to one agent for
//! ever.
//!
//! Owns the entities `agent` and `key`. Never looks at an invite's state: `invite::redeem` does.

use std::collections::BTreeMap;

use selvedge_contracts::{
    fact::{AGENT_JOINED, AGENT_REGISTERED, AGENT_RETIRED, AGENT_ROTATED, AGENT_UPDATED, KEY_BOUND},
    fault::Fault,
    id::{AgentId, AgentName, Mission, PublicKey},
    payload::{
        Nothing,
        agent::{About, Agent, AgentStatus, Joined, Key, Reason, Rotated},
        invite::Invite,
    },
    role::Role,
};
use selvedge_kit::rule::{Change, Verdict};

/// Makes the agent `id`, or gives it the invite's role, or notes what it now says of itself.
///
/// # Errors
/// Conflict if the id belongs to another key (derive the next one) or the agent to another owner;
/// denied if it is retired.
pub(crate) fn join(
    current: Option<&Agent>,
    id: &AgentId,
    key: &PublicKey,
    invite: &Invite,
    about: &About,
    wanted_name: &AgentName,
    now_ms: u64,
) -> Result<Verdict<Agent>, Fault> {
    match current {
        Some(agent) if agent.key != *key => Err(other_key(id)),
        Some(agent) if agent.status == AgentStatus::Retired => Err(retired(agent)),
        Some(agent) if agent.owner != invite.owner => Err(other_owner(agent, invite)),
        Some(agent) => Ok(join_again(agent, invite, about)),
        None => Ok(register(id, key, invite, about, wanted_name, now_ms)),
    }
}

fn register(
    id: &AgentId,
    key: &PublicKey,
    invite: &Invite,
    about: &About,
    name: &AgentName,
    now_ms: u64,
) -> Verdict<Agent> {
    let state = Agent {
        id: id.clone(),
        name: name.clone(),
        key: key.clone(),
        owner: invite.owner.clone(),
        roles: BTreeMap::from([(invite.mission.clone(), invite.role)]),
        about: about.clone(),
        status: AgentStatus::Active,
        registered_at_ms: now_ms,
    };
    Change::new(&AGENT_REGISTERED, &joined(invite), state).into()
}

fn join_again(agent: &Agent, invite: &Invite, about: &About) -> Verdict<Agent> {
    if agent.roles.get(&invite.mission) == Some(&invite.role) {
        return say(agent, about);
    }
    let mut state = Agent { about: about.clone(), ..agent.clone() };
    state.roles.insert(invite.mission.clone(), invite.role);
    Change::new(&AGENT_JOINED, &joined(invite), state).into()
}

fn joined(invite: &Invite) -> Joined {
    Joined { mission: invite.mission.clone(), role: invite.role }
}

/// Whether the agent acts under this identity key and in this role in the mission, now.
///
/// # Errors
/// Denied if it is retired, or if its key or its role there was replaced.
pub(crate) fn check_role(
    current: &Agent,
    key: &PublicKey,
    mission: &Mission,
    role: Role,
) -> Result<(), Fault> {
    match current.roles.get(mission) {
        _ if current.status == AgentStatus::Retired => Err(retired(current)),
        _ if current.key != *key => Err(key_replaced(current)),
        Some(held) if *held == role => Ok(()),
        _ => Err(role_replaced(current, mission, role)),
    }
}

/// Notes what the agent now says of itself.
///
/// # Errors
/// Denied if it is retired.
pub(crate) fn update(current: &Agent, about: &About) -> Result<Verdict<Agent>, Fault> {
    match current.status {
        AgentStatus::Retired => Err(retired(current)),
        AgentStatus::Active => Ok(say(current, about)),
    }
}

fn say(agent: &Agent, about: &About) -> Verdict<Agent> {
    if agent.about == *about {
        return Verdict::Same;
    }
    Change::new(&AGENT_UPDATED, about, Agent { about: about.clone(), ..agent.clone() }).into()
}

/// Binds a key to an agent, for ever.
///
/// # Errors
/// Conflict if it is bound to another agent.
pub(crate) fn bind_key(
    current: Option<&Key>,
    key: &PublicKey,
    agent: &AgentId,
    now_ms: u64,
) -> Result<Verdict<Key>, Fault> {
    match current {
        Some(bound) if bound.agent == *agent => Ok(Verdict::Same),
        Some(bound) => Err(bound_elsewhere(bound)),
        None => {
            let state = Key { key: key.clone(), agent: agent.clone(), bound_at_ms: now_ms };
            Ok(Change::new(&KEY_BOUND, &Nothing {}, state).into())
        }
    }
}

/// Replaces the agent's identity key. Who may ask, and that the new key is held, the caller has checked.
///
/// # Errors
/// Denied if the agent is retired.
pub(crate) fn rotate(current: &Agent, key: &PublicKey) -> Result<Verdict<Agent>, Fault> {
    match current.status {
        AgentStatus::Retired => Err(retired(current)),
        AgentStatus::Active if current.key == *key => Ok(Verdict::Same),
        AgentStatus::Active => {
            let change = Rotated { before: current.key.clone(), after: key.clone() };
            Ok(Change::new(&AGENT_ROTATED, &change, Agent { key: key.clone(), ..current.clone() }).into())
        }
    }
}

/// Ends the agent's right to act, for ever; its record stays.
pub(crate) fn retire(current: &Agent, reason: &str) -> Verdict<Agent> {
    match current.status {
        AgentStatus::Retired => Verdict::Same,
        AgentStatus::Active => {
            let state = Agent { status: AgentStatus::Retired, ..current.clone() };
            Change::new(&AGENT_RETIRED, &Reason { reason: reason.to_owned() }, state).into()
        }
    }
}

fn other_key(id: &AgentId) -> Fault {
    Fault::conflict(format!(
        "the agent id {id} belongs to another key; join under the next id derived from this key"
    ))
}

fn other_owner(agent: &Agent, invite: &Invite) -> Fault {
    Fault::conflict(format!(
        "agent {} belongs to {}, but the invite {} is for {}; ask for an invite that names {}, or join with a new key",
        agent.id, agent.owner, invite.id, invite.owner, agent.owner
    ))
}

fn bound_elsewhere(bound: &Key) -> Fault {
    Fault::conflict(format!(
        "the key {} is bound to agent {} for ever; use that agent, or make a new key pair",
        bound.key, bound.agent
    ))
}

fn key_replaced(agent: &Agent) -> Fault {
    Fault::denied(format!("the key of {} was replaced by another one", agent.id))
}

fn role_replaced(agent: &Agent, mission: &Mission, role: Role) -> Fault {
    Fault::denied(format!("agent {} is no longer a {role} in the mission {mission}", agent.id))
}

fn retired(agent: &Agent) -> Fault {
    Fault::denied(format!(
        "agent {} is retired and may act no more; ask an operator for an invite and join with a new key",
        agent.id
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{agent_id, fact, key, mission, owner, state};
    use proptest::prelude::*;
    use selvedge_contracts::{fault::Code, id::InviteId, payload::invite::InviteStatus, role::Role};

    fn invite(mission_name: &str, role: Role, owner_name: &str) -> Invite {
        Invite {
            id: InviteId::new("invite_1").unwrap(),
            mission: mission(mission_name),
            role,
            owner: owner(owner_name),
            created_at_ms: 0,
            expires_at_ms: 1,
            status: InviteStatus::Open,
        }
    }

    fn about(model: &str) -> About {
        About { model: Some(model.to_owned()), ..About::default() }
    }

    fn join_with(
        current: Option<&Agent>,
        letter: char,
        invite: &Invite,
        model: &str,
    ) -> Result<Verdict<Agent>, Fault> {
        join(
            current,
            &agent_id("ada"),
            &key(letter),
            invite,
            &about(model),
            &AgentName::new("ada").unwrap(),
            7,
        )
    }

    fn ada() -> Agent {
        state(join_with(None, 'A', &invite("demo", Role::Worker, "ada"), "m"))
    }

    #[test]
    fn role_and_owner_come_from_the_invite() {
        let agent = ada();
        assert_eq!(agent.roles, BTreeMap::from([(mission("demo"), Role::Worker)]));
        assert_eq!((agent.owner, agent.registered_at_ms), (owner("ada"), 7));
    }

    #[test]
    fn the_same_key_never_makes_a_second_agent() {
        let again = |invite: &Invite, model| join_with(Some(&ada()), 'A', invite, model);
        let demo = invite("demo", Role::Worker, "ada");
        assert_eq!(again(&demo, "m"), Ok(Verdict::Same));
        assert_eq!(fact(&again(&demo, "another model")), "updated");
        assert_eq!(fact(&again(&invite("demo", Role::Verifier, "ada"), "m")), "joined");
        let joined: Agent = state(again(&invite("other", Role::Planner, "ada"), "another model"));
        assert_eq!(joined.roles.len(), 2);
        assert_eq!((joined.id, joined.name, joined.key), (ada().id, ada().name, ada().key));
        assert_eq!(joined.about, about("another model"));
    }

    #[test]
    fn another_key_or_owner_is_a_conflict() {
        let demo = invite("demo", Role::Worker, "ada");
        assert_eq!(join_with(Some(&ada()), 'B', &demo, "m").unwrap_err().code, Code::Conflict);
        let of_bob = invite("demo", Role::Worker, "bob");
        assert_eq!(join_with(Some(&ada()), 'A', &of_bob, "m").unwrap_err().code, Code::Conflict);
    }

    #[test]
    fn a_retired_agent_may_do_nothing() {
        let gone: Agent = state(Ok(retire(&ada(), "done")));
        let demo = invite("demo", Role::Worker, "ada");
        assert_eq!(join_with(Some(&gone), 'A', &demo, "m").unwrap_err().code, Code::Denied);
        assert_eq!(update(&gone, &about("m")).unwrap_err().code, Code::Denied);
        assert_eq!(rotate(&gone, &key('A')).unwrap_err().code, Code::Denied);
        assert_eq!(retire(&gone, "another reason"), Verdict::Same);
    }

    #[test]
    fn a_key_belongs_to_one_agent_for_ever() {
        let bound: Key = state(bind_key(None, &key('A'), &agent_id("ada"), 1));
        assert_eq!(bind_key(Some(&bound), &key('A'), &agent_id("ada"), 2), Ok(Verdict::Same));
        assert_eq!(bind_key(Some(&bound), &key('A'), &agent_id("bob"), 2).unwrap_err().code, Code::Conflict);
    }

    proptest! {
        #[test]
        fn every_rule_accepts_its_own_result(
            missions in prop::collection::vec(("[a-c]", 0usize..4, "[xy]"), 1..6),
            letter in "[B-F]",
        ) {
            let mut current: Option<Agent> = None;
            for (name, role, model) in missions {
                let invite = invite(&name, Role::MEMBERS[role], "ada");
                if let Verdict::Changed(change) = join_with(current.as_ref(), 'A', &invite, &model).unwrap() {
                    current = Some(change.state);
                }
                prop_assert_eq!(join_with(current.as_ref(), 'A', &invite, &model), Ok(Verdict::Same));
            }
            let agent = current.unwrap();
            let updated: Agent = state(update(&agent, &about("z")));
            prop_assert_eq!(update(&updated, &about("z")), Ok(Verdict::Same));
            let key = key(letter.chars().next().unwrap());
            let rotated: Agent = state(rotate(&updated, &key));
            prop_assert_eq!(rotate(&rotated, &key), Ok(Verdict::Same));
            let retired: Agent = state(Ok(retire(&rotated, "done")));
            prop_assert_eq!(retire(&retired, "done"), Verdict::Same);
        }
    }
}
