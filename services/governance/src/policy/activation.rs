//! Which version of a policy is in force: one principal proposes it, another confirms what was proposed. One
//! entity of each mission says so, under one guard, so there is never more than one.
//!
//! Every confirmation counts the activation up, that of a former version too: approvals are bound to the
//! number, so a rollback revives none.

use selvedge_contracts::{
    fact::{ACTIVATION_CONFIRMED, ACTIVATION_PROPOSED},
    fault::Fault,
    id::{Caller, Owner},
    payload::{
        Nothing,
        policy::{Activation, ActivationProposal, Active, Policy, PolicyConfirm},
    },
};
use selvedge_kit::rule::{Change, Verdict};

/// Proposes a version, in place of one that was proposed before and not confirmed.
///
/// # Errors
/// Conflict if it is in force.
pub(crate) fn propose(
    current: Option<&Activation>,
    version: u32,
    reason: &str,
    (by, owner): (&Caller, &Owner),
    now_ms: u64,
) -> Result<Verdict<Activation>, Fault> {
    let current = current.cloned().unwrap_or_default();
    if current.active.as_ref().is_some_and(|active| active.version == version) {
        return Err(Fault::conflict(format!("version {version} of the policy is in force")));
    }
    let proposed = ActivationProposal {
        version,
        by: by.clone(),
        owner: owner.clone(),
        reason: reason.to_owned(),
        at_ms: now_ms,
    };
    let is_proposed = current
        .proposed
        .as_ref()
        .is_some_and(|earlier| ActivationProposal { at_ms: earlier.at_ms, ..proposed.clone() } == *earlier);
    if is_proposed {
        return Ok(Verdict::Same);
    }
    let state = Activation { proposed: Some(proposed), ..current };
    Ok(Change::new(&ACTIVATION_PROPOSED, &Nothing {}, state).into())
}

/// Confirms the version that is proposed; `version` is that version. What is confirmed is what was seen:
/// number and digest.
///
/// # Errors
/// Conflict if something else is proposed, or nothing; denied to whoever answers for the proposal.
pub(crate) fn confirm(
    current: Option<&Activation>,
    version: Option<&Policy>,
    seen: &PolicyConfirm,
    owner: &Owner,
    now_ms: u64,
) -> Result<Verdict<Activation>, Fault> {
    let current = current.cloned().unwrap_or_default();
    let Some(proposed) = current.proposed else {
        let is_done = current
            .active
            .as_ref()
            .is_some_and(|active| active.version == seen.version && active.confirmed_by == *owner);
        return if is_done { Ok(Verdict::Same) } else { Err(nothing_proposed(seen)) };
    };
    let is_what_was_seen = proposed.version == seen.version
        && version.is_some_and(|version| version.version == seen.version && version.digest == seen.digest);
    if !is_what_was_seen {
        return Err(another_proposed(&proposed, seen));
    }
    if proposed.owner == *owner {
        return Err(Fault::denied(format!(
            "{owner} proposed version {} and cannot confirm it; another principal has to",
            proposed.version
        )));
    }
    let activation = current.activation.checked_add(1);
    let state = Activation {
        activation: activation.ok_or_else(|| Fault::conflict("no activation number is left"))?,
        active: Some(Active {
            version: proposed.version,
            proposed_by: proposed.owner,
            confirmed_by: owner.clone(),
            since_ms: now_ms,
        }),
        proposed: None,
    };
    Ok(Change::new(&ACTIVATION_CONFIRMED, &Nothing {}, state).into())
}

fn nothing_proposed(seen: &PolicyConfirm) -> Fault {
    Fault::conflict(format!(
        "no version of the policy is proposed; governance.policy_activate proposes version {}",
        seen.version
    ))
}

