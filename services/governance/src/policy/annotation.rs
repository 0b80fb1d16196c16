//! What Cedar lacks, said in annotations: `@id("…")` names a rule, `@note("…")` explains it, and on a permit
//! `@approvals("2")`, `@approver_role("approver")` and `@expires_after("15m")` say what it asks for.
//!
//! Anything else is refused: a misspelt `@approvals` would be a permit that asks for none.

use std::str::FromStr as _;

use selvedge_contracts::{
    payload::intent::{MAX_APPROVALS, MAX_INTENT_TTL_MS, MIN_INTENT_TTL_MS, Requirement},
    role::Role,
};

use super::requirement::{APPROVERS, NOTHING};

/// Longest name of a rule in bytes.
const MAX_ID_BYTES: usize = 100;

/// One annotation that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Its name.
    pub(super) name: String,
    /// What is wrong with it.
    pub(super) reason: String,
}

/// Whether a statement permits or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Permit,
    Forbid,
}

/// What the annotations of one statement ask for, and all that is wrong with them.
pub(super) fn read<'a>(
    annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
    says: Says,
) -> (Requirement, Vec<Wrong>) {
    let mut reader = Reader { requirement: NOTHING, has_role: false, wrong: Vec::new() };
    for (name, value) in annotations {
        if let Err(reason) = reader.take(name, value, says) {
            reader.wrong.push(Wrong { name: name.to_owned(), reason });
        }
    }
    let is_role_alone = reader.has_role && reader.requirement.approvals == 0 && reader.wrong.is_empty();
    if is_role_alone {
        let reason = "@approver_role without approvals asks for nothing; say @approvals(\"1\") or more too";
        reader.wrong.push(Wrong { name: "approver_role".to_owned(), reason: reason.to_owned() });
    }
    (reader.requirement, reader.wrong)
}

struct Reader {
    requirement: Requirement,
    has_role: bool,
    wrong: Vec<Wrong>,
}

impl Reader {
    fn take(&mut self, name: &str, value: &str, says: Says) -> Result<(), String> {
        match (name, says) {
            ("id", _) => id(value),
            ("note", _) => Ok(()),
            ("approvals" | "approver_role" | "expires_after", Says::Forbid) => Err(format!(
                "@{name} stands on a forbid, where it says nothing: what a forbid matches is not done, \
                 whoever approves; write it on a permit"
            )),
            ("approvals", Says::Permit) => approvals(value).map(|n| self.requirement.approvals = n),
            ("approver_role", Says::Permit) => {
                self.has_role = true;
                role(value).map(|role| self.requirement.role = role)
            }
            ("expires_after", Says::Permit) => {
                expires_after(value).map(|ms| self.requirement.expires_after_ms = Some(ms))
            }
            _ => Err(format!(
                "@{name} is unknown; expected @id, @note, @approvals, @approver_role or @expires_after"
            )),
        }
    }
}

fn id(value: &str) -> Result<(), String> {
    match value.trim() == value && (1..=MAX_ID_BYTES).contains(&value.len()) {
        true => Ok(()),
        false => Err(format!(
            "{value:?} names no rule; expected 1 to {MAX_ID_BYTES} bytes without space at the ends"
        )),
    }
}

fn approvals(value: &str) -> Result<u32, String> {
    let number: Option<u32> = value.parse().ok().filter(|number| *number <= MAX_APPROVALS);
    number.ok_or_else(|| {
        format!("{value:?} is no number of approvals; expected a whole number from 0 to {MAX_APPROVALS}")
    })
}

fn role(value: &str) -> Result<Role, String> {
    let role = Role::from_str(value).ok().filter(|role| APPROVERS.contains(role));
    role.ok_or_else(|| {
        let known: Vec<&str> = APPROVERS.iter().map(|role| role.name()).collect();
        format!("{value:?} is no role that approves; expected one of {}", known.join(", "))
    })
}

fn expires_after(value: &str) -> Result<u64, String> {
    let length = humantime::parse_duration(value)
        .map_err(|error| format!("{value:?} is no length of time: {error}; expected 15m, 2h or 1h 30m"))?;
    let ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    match (MIN_INTENT_TTL_MS..=MAX_INTENT_TTL_MS).contains(&ms) {
        true => Ok(ms),
        false => Err(format!("{value:?} is too short or too long; expected 1s to 30days")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(annotations: &[(&str, &str)], says: Says) -> Vec<String> {
        read(annotations.iter().copied(), says).1.into_iter().map(|wrong| wrong.reason).collect()
    }

    #[test]
    fn a_permit_asks_for_what_its_annotations_say() {
        let annotations =
            [("id", "x"), ("approvals", "2"), ("approver_role", "operator"), ("expires_after", "1h 30m")];
        let wanted = Requirement { approvals: 2, role: Role::Operator, expires_after_ms: Some(5_400_000) };
        assert_eq!(read(annotations, Says::Permit), (wanted, vec![]));
        assert_eq!(read([], Says::Permit), (NOTHING, vec![]));
        assert_eq!(read([("id", "x"), ("note", "")], Says::Forbid), (NOTHING, vec![]));
    }

    #[test]
    fn a_value_that_means_nothing_is_refused_with_what_was_expected() {
        for (name, value, expected) in [
            ("approvals", "two", "0 to 16"),
            ("approvals", "-1", "0 to 16"),
            ("approvals", "17", "0 to 16"),
            ("approvals", "", "0 to 16"),
            ("approver_role", "human", "worker, planner"),
            ("approver_role", "committer", "worker, planner"),
            ("expires_after", "soon", "15m"),
            ("expires_after", "15", "15m"),
            ("expires_after", "1ms", "1s to 30days"),
            ("expires_after", "31days", "1s to 30days"),
            ("id", "", "1 to 100 bytes"),
            ("aproval", "1", "@approvals"),
        ] {
            let reasons = wrong(&[(name, value)], Says::Permit);
            assert!(
                reasons.first().is_some_and(|reason| reason.contains(expected)),
                "{name} {value}: {reasons:?}"
            );
            assert_eq!(reasons.len(), 1, "{reasons:?}");
        }
    }

    #[test]
    fn a_forbid_asks_for_nothing_and_a_role_alone_is_a_mistake() {
        for name in ["approvals", "approver_role", "expires_after"] {
            assert!(wrong(&[(name, "1")], Says::Forbid).concat().contains("on a forbid"), "{name}");
        }
        assert!(wrong(&[("approver_role", "approver")], Says::Permit).concat().contains("@approvals(\"1\")"));
        assert!(!wrong(&[("approver_role", "approver"), ("approvals", "0")], Says::Permit).is_empty());
    }
}
