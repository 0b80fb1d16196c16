//! What sessions may become: open, renewed while open, then ended or lost, and nothing after that. A
//! task's credential is a session whose id is the task's and whose end is the task's deadline.
//!
//! Owns the entity `session`. Never mints a credential, never looks at presence.

use selvedge_contracts::{
    call,
    fact::{SESSION_ENDED, SESSION_LOST, SESSION_RENEWED, SESSION_STARTED},
    fault::Fault,
    id::{AgentId, Caller, Mission, PublicKey, ScopeId},
    payload::{
        Nothing,
        agent::{Agent, AgentStatus},
        session::{
            CredentialRenew, DEFAULT_CREDENTIAL_TTL_MS, DEFAULT_PRESENCE_TTL_MS, Ended,
            MAX_CREDENTIAL_TTL_MS, MAX_NARROWED_CALLS, MAX_PRESENCE_TTL_MS, MIN_CREDENTIAL_TTL_MS,
            MIN_PRESENCE_TTL_MS, Renewed, Session, SessionStart, SessionStatus, TASK_PREFIX, TaskGrant,
        },
    },
    role::{Role, Scope},
};
use selvedge_kit::rule::{Change, Verdict};

/// Starts a session of the agent in the mission, in the role it has there. Started again under the same
/// id for the same key pair, it is the session that is, whatever became of it.
///
/// # Errors
/// Denied if the agent is retired or has no role in the mission; invalid if a call is not the role's or
/// a life is out of bounds; conflict if the id stands for another session.
pub(crate) fn start(
    current: Option<&Session>,
    id: &ScopeId,
    agent: &Agent,
    mission: &Mission,
    wanted: &SessionStart,
    now_ms: u64,
) -> Result<Verdict<Session>, Fault> {
    if let Some(held) = current {
        return same_or_taken(held, &agent.id, mission, &wanted.credential_key);
    }
    let role = role_in(agent, mission)?;
    check_calls(wanted.calls.as_deref(), role)?;
    let ttl_ms = credential_ttl_ms(wanted.ttl_ms)?;
    let state = Session {
        presence_ttl_ms: presence_ttl_ms(wanted.presence_ttl_ms)?,
        calls: wanted.calls.clone(),
        request: wanted.request.clone(),
        ..opened(id, agent, mission, role, &wanted.credential_key, now_ms, now_ms.saturating_add(ttl_ms))
    };
    Ok(Change::new(&SESSION_STARTED, &Nothing {}, state).into())
}

/// Opens the session that stands for one task's credential.
///
/// # Errors
/// As [`start`]; also invalid if the id is no task's or the deadline is past or too far off.
pub(crate) fn grant(
    current: Option<&Session>,
    agent: &Agent,
    mission: &Mission,
    wanted: &TaskGrant,
    now_ms: u64,
) -> Result<Verdict<Session>, Fault> {
    if let Some(held) = current {
        return same_or_taken(held, &agent.id, mission, &wanted.credential_key);
    }
    let role = role_in(agent, mission)?;
    check_task(&wanted.task)?;
    check_calls(wanted.calls.as_deref(), role)?;
    check_deadline(wanted.expires_at_ms, now_ms)?;
    let presence_ttl_ms = match wanted.presence_ttl_ms {
        Some(0) => 0,
        asked_ms => presence_ttl_ms(asked_ms)?,
    };
    let state = Session {
        task: Some(wanted.task.clone()),
        presence_ttl_ms,
        calls: wanted.calls.clone(),
        request: wanted.request.clone(),
        ..opened(&wanted.task, agent, mission, role, &wanted.credential_key, now_ms, wanted.expires_at_ms)
    };
    Ok(Change::new(&SESSION_STARTED, &Nothing {}, state).into())
}

fn opened(
    id: &ScopeId,
    agent: &Agent,
    mission: &Mission,
    role: Role,
    credential_key: &PublicKey,
    started_at_ms: u64,
    expires_at_ms: u64,
) -> Session {
    Session {
        id: id.clone(),
        agent: agent.id.clone(),
        owner: agent.owner.clone(),
        mission: mission.clone(),
        role,
        task: None,
        calls: None,
        request: None,
        credential_key: credential_key.clone(),
        presence_ttl_ms: DEFAULT_PRESENCE_TTL_MS,
        started_at_ms,
        expires_at_ms,
        status: SessionStatus::Open,
    }
}

