//! What invites may become: open, then redeemed once or expired, and nothing after that.
//!
//! Owns the entity `invite`. Never makes an agent: `agent::join` does.

use selvedge_contracts::{
    fact::{INVITE_CREATED, INVITE_EXPIRED, INVITE_REDEEMED},
    fault::Fault,
    id::{AgentId, PublicKey},
    payload::{
        Nothing,
        invite::{Invite, InviteCreate, InviteStatus, MAX_INVITE_TTL_MS, MIN_INVITE_TTL_MS, Redeemed},
    },
    role::Role,
};
use selvedge_kit::rule::{Change, Verdict};

/// Records an invite.
///
/// # Errors
/// Invalid if its role takes no part in missions, if it leads to no mission or if its life is out of
/// bounds; conflict if the id stands for another invite.
pub(crate) fn create(
    current: Option<&Invite>,
    wanted: &InviteCreate,
    now_ms: u64,
) -> Result<Verdict<Invite>, Fault> {
    match current {
        Some(invite) if is_same(invite, wanted) => Ok(Verdict::Same),
        Some(invite) => Err(taken(invite)),
        None => make(wanted, now_ms),
    }
}

fn is_same(invite: &Invite, wanted: &InviteCreate) -> bool {
    let ttl_ms = invite.expires_at_ms.saturating_sub(invite.created_at_ms);
    (&invite.mission, invite.role, &invite.owner, ttl_ms)
        == (&wanted.mission, wanted.role, &wanted.owner, wanted.ttl_ms)
}

fn make(wanted: &InviteCreate, now_ms: u64) -> Result<Verdict<Invite>, Fault> {
    if !wanted.role.is_member() {
        return Err(no_member(wanted.role));
    }
    if wanted.mission.is_kluster() && wanted.role != Role::Operator {
        return Err(no_mission(wanted.role));
    }
    if !(MIN_INVITE_TTL_MS..=MAX_INVITE_TTL_MS).contains(&wanted.ttl_ms) {
        return Err(ttl_out_of_bounds(wanted.ttl_ms));
    }
    let state = Invite {
        id: wanted.id.clone(),
        mission: wanted.mission.clone(),
        role: wanted.role,
        owner: wanted.owner.clone(),
        created_at_ms: now_ms,
        expires_at_ms: now_ms.saturating_add(wanted.ttl_ms),
        status: InviteStatus::Open,
    };
    Ok(Change::new(&INVITE_CREATED, &Nothing {}, state).into())
}

/// Uses the invite up. The key that redeemed it may do so again, and finds it redeemed.
///
/// # Errors
/// Denied if another key used it or its time ran out.
pub(crate) fn redeem(
    current: &Invite,
    agent: &AgentId,
    key: &PublicKey,
    now_ms: u64,
) -> Result<Verdict<Invite>, Fault> {
    match &current.status {
        InviteStatus::Redeemed { key: used_by, .. } if used_by == key => Ok(Verdict::Same),
        InviteStatus::Redeemed { .. } => Err(used(current)),
        InviteStatus::Open if now_ms < current.expires_at_ms => {
            let status = InviteStatus::Redeemed { agent: agent.clone(), key: key.clone() };
            let state = Invite { status, ..current.clone() };
            Ok(Change::new(&INVITE_REDEEMED, &Redeemed { agent: agent.clone() }, state).into())
        }
        InviteStatus::Open | InviteStatus::Expired => Err(expired(current)),
    }
}

/// The agent for which this key used the invite up.
///
/// # Errors
/// Denied if another key used it, or none did.
pub(crate) fn redeemed_by<'a>(current: &'a Invite, key: &PublicKey) -> Result<&'a AgentId, Fault> {
    match &current.status {
        InviteStatus::Redeemed { agent, key: used_by } if used_by == key => Ok(agent),
        InviteStatus::Redeemed { .. } => Err(used(current)),
        InviteStatus::Open | InviteStatus::Expired => Err(not_redeemed(current)),
    }
}

/// Marks an open invite whose time ran out.
pub(crate) fn expire(current: &Invite, now_ms: u64) -> Verdict<Invite> {
    if current.status != InviteStatus::Open || now_ms < current.expires_at_ms {
        return Verdict::Same;
    }
    Change::new(&INVITE_EXPIRED, &Nothing {}, Invite { status: InviteStatus::Expired, ..current.clone() })
        .into()
}

fn taken(invite: &Invite) -> Fault {
    Fault::conflict(format!(
        "the invite {} exists with other content; make a new id for another invite",
        invite.id
    ))
}

fn no_member(role: Role) -> Fault {
    let members = Role::MEMBERS.iter().map(Role::to_string).collect::<Vec<_>>().join(", ");
    Fault::invalid(format!("the role {role} takes no part in missions and cannot be invited to one"))
        .at("/role", format!("expected one of {members}"))
}

fn no_mission(role: Role) -> Fault {
    Fault::invalid("an invite leads to one mission; `_` stands for the whole kluster")
        .at("/mission", format!("name the mission that the {role} joins; only operators are invited to `_`"))
}

fn ttl_out_of_bounds(ttl_ms: u64) -> Fault {
    Fault::invalid("the invite's life is out of bounds").at(
        "/ttl_ms",
        format!(
            "{ttl_ms} ms: expected {MIN_INVITE_TTL_MS} to {MAX_INVITE_TTL_MS} ms (10 seconds to 30 days)"
        ),
    )
}

