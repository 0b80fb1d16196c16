//! What several permits ask for together: the strictest of each.
//!
//! Approvals: the most. Time: the least. Role: the highest of those that approvals are asked of, where
//! worker < planner < verifier < arbitrator < approver < operator: an approval by a role counts as one by any
//! role below it. So what comes out is at least what each of them asks for. A permit without approvals says
//! nothing about the role.

use selvedge_contracts::{payload::intent::Requirement, role::Role};

/// Roles that may be asked for approvals, the lowest first.
pub(super) const APPROVERS: [Role; 6] =
    [Role::Worker, Role::Planner, Role::Verifier, Role::Arbitrator, Role::Approver, Role::Operator];

/// What a permit without annotations asks for: nothing.
pub(super) const NOTHING: Requirement =
    Requirement { approvals: 0, role: Role::Approver, expires_after_ms: None };

/// What both together ask for.
pub(super) fn strictest(one: &Requirement, other: &Requirement) -> Requirement {
    let role = match (one.approvals, other.approvals) {
        (0, 0) => NOTHING.role,
        (0, _) => other.role,
        (_, 0) => one.role,
        _ if rank(one.role) >= rank(other.role) => one.role,
        _ => other.role,
    };
    let expires_after_ms = [one.expires_after_ms, other.expires_after_ms].into_iter().flatten().min();
    Requirement { approvals: one.approvals.max(other.approvals), role, expires_after_ms }
}

/// Place among those that may approve; none for a role that may not.
fn rank(role: Role) -> Option<usize> {
    APPROVERS.iter().position(|known| *known == role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requirement() -> impl Strategy<Value = Requirement> {
        let role = prop::sample::select(&APPROVERS[..]);
        (0..4u32, role, prop::option::of(1..5u64)).prop_map(|(approvals, role, expires_after_ms)| {
            Requirement {
                approvals,
                role: if approvals == 0 { NOTHING.role } else { role },
                expires_after_ms,
            }
        })
    }

    /// Whether whoever meets `strict` meets `lax`.
    fn covers(strict: &Requirement, lax: &Requirement) -> bool {
        let time = match (strict.expires_after_ms, lax.expires_after_ms) {
            (Some(strict), Some(lax)) => strict <= lax,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        let role = lax.approvals == 0 || rank(strict.role) >= rank(lax.role);
        strict.approvals >= lax.approvals && role && time
    }

    #[test]
    fn a_few_by_a_high_role_and_many_by_a_low_one_are_many_by_the_high_one() {
        let many = Requirement { approvals: 3, role: Role::Verifier, expires_after_ms: Some(9) };
        let high = Requirement { approvals: 1, role: Role::Operator, expires_after_ms: Some(5) };
        let both = Requirement { approvals: 3, role: Role::Operator, expires_after_ms: Some(5) };
        assert_eq!(strictest(&many, &high), both);
        assert!(!covers(&many, &high) && !covers(&high, &many));
    }

    proptest! {
        #[test]
        fn together_is_never_weaker_than_any_and_no_order_matters(
            a in requirement(), b in requirement(), c in requirement()
        ) {
            let both = strictest(&a, &b);
            prop_assert!(covers(&both, &a) && covers(&both, &b));
            prop_assert_eq!(&both, &strictest(&b, &a));
            prop_assert_eq!(strictest(&both, &c), strictest(&a, &strictest(&b, &c)));
            prop_assert_eq!(strictest(&a, &a), a.clone());
            prop_assert_eq!(strictest(&a, &NOTHING), a);
        }
    }
}
