//! Whether every service answers.

use std::collections::BTreeSet;

use selvedge_contracts::role::Service;
use selvedge_kit::{bus::Bus, clock::Deadline, inspect};

use super::report::Finding;
use crate::services::BUILT;

/// Longest wait for the services to answer, in milliseconds.
const ANSWER_MS: u64 = 2_000;
/// How often is asked while some do not answer: a replica may be busy.
const ROUNDS: u32 = 3;
const CHECK: &str = "services";

/// Asks all of them; of those that do not answer it is said what starts them.
pub(super) async fn answering(bus: &Bus) -> Finding {
    let mut seen = BTreeSet::new();
    for _ in 0..ROUNDS {
        match inspect::instances(bus, Deadline::in_ms(ANSWER_MS)).await {
            Ok(instances) => seen.extend(instances.into_iter().map(|instance| instance.name)),
            Err(error) => {
                return Finding::fail(CHECK, error.to_string(), "is nats-server running, and reachable?");
            }
        }
        if missing(&seen).is_empty() {
            break;
        }
    }
    found(&missing(&seen))
}

fn missing(seen: &BTreeSet<String>) -> Vec<Service> {
    BUILT.iter().copied().filter(|service| !seen.contains(service.name())).collect()
}

fn found(missing: &[Service]) -> Finding {
    let names: Vec<&str> = missing.iter().map(|service| service.name()).collect();
    match names.as_slice() {
        [] => Finding::ok(CHECK, format!("all {} answer", BUILT.len())),
        names => {
            let fix = format!("`selvedge serve {}`, or `selvedge up` without --without", names.join(" "));
            Finding::fail(CHECK, format!("nobody answers for {}", names.join(", ")), fix)
        }
    }
}