fn used(invite: &Invite) -> Fault {
    Fault::denied(format!(
        "the invite {} was already used by another key; an invite is good for one agent, ask for a new one",
        invite.id
    ))
}

fn not_redeemed(invite: &Invite) -> Fault {
    Fault::denied(format!("the invite {} was not used by this key; ask for a new one", invite.id))
}

fn expired(invite: &Invite) -> Fault {
    Fault::denied(format!(
        "the invite {} expired at {} ms (Unix time); ask for a new one",
        invite.id, invite.expires_at_ms
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{agent_id, key, mission, owner, state};
    use proptest::prelude::*;
    use selvedge_contracts::{fault::Code, id::InviteId};

    const NOW_MS: u64 = 1_700_000_000_000;

    fn wanted(role: Role, ttl_ms: u64) -> InviteCreate {
        InviteCreate {
            id: InviteId::new("invite_1").unwrap(),
            mission: mission("demo"),
            role,
            owner: owner("ada"),
            ttl_ms,
        }
    }

    fn open(ttl_ms: u64) -> Invite {
        state(create(None, &wanted(Role::Worker, ttl_ms), NOW_MS))
    }

    #[test]
    fn only_roles_of_a_mission_can_be_invited() {
        for role in Role::ALL {
            let made = create(None, &wanted(*role, 60_000), NOW_MS);
            assert_eq!(made.is_ok(), role.is_member(), "{role}");
        }
        let fault = create(None, &wanted(Role::Committer, 60_000), NOW_MS).unwrap_err();
        assert_eq!(fault.details.first().unwrap().at, "/role");
    }

    #[test]
    fn only_an_operator_is_invited_to_the_kluster() {
        let of = |role| create(None, &InviteCreate { mission: mission("_"), ..wanted(role, 60_000) }, NOW_MS);
        assert_eq!(of(Role::Worker).unwrap_err().code, Code::Invalid);
        assert!(matches!(of(Role::Operator), Ok(Verdict::Changed(_))));
    }

    #[test]
    fn a_life_out_of_bounds_is_refused() {
        for ttl_ms in [0, MIN_INVITE_TTL_MS - 1, MAX_INVITE_TTL_MS + 1, u64::MAX] {
            assert_eq!(create(None, &wanted(Role::Worker, ttl_ms), NOW_MS).unwrap_err().code, Code::Invalid);
        }
    }

    #[test]
    fn an_id_stands_for_one_content() {
        let invite = open(60_000);
        for other in [
            wanted(Role::Planner, 60_000),
            wanted(Role::Worker, 60_001),
            InviteCreate { owner: owner("bob"), ..wanted(Role::Worker, 60_000) },
            InviteCreate { mission: mission("other"), ..wanted(Role::Worker, 60_000) },
        ] {
            assert_eq!(create(Some(&invite), &other, NOW_MS).unwrap_err().code, Code::Conflict);
        }
    }

    #[test]
    fn an_invite_is_good_for_one_key() {
        let redeemed = state(redeem(&open(60_000), &agent_id("ada"), &key('A'), NOW_MS));
        let fault = redeem(&redeemed, &agent_id("bob"), &key('B'), NOW_MS).unwrap_err();
        assert_eq!(fault.code, Code::Denied);
        assert!(fault.message.contains("already used"), "{fault}");
    }

    #[test]
    fn an_expired_invite_is_refused_whether_it_was_marked_or_not() {
        let invite = open(60_000);
        let marked = state::<Invite>(Ok(expire(&invite, NOW_MS + 60_000)));
        for expired in [&invite, &marked] {
            let fault = redeem(expired, &agent_id("ada"), &key('A'), NOW_MS + 60_000).unwrap_err();
            assert_eq!(fault.code, Code::Denied);
        }
    }

    proptest! {
        #[test]
        fn every_rule_accepts_its_own_result(ttl_ms in MIN_INVITE_TTL_MS..=MAX_INVITE_TTL_MS, later_ms in 0u64..MAX_INVITE_TTL_MS * 2) {
            let wanted = wanted(Role::Worker, ttl_ms);
            let invite: Invite = state(create(None, &wanted, NOW_MS));
            prop_assert_eq!(create(Some(&invite), &wanted, NOW_MS + later_ms), Ok(Verdict::Same));
            if later_ms < ttl_ms {
                prop_assert_eq!(expire(&invite, NOW_MS + later_ms), Verdict::Same);
                let redeemed: Invite = state(redeem(&invite, &agent_id("ada"), &key('A'), NOW_MS + later_ms));
                prop_assert_eq!(redeem(&redeemed, &agent_id("ada"), &key('A'), NOW_MS + ttl_ms), Ok(Verdict::Same));
                prop_assert_eq!(expire(&redeemed, u64::MAX), Verdict::Same);
                prop_assert_eq!(create(Some(&redeemed), &wanted, NOW_MS), Ok(Verdict::Same));
            } else {
                let expired: Invite = state(Ok(expire(&invite, NOW_MS + later_ms)));
                prop_assert_eq!(expire(&expired, NOW_MS + later_ms), Verdict::Same);
            }
        }
    }
}