/// Renews the session's credential for a fresh key pair. A task's credential never outlives the task's
/// deadline, so renewing it changes the key alone.
///
/// # Errors
/// Denied if the session is over; invalid if the life asked for is out of bounds.
pub(crate) fn renew(
    current: &Session,
    wanted: &CredentialRenew,
    now_ms: u64,
) -> Result<Verdict<Session>, Fault> {
    let ttl_ms = credential_ttl_ms(wanted.ttl_ms)?;
    match current {
        over if !over.is_open(now_ms) => Err(not_open(over)),
        held if held.credential_key == wanted.credential_key => Ok(Verdict::Same),
        held => {
            let expires_at_ms = match held.task {
                Some(_) => held.expires_at_ms,
                None => now_ms.saturating_add(ttl_ms),
            };
            let change = Renewed { credential_key: wanted.credential_key.clone(), expires_at_ms };
            let state =
                Session { credential_key: wanted.credential_key.clone(), expires_at_ms, ..held.clone() };
            Ok(Change::new(&SESSION_RENEWED, &change, state).into())
        }
    }
}

/// Ends a session: from then on its credential is worth nothing.
pub(crate) fn end(current: &Session, reason: Option<&str>) -> Verdict<Session> {
    match current.status {
        SessionStatus::Ended | SessionStatus::Lost => Verdict::Same,
        SessionStatus::Open => {
            let change = Ended { reason: reason.map(str::to_owned) };
            let state = Session { status: SessionStatus::Ended, ..current.clone() };
            Change::new(&SESSION_ENDED, &change, state).into()
        }
    }
}

/// Marks a session whose presence ran out.
pub(crate) fn lose(current: &Session) -> Verdict<Session> {
    match current.status {
        SessionStatus::Ended | SessionStatus::Lost => Verdict::Same,
        SessionStatus::Open => {
            let state = Session { status: SessionStatus::Lost, ..current.clone() };
            Change::new(&SESSION_LOST, &Nothing {}, state).into()
        }
    }
}

/// Whether the caller may end this session: it is the one in use, or the caller is an operator or the
/// dispatcher.
///
/// # Errors
/// Denied otherwise.
pub(crate) fn may_end(caller: &Caller, scope: &Scope, session: &Session) -> Result<(), Fault> {
    let is_own = session.id == scope.id && session.agent.as_str() == caller.as_str();
    match scope.role {
        Role::Operator | Role::Dispatcher => Ok(()),
        _ if is_own => Ok(()),
        _ => Err(not_yours(caller, session)),
    }
}

fn same_or_taken(
    held: &Session,
    agent: &AgentId,
    mission: &Mission,
    credential_key: &PublicKey,
) -> Result<Verdict<Session>, Fault> {
    if (&held.agent, &held.mission, &held.credential_key) == (agent, mission, credential_key) {
        return Ok(Verdict::Same);
    }
    Err(taken(held))
}

fn role_in(agent: &Agent, mission: &Mission) -> Result<Role, Fault> {
    match (agent.status, agent.roles.get(mission)) {
        (AgentStatus::Retired, _) => Err(retired(&agent.id)),
        (AgentStatus::Active, None) => Err(no_role(&agent.id, mission)),
        (AgentStatus::Active, Some(role)) => Ok(*role),
    }
}

/// Whether every call of a narrower list is one that the role may make anyway.
fn check_calls(calls: Option<&[String]>, role: Role) -> Result<(), Fault> {
    let calls = calls.unwrap_or_default();
    if calls.len() > MAX_NARROWED_CALLS {
        return Err(too_many_calls(calls.len()));
    }
    let allowed: Vec<String> = call::allowed_to(role).map(call::Call::to_string).collect();
    let wrong: Vec<(usize, &String)> =
        calls.iter().enumerate().filter(|(_, name)| !allowed.contains(name)).collect();
    match wrong.as_slice() {
        [] => Ok(()),
        wrong => Err(wrong.iter().fold(wrong_calls(role), |fault, (index, name)| {
            fault.at(format!("/calls/{index}"), format!("{name:?} is no call that a {role} may make"))
        })),
    }
}