fn another_proposed(proposed: &ActivationProposal, seen: &PolicyConfirm) -> Fault {
    Fault::conflict(format!(
        "version {} is proposed, and not version {} with the digest {}; look at what is proposed first",
        proposed.version, seen.version, seen.digest
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use selvedge_contracts::{
        fault::Code,
        id::{Digest, Mission},
    };

    const OWNERS: [&str; 3] = ["person:olga", "person:piet", "service:ci"];

    fn owner(text: &str) -> Owner {
        Owner::new(text).unwrap()
    }

    fn digest(version: u32) -> Digest {
        Digest::from(&blake3::hash(&version.to_be_bytes()))
    }

    fn policy(version: u32) -> Policy {
        Policy {
            mission: Mission::new("demo").unwrap(),
            version,
            digest: digest(version),
            text: String::new(),
            note: String::new(),
            author: Caller::new("olga-1a2b3c4d").unwrap(),
            owner: owner("person:olga"),
            drafted_at_ms: 1,
        }
    }

    fn proposed(current: Option<&Activation>, version: u32, by: &str) -> Result<Verdict<Activation>, Fault> {
        let caller = Caller::new("olga-1a2b3c4d").unwrap();
        propose(current, version, "because", (&caller, &owner(by)), 5)
    }

    fn confirmed(
        current: Option<&Activation>,
        version: u32,
        digest: Digest,
        by: &str,
    ) -> Result<Verdict<Activation>, Fault> {
        confirm(current, Some(&policy(version)), &PolicyConfirm { version, digest }, &owner(by), 9)
    }

    fn state(verdict: Result<Verdict<Activation>, Fault>) -> Activation {
        match verdict.unwrap() {
            Verdict::Changed(change) => change.state,
            Verdict::Same => panic!("nothing changed"),
        }
    }

    #[test]
    fn it_takes_two_principals_and_what_was_seen_is_what_is_confirmed() {
        let waiting = state(proposed(None, 2, "person:olga"));
        assert_eq!((waiting.activation, &waiting.active), (0, &None));
        for (version, digest, by, code) in [
            (2, digest(2), "person:olga", Code::Denied),
            (2, digest(1), "person:piet", Code::Conflict),
            (1, digest(1), "person:piet", Code::Conflict),
        ] {
            assert_eq!(confirmed(Some(&waiting), version, digest, by).unwrap_err().code, code);
        }
        let unknown = PolicyConfirm { version: 2, digest: digest(2) };
        let fault = confirm(Some(&waiting), None, &unknown, &owner("person:piet"), 9).unwrap_err();
        assert_eq!(fault.code, Code::Conflict, "a version that is not there");
        let active = state(confirmed(Some(&waiting), 2, digest(2), "person:piet"));
        let wanted = Active {
            version: 2,
            proposed_by: owner("person:olga"),
            confirmed_by: owner("person:piet"),
            since_ms: 9,
        };
        assert_eq!(active, Activation { activation: 1, active: Some(wanted), proposed: None });
    }

    #[test]
    fn its_own_result_is_accepted_and_only_that() {
        let waiting = state(proposed(None, 2, "person:olga"));
        assert_eq!(proposed(Some(&waiting), 2, "person:olga"), Ok(Verdict::Same));
        assert_eq!(
            state(proposed(Some(&waiting), 2, "person:piet")).proposed.unwrap().owner,
            owner("person:piet")
        );
        let active = state(confirmed(Some(&waiting), 2, digest(2), "person:piet"));
        assert_eq!(confirmed(Some(&active), 2, digest(2), "person:piet"), Ok(Verdict::Same));
        assert_eq!(confirmed(Some(&active), 2, digest(2), "service:ci").unwrap_err().code, Code::Conflict);
        assert_eq!(confirmed(None, 2, digest(2), "person:piet").unwrap_err().code, Code::Conflict);
        assert_eq!(proposed(Some(&active), 2, "person:olga").unwrap_err().code, Code::Conflict);
    }

    proptest! {
        #[test]
        fn each_activation_has_a_new_number_and_two_principals(
            steps in prop::collection::vec((any::<bool>(), 1..4u32, prop::sample::select(&OWNERS[..])), 1..60)
        ) {
            let mut current: Option<Activation> = None;
            for (is_proposal, version, by) in steps {
                let verdict = match is_proposal {
                    true => proposed(current.as_ref(), version, by),
                    false => confirmed(current.as_ref(), version, digest(version), by),
                };
                let Ok(Verdict::Changed(change)) = verdict else { continue };
                let before = current.replace(change.state.clone()).unwrap_or_default();
                let after = change.state;
                if is_proposal {
                    prop_assert_eq!((after.activation, &after.active), (before.activation, &before.active));
                } else {
                    let (active, proposed) = (after.active.unwrap(), before.proposed.unwrap());
                    prop_assert_eq!(after.activation, before.activation + 1);
                    prop_assert_eq!((active.version, &active.proposed_by), (proposed.version, &proposed.owner));
                    prop_assert_ne!(active.proposed_by, active.confirmed_by);
                    prop_assert_eq!(after.proposed, None);
                }
            }
        }
    }
}
