//! What is reserved for the claim of a task.

use selvedge_contracts::{
    id::{ClaimToken, TaskName},
    payload::lease::Renew,
};

use super::*;

/// A reservation for a claim of ada's.
fn reserved() -> Want {
    let plan = selvedge_contracts::id::PlanId::new(&format!("plan_{}", "0".repeat(64))).unwrap();
    let task = plan.task(&TaskName::new("a").unwrap());
    let claim = ClaimToken::of("k", &task, 1);
    let space = SpaceId::new("shop").unwrap();
    Want {
        id: claim.lease_in(&space),
        session: claim.scope(),
        task: Some(task.scope(1)),
        ..want("x", "ada", &[resource("db")], 0)
    }
}

#[test]
fn it_is_kept_under_its_token_and_never_for_less() {
    let mut space = Space::new(Limits::default());
    let wish = reserved();
    assert_eq!(space.keep(&wish, None, NOW_MS).unwrap().outcome, None, "it has to be acquired");
    assert!(space.keep(&wish, Some(7), NOW_MS).is_err(), "it is not held");
    acquire(&mut space, &wish, 7);
    let longer = Want { request: Acquire { ttl_ms: Some(60_000), ..wish.request.clone() }, ..wish.clone() };
    let kept = space.keep(&longer, Some(7), NOW_MS + 5_000).unwrap();
    store(&mut space, &kept.writes, 9);
    let lease = space.lease(&wish.id).unwrap();
    assert_eq!((lease.expires_at_ms, lease.token), (NOW_MS + 65_000, Some(7)));
    let shorter = space.keep(&wish, Some(7), NOW_MS + 6_000).unwrap();
    assert_eq!((shorter.writes.len(), shorter.outcome.unwrap().expires_at_ms), (0, NOW_MS + 65_000));
    assert!(space.keep(&longer, Some(8), NOW_MS + 6_000).is_err(), "another token");
    assert!(space.keep(&longer, Some(7), NOW_MS + 65_000).is_err(), "it ran out");
}

#[test]
fn its_holder_ends_it_neither_at_once_nor_sooner_and_the_end_of_the_claim_does() {
    let mut space = Space::new(Limits::default());
    let wish = reserved();
    acquire(&mut space, &wish, 7);
    let (ada, id) = (agent("ada"), wish.id.clone());
    assert!(space.release(&id, &ada, NOW_MS).is_err());
    let sooner =
        Renew { space: wish.request.space.clone(), lease: id.clone(), token: 7, ttl_ms: Some(1_000) };
    let renewed = space.renew(&sooner, &ada, NOW_MS + 1).unwrap();
    assert_eq!(renewed.outcome.expires_at_ms, NOW_MS + 10_000);
    store(&mut space, &renewed.writes, 8);
    acquire(&mut space, &want("two", "bob", &[resource("db")], 60_000), 9);
    assert_eq!(
        space.end_session(&ScopeId::new("session_ada").unwrap(), NOW_MS + 2),
        [],
        "its holder's session"
    );
    let writes = space.end_session(&wish.session, NOW_MS + 2);
    assert_eq!((granted(&writes), space.lease(&id)), (vec!["two".to_owned()], None));
}
