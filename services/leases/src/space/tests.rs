//! The space: what it must do in single cases, and against a model that looks at everything.

use selvedge_contracts::{
    id::{Mission, ResourceName, SpaceId},
    payload::{
        claim::Claim,
        lease::{Acquire, Blocker},
    },
};

use super::*;
use crate::decision::{Acquired, Decision, Want};

mod adversary;
mod bad_input;
mod expiry;
mod measure;
mod model;
mod order;
mod reserved;
mod slots;

/// Unix time at which tests start, in milliseconds.
const NOW_MS: u64 = 1_000_000;

fn agent(name: &str) -> Caller {
    Caller::new(&format!("{name}-1a2b3c4d")).unwrap()
}

fn lease_id(name: &str) -> LeaseId {
    LeaseId::new(&format!("lease_{name}")).unwrap()
}

fn pool(name: &str, slots: u32) -> Pool {
    Pool {
        mission: Mission::new("demo").unwrap(),
        space: SpaceId::new("shop").unwrap(),
        name: PoolName::new(name).unwrap(),
        slots,
        set_by: agent("op"),
        set_at_ms: NOW_MS,
        settings: Vec::new(),
    }
}

fn slots(pool: &str, slots: u32) -> Claim {
    Claim::slots(PoolName::new(pool).unwrap(), slots)
}

/// A request of `holder` for a lease of that name.
fn want(name: &str, holder: &str, claims: &[Claim], wait_ms: u64) -> Want {
    Want {
        id: lease_id(name),
        mission: Mission::new("demo").unwrap(),
        holder: agent(holder),
        session: ScopeId::new(&format!("session_{holder}")).unwrap(),
        task: None,
        request: Acquire {
            space: SpaceId::new("shop").unwrap(),
            claims: claims.to_vec(),
            purpose: format!("the work of {holder}"),
            ttl_ms: Some(10_000),
            wait_ms: Some(wait_ms),
        },
    }
}

fn held(acquired: &Acquired) -> &Arc<Lease> {
    match acquired {
        Acquired::Held(lease) => lease,
        Acquired::Waiting(_, blockers) => panic!("it waits for {blockers:?}"),
    }
}

fn blockers(acquired: &Acquired) -> &[Blocker] {
    match acquired {
        Acquired::Held(lease) => panic!("{} is held", lease.id),
        Acquired::Waiting(_, blockers) => blockers,
    }
}

/// Stores all writes, from this revision on.
fn store(space: &mut Space, writes: &[Write], mut revision: u64) {
    for write in writes {
        if let Write::Put(lease) = write {
            let (_, more) = space.stored(lease, revision, NOW_MS);
            assert_eq!(more, []);
        }
        revision += 1;
    }
}

/// Asks, and stores what follows at this revision.
fn acquire(space: &mut Space, want: &Want, revision: u64) -> Acquired {
    let decision = space.acquire(want, NOW_MS).unwrap();
    store(space, &decision.writes, revision);
    decision.outcome
}

/// What is granted by these writes, in order.
fn granted(writes: &[Write]) -> Vec<String> {
    let names = writes.iter().filter_map(|write| match write {
        Write::Put(lease) if lease.is_held() => {
            Some(lease.id.as_str().trim_start_matches("lease_").to_owned())
        }
        _ => None,
    });
    names.collect()
}

fn resource(name: &str) -> Claim {
    Claim::resource(ResourceName::new(name).unwrap())
}