fn check_task(task: &ScopeId) -> Result<(), Fault> {
    match task.as_str().strip_prefix(TASK_PREFIX) {
        Some(rest) if !rest.is_empty() => Ok(()),
        _ => Err(no_task(task)),
    }
}

fn check_deadline(expires_at_ms: u64, now_ms: u64) -> Result<(), Fault> {
    match expires_at_ms.checked_sub(now_ms) {
        Some(1..=MAX_CREDENTIAL_TTL_MS) => Ok(()),
        _ => Err(deadline_out_of_bounds(expires_at_ms, now_ms)),
    }
}

fn credential_ttl_ms(wanted_ms: Option<u64>) -> Result<u64, Fault> {
    let bounds = MIN_CREDENTIAL_TTL_MS..=MAX_CREDENTIAL_TTL_MS;
    within("/ttl_ms", wanted_ms.unwrap_or(DEFAULT_CREDENTIAL_TTL_MS), bounds)
}

fn presence_ttl_ms(wanted_ms: Option<u64>) -> Result<u64, Fault> {
    let bounds = MIN_PRESENCE_TTL_MS..=MAX_PRESENCE_TTL_MS;
    within("/presence_ttl_ms", wanted_ms.unwrap_or(DEFAULT_PRESENCE_TTL_MS), bounds)
}

fn within(at: &'static str, wanted_ms: u64, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, Fault> {
    if bounds.contains(&wanted_ms) {
        return Ok(wanted_ms);
    }
    let message = format!("{wanted_ms} ms: expected {} to {} ms", bounds.start(), bounds.end());
    Err(Fault::invalid("a time asked for is out of bounds").at(at, message))
}

fn taken(held: &Session) -> Fault {
    Fault::conflict(format!(
        "the session {} exists for another key pair, agent or mission; use another idempotency key, or another task attempt",
        held.id
    ))
}

fn retired(agent: &AgentId) -> Fault {
    Fault::denied(format!(
        "agent {agent} is retired and may start no session; join with a new key and invite"
    ))
}

fn no_role(agent: &AgentId, mission: &Mission) -> Fault {
    Fault::denied(format!(
        "agent {agent} has no role in the mission {mission}; ask an operator for an invite to it and join"
    ))
}

fn too_many_calls(count: usize) -> Fault {
    Fault::invalid("the list of calls is too long")
        .at("/calls", format!("{count} calls: expected at most {MAX_NARROWED_CALLS}"))
}

fn wrong_calls(role: Role) -> Fault {
    Fault::invalid(format!("a session can narrow the calls of its role, which is {role}, but not widen them"))
}

fn no_task(task: &ScopeId) -> Fault {
    Fault::invalid(format!("{task} is no task's id")).at(
        "/task",
        format!("expected {TASK_PREFIX} and the task and attempt, for example {TASK_PREFIX}0a1b2c3d-1"),
    )
}

fn deadline_out_of_bounds(expires_at_ms: u64, now_ms: u64) -> Fault {
    Fault::invalid("the task's deadline is past or too far off").at(
        "/expires_at_ms",
        format!(
            "{expires_at_ms}: expected a Unix time after {now_ms} ms, by at most {MAX_CREDENTIAL_TTL_MS} ms"
        ),
    )
}

fn not_open(session: &Session) -> Fault {
    let why = match session.status {
        SessionStatus::Open => "its credential expired",
        SessionStatus::Ended => "it was ended",
        SessionStatus::Lost => "its presence ran out",
    };
    Fault::denied(format!("the session {} is over ({why}); start a new one", session.id))
}

