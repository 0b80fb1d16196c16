//! Holds a history against what leases promise. Pure: what a client saw is known to have been so at some
//! instant between its asking and its answer, and nothing more is taken for known.

use std::collections::{BTreeMap, HashMap};

use selvedge_contracts::id::LeaseId;

use super::record::{At, Covered, Seen, What};

/// All that is known of one granted lease.
#[derive(Debug)]
struct Grant {
    lease: LeaseId,
    covered: Covered,
    token: u64,
    first_asked: At,
    order: u64,
    /// It was certainly held from here…
    held_from: At,
    /// … to here.
    held_to: At,
    /// It may not count any more once this has passed.
    ends: At,
    /// From here on it had been given back.
    released: Option<At>,
    /// From here on its token did not count any more.
    refused: Option<At>,
    written: Vec<(usize, At)>,
}

/// Everything in the history that leases promise never to happen.
pub(crate) fn violations(history: &[Seen]) -> Vec<String> {
    let grants = grants(history);
    let mut found = Vec::new();
    tokens_are_used_once(&grants, &mut found);
    for (grant, seen) in history.iter().filter_map(|seen| Some((grants.get(&seen.lease)?, seen))) {
        nothing_comes_back(grant, seen, &mut found);
    }
    let in_order = by_token(&grants);
    for (index, earlier) in in_order.iter().enumerate() {
        for later in in_order.iter().skip(index + 1).filter(|later| later.covered.clashes(&earlier.covered)) {
            exclude_each_other(earlier, later, &mut found);
        }
    }
    queues_keep_their_order(history, &grants, &mut found);
    found
}

fn grants(history: &[Seen]) -> HashMap<LeaseId, Grant> {
    let mut grants: HashMap<LeaseId, Grant> = HashMap::new();
    for seen in history {
        if let What::Granted { covered, token, ttl_ms, first_asked, order } = &seen.what {
            grants.entry(seen.lease.clone()).or_insert_with(|| Grant {
                lease: seen.lease.clone(),
                covered: covered.clone(),
                token: *token,
                first_asked: *first_asked,
                order: *order,
                held_from: seen.answered,
                held_to: seen.answered,
                ends: seen.answered + ttl_ms * 1_000,
                released: None,
                refused: None,
                written: Vec::new(),
            });
        }
    }
    for seen in history {
        let Some(grant) = grants.get_mut(&seen.lease) else { continue };
        match seen.what {
            What::Valid => held(grant, seen),
            What::Renewed { ttl_ms } => {
                held(grant, seen);
                grant.ends = grant.ends.max(seen.answered + ttl_ms * 1_000);
            }
            What::Released => grant.released = Some(grant.released.unwrap_or(At::MAX).min(seen.answered)),
            What::NotValid => grant.refused = Some(grant.refused.unwrap_or(At::MAX).min(seen.answered)),
            What::Written { path } => grant.written.push((path, seen.answered)),
            What::Granted { .. } | What::InTheWay | What::Waiting { .. } => {}
        }
    }
    grants
}

/// At some instant between asking and answer it was held.
fn held(grant: &mut Grant, seen: &Seen) {
    grant.held_from = grant.held_from.min(seen.answered);
    grant.held_to = grant.held_to.max(seen.asked);
}

fn by_token(grants: &HashMap<LeaseId, Grant>) -> Vec<&Grant> {
    let mut all: Vec<_> = grants.values().collect();
    all.sort_by_key(|grant| grant.token);
    all
}

fn tokens_are_used_once(grants: &HashMap<LeaseId, Grant>, found: &mut Vec<String>) {
    let mut holders = BTreeMap::new();
    for grant in grants.values() {
        if let Some(other) = holders.insert(grant.token, &grant.lease) {
            found.push(format!("token {} twice: {other} and {}", grant.token, grant.lease));
        }
    }
}

fn nothing_comes_back(grant: &Grant, seen: &Seen, found: &mut Vec<String>) {
    let counts = matches!(seen.what, What::Valid | What::Renewed { .. });
    let stands = counts || matches!(seen.what, What::InTheWay);
    if stands && grant.released.is_some_and(|released| released < seen.asked) {
        found.push(format!("a lost release: {} at {} after {:?}", seen.lease, seen.asked, grant.released));
    }
    if counts && grant.refused.is_some_and(|refused| refused < seen.asked) {
        found.push(format!("a token counted again: {} at {}", seen.lease, seen.asked));
    }
    if counts && grant.ends < seen.asked {
        found.push(format!(
            "a token outlived its lease: {} at {} after {}",
            seen.lease, seen.asked, grant.ends
        ));
    }
}

/// Of two leases that clash, the one with the lower token is over before the other begins.
fn exclude_each_other(earlier: &Grant, later: &Grant, found: &mut Vec<String>) {
    if later.held_from < earlier.held_to {
        found.push(format!("two hold at once: {earlier:?} and {later:?}"));
    }
    for (path, at) in &later.written {
        if earlier.written.iter().any(|(other, after)| other == path && after > at) {
            found.push(format!("a write under a lower token was taken after one under a higher: {path}, {earlier:?}, {later:?}"));
        }
    }
}

