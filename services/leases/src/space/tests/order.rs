//! Who is granted, and when.

use selvedge_contracts::{
    fault::Code,
    payload::{
        claim::Mode,
        lease::{Before, Checked, LeaseState, Renew, Standing},
    },
};

use super::*;

#[test]
fn a_refusal_names_the_holder_its_work_what_clashes_and_how_long() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[resource("db"), Claim::glob("src/**/*.rs")], 0), 7);
    let wanted = want("two", "bob", &[Claim::path("docs"), Claim::file("src/a/main.rs")], 0);
    let fault = space.acquire(&wanted, NOW_MS + 4_000).unwrap_err();
    assert_eq!(fault.code, Code::Conflict);
    assert_eq!(fault.details.len(), 1);
    assert_eq!(fault.details[0].at, "/claims/1");
    assert_eq!(
        fault.details[0].message,
        "ada-1a2b3c4d holds glob src/**/*.rs (lease lease_one, 6000 ms left): the work of ada"
    );
    assert_eq!(space.len(), 1, "nothing is half done");
}

#[test]
fn a_waiting_request_is_granted_when_the_lease_in_its_way_is_released() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[Claim::path("src")], 0), 7);
    let waiting = acquire(&mut space, &want("two", "bob", &[Claim::file("src/a")], 5_000), 8);
    let [blocker] = blockers(&waiting) else { panic!("one blocker") };
    assert_eq!((blocker.holder.as_str(), blocker.remaining_ms), ("ada-1a2b3c4d", 10_000));
    let released = space.release(&lease_id("one"), &agent("ada"), NOW_MS + 100).unwrap();
    assert_eq!(released.outcome, Before::Held);
    assert!(
        matches!(&released.writes[0], Write::Remove(lease, Removal::Released) if lease.id == lease_id("one"))
    );
    assert_eq!(granted(&released.writes), ["two"]);
    store(&mut space, &released.writes, 20);
    let lease = space.lease(&lease_id("two")).unwrap();
    assert_eq!((lease.token, lease.since_ms, lease.expires_at_ms), (Some(21), NOW_MS + 100, NOW_MS + 10_100));
}

#[test]
fn nobody_overtakes_an_earlier_request_that_it_clashes_with() {
    let mut space = Space::new(Limits::default());
    let read = Claim::path("src").with_mode(Mode::Shared);
    acquire(&mut space, &want("reader", "ada", std::slice::from_ref(&read), 0), 1);
    blockers(&acquire(&mut space, &want("writer", "bob", &[Claim::path("src")], 5_000), 2));
    // A reader could share with the reader, but the writer came first: it must not starve.
    blockers(&acquire(&mut space, &want("late", "cyd", std::slice::from_ref(&read), 5_000), 3));
    assert_eq!(space.acquire(&want("later", "dan", &[read], 0), NOW_MS).unwrap_err().code, Code::Conflict);
    // What has nothing in common with anybody overtakes.
    held(&acquire(&mut space, &want("other", "eve", &[Claim::path("docs")], 0), 4));
    let released = space.release(&lease_id("reader"), &agent("ada"), NOW_MS).unwrap();
    assert_eq!(granted(&released.writes), ["writer"]);
    let released = space.release(&lease_id("writer"), &agent("bob"), NOW_MS).unwrap();
    assert_eq!(granted(&released.writes), ["late"]);
}

#[test]
fn a_queue_is_served_in_order_of_arrival() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("0", "ada", &[resource("db")], 0), 1);
    for name in 1..50_u64 {
        acquire(&mut space, &want(&name.to_string(), "bob", &[resource("db")], 60_000), 1 + name);
    }
    let mut served = Vec::new();
    for name in 0..49_u64 {
        let holder = agent(if name == 0 { "ada" } else { "bob" });
        let released = space.release(&lease_id(&name.to_string()), &holder, NOW_MS).unwrap();
        served.extend(granted(&released.writes));
    }
    assert_eq!(served, (1..50).map(|name| name.to_string()).collect::<Vec<_>>());
}

#[test]
fn all_claims_are_granted_together_or_none() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[resource("db")], 0), 1);
    acquire(&mut space, &want("both", "bob", &[resource("port"), resource("db")], 5_000), 2);
    // It holds nothing while it waits, and yet nobody later gets what it waits for.
    let fault = space.acquire(&want("late", "cyd", &[resource("port")], 0), NOW_MS).unwrap_err();
    assert!(fault.message.contains("waits for resource port"), "{fault}");
    let withdrawn = space.release(&lease_id("both"), &agent("bob"), NOW_MS).unwrap();
    assert_eq!(withdrawn.outcome, Before::Waiting);
    held(&acquire(&mut space, &want("late", "cyd", &[resource("port")], 0), 3));
}

#[test]
fn a_repetition_finds_its_lease_and_keeps_its_place() {
    let mut space = Space::new(Limits::default());
    let first = want("one", "ada", &[resource("db")], 0);
    acquire(&mut space, &first, 7);
    let again = space.acquire(&first, NOW_MS + 1).unwrap();
    assert_eq!((held(&again.outcome).token, again.writes.len()), (Some(7), 0));
    let second = want("two", "bob", &[resource("db")], 5_000);
    acquire(&mut space, &second, 8);
    acquire(&mut space, &want("three", "cyd", &[resource("db")], 5_000), 9);
    let again = space.acquire(&second, NOW_MS + 1).unwrap();
    assert_eq!((blockers(&again.outcome).len(), again.writes.len()), (1, 0));
    let released = space.release(&lease_id("one"), &agent("ada"), NOW_MS + 1).unwrap();
    assert_eq!(granted(&released.writes), ["two"]);
}