fn not_yours(caller: &Caller, session: &Session) -> Fault {
    Fault::denied(format!(
        "{caller} may end the session in use alone, not {}; ask an operator to end it",
        session.id
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fixture::{agent_id, fact, key, mission, owner, state};
    use proptest::prelude::*;
    use selvedge_contracts::{fault::Code, id::AgentName, payload::agent::About};

    const NOW_MS: u64 = 1_700_000_000_000;

    fn agent(role: Role) -> Agent {
        Agent {
            id: agent_id("ada"),
            name: AgentName::new("ada").unwrap(),
            key: key('K'),
            owner: owner("ada"),
            roles: BTreeMap::from([(mission("demo"), role)]),
            about: About::default(),
            status: AgentStatus::Active,
            registered_at_ms: 1,
        }
    }

    fn wanted() -> SessionStart {
        SessionStart {
            credential_key: key('A'),
            ttl_ms: None,
            presence_ttl_ms: None,
            request: None,
            calls: None,
        }
    }

    fn start_as(
        agent: &Agent,
        current: Option<&Session>,
        wanted: &SessionStart,
    ) -> Result<Verdict<Session>, Fault> {
        start(current, &ScopeId::new("session_1").unwrap(), agent, &mission("demo"), wanted, NOW_MS)
    }

    fn session() -> Session {
        state(start_as(&agent(Role::Worker), None, &wanted()))
    }

    fn granted(task: &str, expires_at_ms: u64, current: Option<&Session>) -> Result<Verdict<Session>, Fault> {
        let wanted = TaskGrant {
            task: ScopeId::new(task).unwrap(),
            agent: agent_id("ada"),
            credential_key: key('A'),
            expires_at_ms,
            presence_ttl_ms: None,
            request: None,
            calls: None,
        };
        grant(current, &agent(Role::Worker), &mission("demo"), &wanted, NOW_MS)
    }

    fn renewal(letter: char) -> CredentialRenew {
        CredentialRenew { credential_key: key(letter), ttl_ms: Some(60_000) }
    }

    #[test]
    fn a_session_acts_in_the_agents_role_with_the_defaults() {
        let session = session();
        assert_eq!((session.role, &session.owner), (Role::Worker, &owner("ada")));
        assert_eq!(session.expires_at_ms, NOW_MS + DEFAULT_CREDENTIAL_TTL_MS);
        assert_eq!(session.presence_ttl_ms, DEFAULT_PRESENCE_TTL_MS);
        assert!(session.is_open(NOW_MS));
    }

    #[test]
    fn without_a_role_in_the_mission_no_session_starts() {
        let stranger = Agent { roles: BTreeMap::new(), ..agent(Role::Worker) };
        assert_eq!(start_as(&stranger, None, &wanted()).unwrap_err().code, Code::Denied);
        let retired = Agent { status: AgentStatus::Retired, ..agent(Role::Worker) };
        assert_eq!(start_as(&retired, None, &wanted()).unwrap_err().code, Code::Denied);
    }

    #[test]
    fn calls_can_be_narrowed_but_not_widened() {
        let calls = ["registry.heartbeat", "registry.agent_retire", "registry.nothing"].map(String::from);
        let wide = SessionStart { calls: Some(calls.to_vec()), ..wanted() };
        let fault = start_as(&agent(Role::Worker), None, &wide).unwrap_err();
        let at: Vec<&str> = fault.details.iter().map(|detail| detail.at.as_str()).collect();
        assert_eq!((fault.code, at), (Code::Invalid, vec!["/calls/1", "/calls/2"]));
        let narrow = SessionStart { calls: Some(vec!["registry.heartbeat".to_owned()]), ..wanted() };
        assert_eq!(state::<Session>(start_as(&agent(Role::Worker), None, &narrow)).calls, narrow.calls);
    }

    #[test]
    fn times_out_of_bounds_are_refused_where_they_stand() {
        for (wrong, at) in [
            (SessionStart { ttl_ms: Some(9_999), ..wanted() }, "/ttl_ms"),
            (SessionStart { ttl_ms: Some(86_400_001), ..wanted() }, "/ttl_ms"),
            (SessionStart { presence_ttl_ms: Some(999), ..wanted() }, "/presence_ttl_ms"),
        ] {
            let fault = start_as(&agent(Role::Worker), None, &wrong).unwrap_err();
            assert_eq!(fault.details.first().unwrap().at, at);
        }
    }

    #[test]
    fn an_id_stands_for_one_key_pair() {
        let session = session();
        assert_eq!(start_as(&agent(Role::Worker), Some(&session), &wanted()), Ok(Verdict::Same));
        let other = SessionStart { credential_key: key('B'), ..wanted() };
        assert_eq!(start_as(&agent(Role::Worker), Some(&session), &other).unwrap_err().code, Code::Conflict);
    }

    #[test]
    fn a_tasks_credential_names_a_task_and_ends_within_a_day() {
        let session: Session = state(granted("task_1", NOW_MS + 1_000, None));
        assert_eq!((session.id.clone(), session.task), (session.id.clone(), Some(session.id)));
        for (task, expires_at_ms, at) in [
            ("session_1", NOW_MS + 1_000, "/task"),
            ("task_", NOW_MS + 1_000, "/task"),
            ("task_1", NOW_MS, "/expires_at_ms"),
            ("task_1", NOW_MS - 1, "/expires_at_ms"),
            ("task_1", NOW_MS + MAX_CREDENTIAL_TTL_MS + 1, "/expires_at_ms"),
        ] {
            let fault = granted(task, expires_at_ms, None).unwrap_err();
            assert_eq!(fault.details.first().unwrap().at, at);
        }
    }

    #[test]
    fn renewing_a_tasks_credential_keeps_the_tasks_deadline() {
        let task: Session = state(granted("task_1", NOW_MS + 1_000, None));
        let renewed: Session = state(renew(&task, &renewal('B'), NOW_MS));
        assert_eq!((renewed.expires_at_ms, renewed.credential_key), (task.expires_at_ms, key('B')));
    }

    #[test]
    fn only_an_open_session_is_renewed() {
        let session = session();
        assert_eq!(fact(&renew(&session, &renewal('B'), NOW_MS)), "renewed");
        let ended: Session = state(Ok(end(&session, None)));
        assert_eq!(renew(&ended, &renewal('B'), NOW_MS).unwrap_err().code, Code::Denied);
        assert_eq!(renew(&session, &renewal('B'), session.expires_at_ms).unwrap_err().code, Code::Denied);
    }

    #[test]
    fn a_session_that_is_over_stays_as_it_ended() {
        let (ended, lost): (Session, Session) =
            (state(Ok(end(&session(), Some("done")))), state(Ok(lose(&session()))));
        assert_eq!((ended.status, lost.status), (SessionStatus::Ended, SessionStatus::Lost));
        for over in [&ended, &lost] {
            assert_eq!((end(over, None), lose(over)), (Verdict::Same, Verdict::Same));
        }
    }

    #[test]
    fn a_session_is_ended_by_itself_an_operator_or_the_dispatcher() {
        let may = |caller: &str, scope: &str| {
            may_end(&Caller::new(caller).unwrap(), &Scope::parse(scope).unwrap(), &session())
        };
        assert_eq!(may("ada-00000000", "worker-session_1"), Ok(()));
        assert_eq!(may("bob-00000000", "operator-session_9"), Ok(()));
        assert_eq!(may("dispatcher", "dispatcher-i1"), Ok(()));
        for (caller, scope) in [("ada-00000000", "worker-session_2"), ("bob-00000000", "worker-session_1")] {
            assert_eq!(may(caller, scope).unwrap_err().code, Code::Denied);
        }
    }

    proptest! {
        #[test]
        fn every_rule_accepts_its_own_result(
            ttl_ms in MIN_CREDENTIAL_TTL_MS..=MAX_CREDENTIAL_TTL_MS,
            role in prop::sample::select(Role::MEMBERS),
            later_ms: u32,
        ) {
            let wanted = SessionStart { ttl_ms: Some(ttl_ms), ..wanted() };
            let session: Session = state(start_as(&agent(role), None, &wanted));
            prop_assert_eq!(start_as(&agent(role), Some(&session), &wanted), Ok(Verdict::Same));
            let now_ms = NOW_MS + u64::from(later_ms) % ttl_ms;
            let renewed: Session = state(renew(&session, &renewal('B'), now_ms));
            prop_assert_eq!(renew(&renewed, &renewal('B'), now_ms), Ok(Verdict::Same));
            prop_assert_eq!(renewed.expires_at_ms, now_ms + 60_000);
            let task: Session = state(granted("task_1", NOW_MS + ttl_ms, None));
            prop_assert_eq!(granted("task_1", NOW_MS + ttl_ms, Some(&task)), Ok(Verdict::Same));
        }
    }
}
