//! What is wrong is refused, says where and why, and changes nothing.

use selvedge_contracts::{
    fault::Code,
    payload::lease::{Before, Checked, Renew, Standing},
};

use super::*;
use crate::{automaton::Effort, list::Filter};

fn details(space: &mut Space, want: &Want) -> Vec<(String, String)> {
    let fault = space.acquire(want, NOW_MS).unwrap_err();
    assert_eq!(fault.code, Code::Invalid, "{fault}");
    assert_eq!(space.len(), 0, "nothing half done");
    fault.details.into_iter().map(|detail| (detail.at, detail.message)).collect()
}

#[test]
fn every_claim_that_is_wrong_is_named_with_its_pointer() {
    let claims = [
        Claim::path("src"),
        Claim::path("/etc/passwd"),
        Claim::file("../secret"),
        Claim::glob("a[b"),
        Claim::files("src/"),
        Claim::glob("!a"),
        Claim::path("a".repeat(1_025)),
    ];
    let found = details(&mut Space::new(Limits::default()), &want("one", "ada", &claims, 0));
    let expected = [
        ("/claims/1/path", "absolute"),
        ("/claims/2/file", "climbs"),
        ("/claims/3/glob", "without its ]"),
        ("/claims/4/files", "ends in /"),
        ("/claims/5/glob", "starts with !"),
        ("/claims/6/path", "1025 bytes"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((at, message), (pointer, why)) in found.iter().zip(expected) {
        assert!(at == pointer && message.contains(why), "{at}: {message}");
    }
}

#[test]
fn a_hundred_thousand_paths_are_refused_in_one_line() {
    let claims: Vec<Claim> = (0..100_000).map(|name| Claim::file(format!("f{name}"))).collect();
    let found = details(&mut Space::new(Limits::default()), &want("one", "ada", &claims, 0));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "/claims");
    assert!(found[0].1.contains("has 100000 claims; expected 1 to 256"), "{found:?}");
    assert_eq!(details(&mut Space::new(Limits::default()), &want("one", "ada", &[], 0))[0].0, "/claims");
}

#[test]
fn a_life_a_wait_and_a_purpose_out_of_bounds_are_all_named() {
    for ttl_ms in [0, 999, 86_400_001, u64::MAX] {
        let mut wanted = want("one", "ada", &[resource("db")], u64::MAX);
        wanted.request.ttl_ms = Some(ttl_ms);
        wanted.request.purpose = "x".repeat(257);
        let found = details(&mut Space::new(Limits::default()), &wanted);
        let at: Vec<_> = found.iter().map(|(at, _)| at.as_str()).collect();
        assert_eq!(at, ["/purpose", "/ttl_ms", "/wait_ms"]);
        assert!(
            found[1].1.contains(&ttl_ms.to_string()) && found[1].1.contains("1000 to 86400000"),
            "{found:?}"
        );
    }
}

#[test]
fn a_foreign_token_renews_nothing_and_counts_for_nothing() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[resource("db")], 0), 7);
    let lease = space.lease(&lease_id("one")).unwrap();
    let renew = |token| Renew { space: lease.space.clone(), lease: lease.id.clone(), token, ttl_ms: None };
    for token in [0, 6, 8, u64::MAX] {
        let fault = space.renew(&renew(token), &agent("ada"), NOW_MS).unwrap_err();
        assert_eq!((fault.code, fault.details[0].at.as_str()), (Code::Conflict, "/token"));
        let checked = Checked { lease: lease.id.clone(), token };
        assert_eq!(space.check(&[checked], NOW_MS)[0].standing, Standing::OtherToken);
    }
    let fault = space.renew(&renew(7), &agent("bob"), NOW_MS).unwrap_err();
    assert_eq!(fault.code, Code::Denied);
    assert!(fault.message.contains("held by ada-1a2b3c4d, not by bob-1a2b3c4d"), "{fault}");
    let huge = Renew { ttl_ms: Some(u64::MAX), ..renew(7) };
    let fault = space.renew(&huge, &agent("ada"), NOW_MS).unwrap_err();
    assert_eq!((fault.code, fault.details[0].at.as_str()), (Code::Invalid, "/ttl_ms"));
    assert_eq!(space.lease(&lease_id("one")).unwrap(), lease, "nothing changed");
}

#[test]
fn whoever_does_not_hold_a_lease_cannot_release_it() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[resource("db")], 0), 7);
    let fault = space.release(&lease_id("one"), &agent("bob"), NOW_MS).unwrap_err();
    assert_eq!(fault.code, Code::Denied);
    assert!(space.lease(&lease_id("one")).is_some());
    let gone = space.release(&lease_id("other"), &agent("bob"), NOW_MS).unwrap();
    assert_eq!((gone.outcome, gone.writes.len()), (Before::Gone, 0));
    let renew =
        Renew { space: SpaceId::new("shop").unwrap(), lease: lease_id("other"), token: 1, ttl_ms: None };
    assert_eq!(space.renew(&renew, &agent("bob"), NOW_MS).unwrap_err().code, Code::NotFound);
}