#[test]
fn a_renewal_keeps_the_token() {
    let mut space = Space::new(Limits::default());
    let lease = Arc::clone(held(&acquire(&mut space, &want("one", "ada", &[resource("db")], 0), 7)));
    let renew = Renew { space: lease.space.clone(), lease: lease.id.clone(), token: 7, ttl_ms: Some(60_000) };
    let renewed = space.renew(&renew, &agent("ada"), NOW_MS + 5_000).unwrap();
    assert_eq!((renewed.outcome.token, renewed.outcome.expires_at_ms), (Some(7), NOW_MS + 65_000));
    store(&mut space, &renewed.writes, 8);
    let check =
        |token| space.check(&[Checked { lease: lease.id.clone(), token }], NOW_MS + 64_999)[0].standing;
    assert_eq!((check(7), check(8)), (Standing::Valid, Standing::OtherToken));
}

#[test]
fn a_sessions_end_frees_all_that_it_holds_and_waits_for() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[resource("db")], 0), 1);
    acquire(&mut space, &want("two", "ada", &[resource("db")], 5_000), 2);
    acquire(&mut space, &want("three", "bob", &[resource("db")], 5_000), 3);
    let ada = ScopeId::new("session_ada").unwrap();
    assert_eq!(space.sessions().count(), 2);
    let writes = space.end_session(&ada, NOW_MS);
    assert_eq!(granted(&writes), ["three"], "never in passing to the session that is over");
    assert_eq!(space.len(), 1);
    assert_eq!(space.end_session(&ada, NOW_MS), []);
}

#[test]
fn a_takeover_finds_queue_tokens_and_places_as_they_were() {
    let mut space = Space::new(Limits::default());
    let mut records: Vec<Lease> = Vec::new();
    for (name, wait_ms, revision) in [("one", 0, 11), ("two", 5_000, 12), ("three", 5_000, 13)] {
        let (Acquired::Held(record) | Acquired::Waiting(record, _)) =
            acquire(&mut space, &want(name, name, &[resource("db")], wait_ms), revision);
        records.push(record.as_ref().clone());
    }
    let mut next = Space::new(Limits::default());
    for (record, revision) in records.iter().rev().zip([13, 12, 11]) {
        next.load(record.clone(), revision);
    }
    assert_eq!(next.settle(NOW_MS), []);
    assert_eq!(next.lease(&lease_id("one")).unwrap().token, Some(11));
    let released = next.release(&lease_id("one"), &agent("one"), NOW_MS).unwrap();
    assert_eq!(granted(&released.writes), ["two"]);
    // A crash between a release and the grant that follows from it: the next owner grants.
    let mut last = Space::new(Limits::default());
    for record in &records[1..] {
        last.load(record.clone(), 14);
    }
    assert_eq!(granted(&last.settle(NOW_MS)), ["two"]);
    assert_eq!(last.lease(&lease_id("three")).unwrap().state, LeaseState::Waiting);
}

#[test]
fn a_record_that_cannot_be_read_any_more_keeps_everything() {
    let mut space = Space::new(Limits::default());
    let decision = acquire(&mut space, &want("one", "ada", &[Claim::path("src")], 0), 1);
    let mut record = held(&decision).as_ref().clone();
    record.claims = vec![Claim::glob("a[")];
    let mut next = Space::new(Limits::default());
    next.load(record, 1);
    let fault = next.acquire(&want("two", "bob", &[Claim::file("docs/x")], 0), NOW_MS).unwrap_err();
    assert_eq!(fault.code, Code::Conflict);
}

/// A removal that was lost with a connection, and the grant that followed from it, stored over the next.
#[test]
fn a_grant_that_nobody_was_told_of_is_taken_back_when_the_space_is_loaded() {
    let mut before = Space::new(Limits::default());
    acquire(&mut before, &want("one", "ada", &[Claim::path("src")], 0), 7);
    acquire(&mut before, &want("apart", "eve", &[Claim::path("docs")], 0), 8);
    acquire(&mut before, &want("two", "bob", &[Claim::file("src/a")], 5_000), 9);
    let holder = before.lease(&lease_id("one")).unwrap();
    let released = before.release(&lease_id("one"), &agent("ada"), NOW_MS).unwrap();
    let [Write::Remove(..), Write::Put(grant)] = &released.writes[..] else { panic!("{released:?}") };
    let mut loaded = Space::new(Limits::default());
    loaded.load(holder.as_ref().clone(), 7);
    loaded.load(before.lease(&lease_id("apart")).unwrap().as_ref().clone(), 8);
    loaded.load(grant.as_ref().clone(), 10);
    let writes = loaded.settle(NOW_MS);
    assert!(
        matches!(&writes[..], [Write::Remove(lease, Removal::Unanswered)] if lease.id == lease_id("two")),
        "{writes:?}"
    );
    let valid = |name: &str, token| {
        loaded.check(&[Checked { lease: lease_id(name), token }], NOW_MS)[0].standing == Standing::Valid
    };
    assert!(valid("one", 7) && valid("apart", 8) && !valid("two", 10));
}