/// Whoever was seen in the queue before another asked for what clashes is granted before it from there.
/// One that gave up meanwhile stands at the end when it asks again, and so does one whose grant ran out
/// before it heard of it: then its place is another.
fn queues_keep_their_order(history: &[Seen], grants: &HashMap<LeaseId, Grant>, found: &mut Vec<String>) {
    for seen in history {
        let (What::Waiting { until, order }, Some(first)) = (&seen.what, grants.get(&seen.lease)) else {
            continue;
        };
        if *order != first.order {
            continue;
        }
        for second in grants.values() {
            if second.first_asked > seen.answered
                && second.covered.clashes(&first.covered)
                && second.token < first.token
                && second.held_from < *until
            {
                found.push(format!("overtaken in the queue: {seen:?} {first:?} by {second:?}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> LeaseId {
        LeaseId::new(&format!("lease_{name:0>16}")).unwrap()
    }

    fn seen(name: &str, asked: At, answered: At, what: What) -> Seen {
        Seen { lease: id(name), asked, answered, what }
    }

    fn granted(name: &str, token: u64, paths: &[usize], asked: At, answered: At) -> Seen {
        let covered = Covered { paths: paths.to_vec(), is_shared: false };
        seen(
            name,
            asked,
            answered,
            What::Granted { covered, token, ttl_ms: 1_000, first_asked: asked, order: 1 },
        )
    }

    fn found(history: &[Seen]) -> String {
        violations(history).join("; ")
    }

    #[test]
    fn what_may_happen_is_no_violation() {
        let history = [
            granted("1", 1, &[0], 0, 10),
            seen("1", 11, 12, What::Valid),
            seen("1", 12, 13, What::Written { path: 0 }),
            seen("2", 5, 14, What::Waiting { until: 900, order: 1 }),
            seen("1", 15, 30, What::Released),
            granted("2", 2, &[0, 1], 5, 20), // told before the release's answer arrived
            granted("3", 3, &[2], 16, 17),
            seen("3", 1_000_018, 1_000_019, What::NotValid),
        ];
        assert_eq!(found(&history), "");
    }

    #[test]
    fn two_holders_at_once_are_found() {
        let history =
            [granted("1", 1, &[0], 0, 10), granted("2", 2, &[1, 0], 0, 20), seen("1", 25, 30, What::Valid)];
        assert!(found(&history).contains("two hold at once"));
    }

    #[test]
    fn readers_share_and_a_writer_does_not() {
        let shared = |name: &str, token, is_shared| {
            let covered = Covered { paths: vec![0], is_shared };
            seen(name, 0, 10, What::Granted { covered, token, ttl_ms: 1_000, first_asked: 0, order: 1 })
        };
        let readers = [shared("1", 1, true), shared("2", 2, true), seen("1", 20, 21, What::Valid)];
        assert_eq!(found(&readers), "");
        let writer = [shared("1", 1, true), shared("2", 2, false), seen("1", 20, 21, What::Valid)];
        assert!(found(&writer).contains("two hold at once"));
    }

    #[test]
    fn what_is_over_must_stay_over() {
        let released = [
            granted("1", 1, &[0], 0, 10),
            seen("1", 11, 12, What::Released),
            seen("1", 13, 14, What::InTheWay),
        ];
        assert!(found(&released).contains("a lost release"));
        let refused =
            [granted("1", 1, &[0], 0, 10), seen("1", 11, 12, What::NotValid), seen("1", 13, 14, What::Valid)];
        assert!(found(&refused).contains("counted again"));
        let outlived = [granted("1", 1, &[0], 0, 10), seen("1", 1_000_011, 1_000_012, What::Valid)];
        assert!(found(&outlived).contains("outlived"));
        let renewed = [
            granted("1", 1, &[0], 0, 10),
            seen("1", 900_000, 900_001, What::Renewed { ttl_ms: 1_000 }),
            seen("1", 1_000_011, 1_000_012, What::Valid),
        ];
        assert_eq!(found(&renewed), "");
    }

    #[test]
    fn a_token_that_comes_twice_is_found() {
        let history = [granted("1", 7, &[0], 0, 10), granted("2", 7, &[1], 0, 10)];
        assert!(found(&history).contains("token 7 twice"));
    }

    #[test]
    fn who_is_overtaken_in_the_queue_is_found() {
        let history = [
            seen("1", 0, 5, What::Waiting { until: 900, order: 1 }),
            granted("2", 2, &[0], 6, 10),
            seen("2", 11, 12, What::Released),
            granted("1", 3, &[0], 0, 20),
        ];
        assert!(found(&history).contains("overtaken"));
        let waiting = |until, order, path| {
            let first = seen("1", 0, 5, What::Waiting { until, order });
            [
                first,
                granted("2", 2, &[path], 6, 10),
                seen("2", 11, 12, What::Released),
                granted("1", 3, &[0], 0, 20),
            ]
        };
        assert_eq!(found(&waiting(900, 1, 1)), "", "nothing in common");
        assert_eq!(found(&waiting(9, 1, 0)), "", "it had given up by then");
        assert_eq!(found(&waiting(900, 7, 0)), "", "it had another place before");
    }

    #[test]
    fn a_late_write_under_a_lower_token_is_found() {
        let history = [
            granted("1", 1, &[0], 0, 10),
            granted("2", 2, &[0], 0, 30),
            seen("2", 31, 32, What::Written { path: 0 }),
            seen("1", 33, 34, What::Written { path: 0 }),
        ];
        assert!(found(&history).contains("under a lower token"));
    }
}