#[test]
fn one_key_for_two_contents_is_a_conflict() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("one", "ada", &[resource("db")], 0), 7);
    let fault = space.acquire(&want("one", "ada", &[resource("port")], 0), NOW_MS).unwrap_err();
    assert!(
        fault.code == Code::Conflict && fault.message.contains("idempotency key was used before"),
        "{fault}"
    );
}

#[test]
fn a_space_that_is_full_says_what_is_full() {
    let limits = Limits {
        leases_per_holder: 2,
        waiters: 1,
        waiters_per_holder: 1,
        leases: 4,
        pools: 1,
        ..Limits::default()
    };
    let mut space = Space::new(limits);
    acquire(&mut space, &want("1", "ada", &[resource("a")], 0), 1);
    acquire(&mut space, &want("2", "ada", &[resource("b")], 0), 2);
    let refused = |space: &mut Space, name: &str, holder: &str, claim: &str, wait_ms| {
        let fault = space.acquire(&want(name, holder, &[resource(claim)], wait_ms), NOW_MS).unwrap_err();
        assert_eq!(fault.code, Code::Busy);
        fault.message
    };
    assert!(refused(&mut space, "3", "ada", "c", 0).contains("ada-1a2b3c4d has 2 leases"));
    acquire(&mut space, &want("4", "bob", &[resource("a")], 5_000), 3);
    assert!(refused(&mut space, "5", "cyd", "a", 5_000).contains("1 requests wait"));
    acquire(&mut space, &want("6", "cyd", &[resource("c")], 0), 4);
    assert!(refused(&mut space, "7", "dan", "d", 0).contains("this space has 4 leases"));
    drop(space.set_pool(pool("gpu", 1), None, NOW_MS).unwrap());
    assert_eq!(space.set_pool(pool("tpu", 1), None, NOW_MS).unwrap_err().code, Code::Busy);
}

#[test]
fn a_list_shows_what_is_asked_for() {
    let mut space = Space::new(Limits::default());
    acquire(&mut space, &want("1", "ada", &[Claim::path("src")], 0), 1);
    acquire(&mut space, &want("2", "bob", &[Claim::file("src/a")], 5_000), 2);
    acquire(&mut space, &want("3", "bob", &[Claim::path("docs")], 0), 3);
    let shown = |asked: &str| {
        let filter = Filter::new(&serde_json::from_str(asked).unwrap()).unwrap();
        let leases = space.leases(None).filter(|lease| filter.keeps(lease, &mut Effort::new()));
        leases.map(|lease| lease.id.as_str().trim_start_matches("lease_").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shown("{}"), ["1", "2", "3"]);
    assert_eq!(shown(r#"{"holder":"bob-1a2b3c4d","state":"held"}"#), ["3"]);
    assert_eq!(shown(r#"{"except":"bob-1a2b3c4d"}"#), ["1"]);
    assert_eq!(shown(r#"{"claims":[{"files":"**/*a"}]}"#), ["1", "2", "3"]);
    assert_eq!(shown(r#"{"claims":[{"file":"src/b"},{"resource":"db"}]}"#), ["1"]);
    assert_eq!(shown(r#"{"after":{"space":"shop","lease":"lease_1"}}"#), ["2", "3"]);
    assert_eq!(shown(r#"{"space":"other"}"#), Vec::<String>::new());
    let fault = Filter::new(&serde_json::from_str(r#"{"claims":[{"path":"/a"}]}"#).unwrap()).unwrap_err();
    assert_eq!(fault.details[0].at, "/claims/0/path");
}

#[test]
fn a_check_of_many_large_leases_judges_all_and_shows_no_more_than_a_message_holds() {
    let mut space = Space::new(Limits::default());
    let claims: Vec<_> =
        (0..256).map(|index| Claim::path(format!("{index}/{}", "x".repeat(1_000)))).collect();
    let lease = held(&acquire(&mut space, &want("one", "ada", &claims, 0), 7)).clone();
    let checked = vec![Checked { lease: lease.id.clone(), token: 7 }; 256];
    let verdicts = space.check(&checked, NOW_MS);
    assert!(verdicts.iter().all(|verdict| verdict.standing == Standing::Valid), "all are judged");
    assert!(serde_json::to_vec(&verdicts).unwrap().len() < 1_000_000, "as large as a message at most");
    let small = held(&acquire(&mut space, &want("two", "ada", &[Claim::path("y")], 0), 8)).clone();
    let verdicts = space.check(&[Checked { lease: small.id.clone(), token: 8 }], NOW_MS);
    assert_eq!(verdicts[0].now.as_ref().unwrap().id, small.id, "what fits is shown");
}
