//! What user requests may become: opened once, closed once.

use selvedge_contracts::{
    fact::{REQUEST_CLOSED, REQUEST_OPENED},
    fault::Fault,
    id::{Mission, Owner, RequestId},
    payload::{
        Nothing,
        agent::Reason,
        request::{RequestOpen, RequestStatus, UserRequest},
    },
};
use selvedge_kit::rule::{Change, Verdict};

/// Opens a user request under an id that the caller derived from who asks and the idempotency key.
///
/// # Errors
/// Conflict if the id stands for another request.
pub(crate) fn open(
    current: Option<&UserRequest>,
    id: &RequestId,
    mission: &Mission,
    owner: &Owner,
    wanted: &RequestOpen,
    now_ms: u64,
) -> Result<Verdict<UserRequest>, Fault> {
    let content = (mission, owner, &wanted.title, &wanted.text);
    match current {
        Some(held) if (&held.mission, &held.owner, &held.title, &held.text) == content => Ok(Verdict::Same),
        Some(held) => Err(taken(held)),
        None => {
            let state = UserRequest {
                id: id.clone(),
                mission: mission.clone(),
                owner: owner.clone(),
                title: wanted.title.clone(),
                text: wanted.text.clone(),
                opened_at_ms: now_ms,
                status: RequestStatus::Open,
            };
            Ok(Change::new(&REQUEST_OPENED, &Nothing {}, state).into())
        }
    }
}

/// Closes a user request.
pub(crate) fn close(current: &UserRequest, reason: &str) -> Verdict<UserRequest> {
    match current.status {
        RequestStatus::Closed => Verdict::Same,
        RequestStatus::Open => {
            let state = UserRequest { status: RequestStatus::Closed, ..current.clone() };
            Change::new(&REQUEST_CLOSED, &Reason { reason: reason.to_owned() }, state).into()
        }
    }
}

fn taken(held: &UserRequest) -> Fault {
    Fault::conflict(format!(
        "the idempotency key was used before, for the request {} with other content; use a new key for a new request",
        held.id
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{mission, owner, state};
    use proptest::prelude::*;
    use selvedge_contracts::fault::Code;

    fn opened(
        owner_name: &str,
        title: &str,
        current: Option<&UserRequest>,
    ) -> Result<Verdict<UserRequest>, Fault> {
        let id = RequestId::new("request_1").unwrap();
        let wanted = RequestOpen { title: title.to_owned(), text: String::new() };
        open(current, &id, &mission("demo"), &owner(owner_name), &wanted, 1)
    }

    #[test]
    fn one_idempotency_key_opens_one_request() {
        let held: UserRequest = state(opened("ada", "one", None));
        assert_eq!(opened("ada", "two", Some(&held)).unwrap_err().code, Code::Conflict);
        assert_eq!(opened("bob", "one", Some(&held)).unwrap_err().code, Code::Conflict);
    }

    #[test]
    fn a_closed_request_stays_closed_for_its_first_reason() {
        let held: UserRequest = state(opened("ada", "one", None));
        let closed: UserRequest = state(Ok(close(&held, "done")));
        assert_eq!(closed.status, RequestStatus::Closed);
        assert_eq!(close(&closed, "another reason"), Verdict::Same);
    }

    proptest! {
        #[test]
        fn every_rule_accepts_its_own_result(title in ".{1,50}", reason in ".{1,50}") {
            let held: UserRequest = state(opened("ada", &title, None));
            prop_assert_eq!(opened("ada", &title, Some(&held)), Ok(Verdict::Same));
            let closed: UserRequest = state(Ok(close(&held, &reason)));
            prop_assert_eq!(close(&closed, &reason), Verdict::Same);
            prop_assert_eq!(opened("ada", &title, Some(&closed)), Ok(Verdict::Same));
        }
    }
}
