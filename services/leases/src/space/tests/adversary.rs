//! What one holder alone can do to the others.

use selvedge_contracts::payload::claim::Mode;

use super::*;
use crate::space::queue::MOST_OF_A_PASS;

#[test]
fn one_holder_cannot_fill_the_queue() {
    let mut space = Space::new(Limits::default());
    held(&acquire(&mut space, &want("first", "ada", &[resource("r")], 0), 1));
    for index in 0..Limits::default().waiters {
        let _ = space.acquire(&want(&format!("w{index}"), "eve", &[resource("r")], 86_400_000), NOW_MS);
    }
    assert_eq!(space.waiters(), Limits::default().waiters_per_holder);
    let bob = space.acquire(&want("bob", "bob", &[resource("r")], 1_000), NOW_MS);
    assert!(bob.is_ok(), "{bob:?}");
}

/// A glob whose ends alone tell it from others of its sort, in a way that only a whole search finds.
fn hard(index: u8) -> Claim {
    Claim::files(format!(
        "{}[{}][{}]",
        "*a?".repeat(30),
        char::from(b'A' + index / 20),
        char::from(b'a' + index % 20)
    ))
}

#[test]
fn a_release_that_wakes_many_hard_globs_is_done_in_bounded_passes_and_forgets_nobody() {
    const HELD: u8 = 10;
    const WAITING: u8 = 20;
    let mut space = Space::new(Limits::default());
    let gate = want("gate", "ada", &[resource("gate")], 0);
    held(&acquire(&mut space, &gate, 1));
    for index in 0..HELD {
        held(&acquire(&mut space, &want(&format!("h{index}"), "ada", &[hard(index)], 0), 2));
    }
    // They share what they wait for: one release frees them all.
    for index in 0..WAITING {
        let claims = [resource("gate").with_mode(Mode::Shared), hard(HELD + index)];
        blockers(&acquire(&mut space, &want(&format!("w{index}"), "eve", &claims, 86_400_000), 3));
    }
    let bound = 2 * MOST_OF_A_PASS;
    let mut writes = space.release(&gate.id, &gate.holder, NOW_MS).unwrap().writes;
    let (mut passes, mut cost) = (1, u64::from(space.cost));
    assert!(space.cost <= bound && space.is_pending(), "one pass cannot look at all: {}", space.cost);
    let last = HELD + WAITING - 1;
    let late = want("late", "bob", &[hard(last)], 0);
    assert!(space.acquire(&late, NOW_MS).is_err(), "who is not looked at yet still holds up who comes later");
    while space.is_pending() {
        writes.extend(space.go_on(NOW_MS));
        assert!(space.cost <= bound, "{} pairs and claims", space.cost);
        (passes, cost) = (passes + 1, cost + u64::from(space.cost));
    }
    assert!(passes > 4 && cost > u64::from(bound), "it was hard: {passes} passes, {cost}");
    let expected: Vec<_> = (0..WAITING).map(|index| format!("w{index}")).collect();
    assert_eq!(granted(&writes), expected, "all of them, in order");
}
