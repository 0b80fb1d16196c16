//! Pools of slots.

use selvedge_contracts::fault::Code;

use super::*;

fn space_with(slots: u32) -> Space {
    let mut space = Space::new(Limits::default());
    let decision = space.set_pool(pool("gpu", slots), None, NOW_MS).unwrap();
    assert!(matches!(&decision.writes[..], [Write::PutPool(_)]));
    space
}

#[test]
fn no_more_slots_are_held_than_a_pool_has() {
    let mut space = space_with(3);
    held(&acquire(&mut space, &want("one", "ada", &[slots("gpu", 2)], 0), 1));
    let fault = space.acquire(&want("two", "bob", &[slots("gpu", 2)], 0), NOW_MS).unwrap_err();
    assert_eq!((fault.code, fault.details[0].at.as_str()), (Code::Conflict, "/claims/0"));
    assert!(fault.message.contains("holds 2 slots of gpu"), "{fault}");
    held(&acquire(&mut space, &want("three", "cyd", &[slots("gpu", 1)], 0), 2));
    let used = space.pools().next().unwrap();
    assert_eq!((used.held, used.waited_for), (3, 0));
}

#[test]
fn a_small_request_does_not_starve_a_large_one() {
    let mut space = space_with(4);
    acquire(&mut space, &want("one", "ada", &[slots("gpu", 2)], 0), 1);
    let large = acquire(&mut space, &want("large", "bob", &[slots("gpu", 4)], 60_000), 2);
    assert_eq!(blockers(&large)[0].holder, agent("ada"));
    let small = acquire(&mut space, &want("small", "cyd", &[slots("gpu", 1)], 60_000), 3);
    assert_eq!(blockers(&small).len(), 2, "it waits for the holder and for whoever came first");
    let released = space.release(&lease_id("one"), &agent("ada"), NOW_MS).unwrap();
    assert_eq!(granted(&released.writes), ["large"]);
}

#[test]
fn a_pool_that_grows_grants_and_one_that_shrinks_gives_up_the_impossible() {
    let mut space = space_with(2);
    acquire(&mut space, &want("one", "ada", &[slots("gpu", 2)], 0), 1);
    acquire(&mut space, &want("two", "bob", &[slots("gpu", 2)], 60_000), 2);
    acquire(&mut space, &want("three", "cyd", &[slots("gpu", 1)], 60_000), 3);
    let shrunk = space.set_pool(pool("gpu", 1), None, NOW_MS).unwrap();
    assert_eq!((shrunk.outcome.held, shrunk.outcome.waited_for), (2, 1), "what is held stays");
    assert!(
        matches!(&shrunk.writes[..], [Write::PutPool(_), Write::Remove(lease, Removal::Impossible)] if lease.id == lease_id("two"))
    );
    let grown = space.set_pool(pool("gpu", 3), None, NOW_MS).unwrap();
    assert_eq!(granted(&grown.writes), ["three"]);
}

#[test]
fn slots_that_could_never_be_granted_are_refused_at_once() {
    let mut space = space_with(2);
    let wanted = [slots("gpu", 1), slots("gpu", 2), slots("tpu", 1)];
    let fault = space.acquire(&want("one", "ada", &wanted, 60_000), NOW_MS).unwrap_err();
    assert_eq!(fault.code, Code::Invalid);
    let at: Vec<_> = fault.details.iter().map(|detail| detail.at.as_str()).collect();
    assert_eq!(at, ["/claims/0", "/claims/1", "/claims/2"]);
    assert!(
        fault.details[0].message.contains("3 slots of gpu are wanted together, and it has 2"),
        "{fault:?}"
    );
    assert!(fault.details[2].message.contains("leases.pool_set makes it"), "{fault:?}");
}

#[test]
fn a_pool_of_too_many_slots_is_refused() {
    let mut space = space_with(1);
    let fault = space.set_pool(pool("gpu", 1_000_001), None, NOW_MS).unwrap_err();
    assert_eq!((fault.code, fault.details[0].at.as_str()), (Code::Invalid, "/slots"));
}

#[test]
fn a_late_repetition_of_what_set_a_pool_changes_nothing_and_gets_its_first_answer() {
    let mut space = Space::new(Limits::default());
    let set = |space: &mut Space, request: &str, slots| {
        let decision = space.set_pool(pool("gpu", slots), Some(request), NOW_MS).unwrap();
        (decision.outcome.pool.slots, decision.writes.len())
    };
    assert_eq!(set(&mut space, "first", 2), (2, 1));
    assert_eq!(set(&mut space, "second", 5), (5, 1));
    assert_eq!(set(&mut space, "first", 2), (2, 0), "answered as it was then");
    let stands = space.pools().next().unwrap();
    assert_eq!((stands.pool.slots, stands.pool.settings.len()), (5, 0), "and nothing of it in replies");
    // Also by whoever loads what was stored.
    let stored = space.set_pool(pool("gpu", 6), Some("third"), NOW_MS).unwrap().writes;
    let [Write::PutPool(stored)] = stored.as_slice() else { panic!("{stored:?}") };
    let mut other = Space::new(Limits::default());
    other.load_pool(stored.as_ref().clone(), 1);
    assert_eq!(set(&mut other, "second", 5), (5, 0));
    for n in 0..64 {
        set(&mut other, &format!("n{n}"), 1);
    }
    assert_eq!(set(&mut other, "second", 5), (5, 1), "64 are known");
}

#[test]
fn a_pool_is_never_loaded_overfull_but_by_its_own_shrinking() {
    let hold = |name: &str, revision| {
        let mut space = Space::new(Limits::default());
        space.load_pool(pool("cpu", 1), 1);
        acquire(&mut space, &want(name, name, &[slots("cpu", 1)], 0), revision);
        space.lease(&lease_id(name)).unwrap().as_ref().clone()
    };
    let loaded = |pool_set_at| {
        let mut space = Space::new(Limits::default());
        space.load_pool(pool("cpu", 1), pool_set_at);
        space.load(hold("one", 5), 5);
        space.load(hold("two", 6), 6);
        let writes = space.settle(NOW_MS);
        writes
            .iter()
            .map(|write| matches!(write, Write::Remove(lease, _) if lease.id == lease_id("two")))
            .collect::<Vec<_>>()
    };
    assert_eq!(loaded(1), [true], "the younger grant was never answered");
    assert_eq!(loaded(9), [] as [bool; 0], "both were granted before the pool shrank");
}
