//! Deadlines and the server's expiry markers.

use selvedge_contracts::payload::lease::{Checked, Renew, Standing};

use super::*;
use crate::decision::Expired;

fn renewal(token: u64) -> Renew {
    Renew { space: SpaceId::new("shop").unwrap(), lease: lease_id("one"), token, ttl_ms: None }
}

#[test]
fn a_lease_counts_until_its_deadline_and_is_freed_by_its_marker() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[resource("db")], 0), 7);
    acquire(&mut space, &want("two", "bob", &[resource("db")], 60_000), 8);
    let check = |space: &Space, now_ms| {
        space.check(&[Checked { lease: lease_id("one"), token: 7 }], now_ms)[0].standing
    };
    assert_eq!(check(&space, NOW_MS + 9_999), Standing::Valid);
    assert_eq!(check(&space, NOW_MS + 10_000), Standing::Expired);
    assert!(space.renew(&renewal(7), &agent("ada"), NOW_MS + 10_000).is_err(), "too late");
    let Expired::Freed(writes) = space.expired(&lease_id("one"), 9, NOW_MS + 11_000) else { panic!("freed") };
    assert_eq!(granted(&writes), ["two"]);
    assert_eq!(check(&space, NOW_MS + 11_000), Standing::Gone);
}

#[test]
fn a_marker_that_crossed_a_renewal_is_undone_and_the_token_stays() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[resource("db")], 0), 7);
    let renewed = space.renew(&renewal(7), &agent("ada"), NOW_MS + 9_999).unwrap();
    let Write::Put(record) = &renewed.writes[0] else { panic!("a record") };
    // Which of the two the server stored first is not known before the renewal's own revision is.
    assert_eq!(space.expired(&lease_id("one"), 9, NOW_MS + 10_100), Expired::Undecided);
    let mut later = Space::new(Limits::default());
    later.load(record.as_ref().clone(), 10);
    assert_eq!(later.expired(&lease_id("one"), 9, NOW_MS + 10_100), Expired::Stale, "the renewal came after");
    let (lease, writes) = space.stored(record, 8, NOW_MS + 10_100);
    assert_eq!(lease.unwrap().token, Some(7));
    let [Write::Put(again)] = &writes[..] else { panic!("it is written again") };
    assert_eq!((again.token, again.expires_at_ms), (Some(7), NOW_MS + 19_999));
    assert_eq!(space.stored(again, 10, NOW_MS + 10_200).1, []);
    assert_eq!(space.expired(&lease_id("one"), 9, NOW_MS + 10_300), Expired::Stale);
}

#[test]
fn a_marker_too_early_is_undone() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[resource("db")], 0), 7);
    let Expired::WriteAgain(writes) = space.expired(&lease_id("one"), 8, NOW_MS + 9_000) else {
        panic!("again")
    };
    assert!(matches!(&writes[..], [Write::Put(again)] if again.token == Some(7)));
}

#[test]
fn the_acknowledgement_of_an_older_record_gives_no_token_to_a_newer_one() {
    let mut space = Space::new(Limits::default());
    let wanted = want("one", "ada", &[resource("db")], 0);
    let first = space.acquire(&wanted, NOW_MS).unwrap();
    let Write::Put(old) = &first.writes[0] else { panic!("a record") };
    drop(space.release(&lease_id("one"), &agent("ada"), NOW_MS).unwrap());
    let second = space.acquire(&wanted, NOW_MS).unwrap();
    let Write::Put(new) = &second.writes[0] else { panic!("a record") };
    assert_eq!(space.stored(old, 7, NOW_MS).0.unwrap().token, None);
    assert_eq!(space.stored(new, 9, NOW_MS).0.unwrap().token, Some(9));
    assert!(space.renew(&renewal(7), &agent("ada"), NOW_MS).is_err());
    assert!(space.renew(&renewal(9), &agent("ada"), NOW_MS).is_ok());
}

#[test]
fn a_waiting_request_gives_up_at_its_deadline_and_is_never_granted_after() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[resource("db")], 0), 7);
    acquire(&mut space, &want("two", "bob", &[resource("db")], 2_000), 8);
    acquire(&mut space, &want("three", "cyd", &[resource("db")], 60_000), 9);
    assert_eq!(space.sweep(NOW_MS + 1_999), []);
    let released = space.release(&lease_id("one"), &agent("ada"), NOW_MS + 2_000).unwrap();
    assert!(
        matches!(&released.writes[1], Write::Remove(lease, Removal::GaveUp) if lease.id == lease_id("two"))
    );
    assert_eq!(granted(&released.writes), ["three"]);
}

#[test]
fn a_sweep_wakes_those_behind_whoever_gave_up() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[resource("db")], 0), 7);
    acquire(&mut space, &want("two", "bob", &[resource("db"), resource("port")], 2_000), 8);
    acquire(&mut space, &want("three", "cyd", &[resource("port")], 60_000), 9);
    assert_eq!(granted(&space.sweep(NOW_MS + 2_000)), ["three"]);
}
