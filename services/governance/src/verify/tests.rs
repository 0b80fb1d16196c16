use super::*;

fn asks(approvals: u32, role: Role, expires_after_ms: Option<u64>) -> Requirement {
    Requirement { approvals, role, expires_after_ms }
}

#[test]
fn what_undoes_it_is_approved_with_it_and_the_stricter_counts() {
    let (one, two) = (asks(1, Role::Approver, Some(500)), asks(2, Role::Approver, None));
    assert_eq!(strictest(&one, &two), Ok(asks(2, Role::Approver, Some(500))));
    let free = asks(0, Role::Operator, Some(300));
    assert_eq!(strictest(&one, &free), Ok(asks(1, Role::Approver, Some(300))));
    assert_eq!(strictest(&free, &two), Ok(asks(2, Role::Approver, Some(300))));
    let other = asks(1, Role::Operator, None);
    assert_eq!(strictest(&one, &other).unwrap_err().at, "/undo");
}
