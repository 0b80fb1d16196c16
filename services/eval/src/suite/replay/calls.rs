//! Write calls, sent again: by way of the same and of a fresh connection, one after the other and at once.

use futures::future::join_all;
use selvedge_contracts::{
    call::{CALLS as TABLE, Call},
    fault::{Code, Fault},
};
use selvedge_kit::{
    client::{Client, Options},
    clock::Deadline,
    ledger::RequestDigest,
};
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    arena::{Arena, PATIENCE_MS},
    case::Trial,
    error::{Miss, Trialled, holds, refused},
};

/// Who says it.
#[derive(Clone, Copy)]
enum By {
    Planner,
    Worker,
}

/// A write call, who makes it, whether it leaves facts, its payload, and the parts of its answer that say what
/// it did. What is left out of those is what may differ from one look to the next.
pub(super) struct Written {
    call: &'static str,
    by: By,
    facts: usize,
    payload: fn(tag: &str, number: usize) -> Value,
    says: &'static [&'static str],
}

/// Every call that an agent may make again without preparation. Those that need some have cases of their own.
pub(super) const CALLS: &[Written] = &[
    Written {
        call: "registry.register",
        by: By::Worker,
        facts: 1,
        payload: |tag, n| json!({ "about": { "description": format!("{tag} {n}") } }),
        says: &["/agent/id", "/agent/about", "/revision"],
    },
    Written {
        call: "registry.request_open",
        by: By::Planner,
        facts: 1,
        payload: |tag, n| json!({ "title": tag, "text": n.to_string() }),
        says: &["/request", "/revision"],
    },
    Written {
        call: "leases.acquire",
        by: By::Worker,
        facts: 0,
        payload: |tag, n| json!({ "space": tag, "claims": [{ "path": format!("p{n}") }], "ttl_ms": 600_000 }),
        says: &["/lease/id", "/lease/token", "/lease/state"],
    },
    Written {
        call: "governance.propose",
        by: By::Worker,
        facts: 1,
        payload: |tag, n| {
            let effect =
                json!({ "kind": "memory", "key": format!("replay/{tag}"), "value": n, "revision": 0 });
            json!({ "title": tag, "effect": effect, "occurrence": tag })
        },
        says: &["/intent/id", "/intent/effect", "/intent/round"],
    },
    Written {
        call: "governance.saga_propose",
        by: By::Worker,
        facts: 1,
        payload: |tag, n| {
            let effect = |v: usize| json!({ "kind": "memory", "key": format!("replay/{tag}-s"), "value": v, "revision": 0 });
            let step = json!({ "title": tag, "effect": effect(n), "undo": effect(n + 1) });
            json!({ "title": tag, "occurrence": tag, "steps": [step] })
        },
        says: &["/saga", "/revision"],
    },
    Written {
        call: "overlap.propose",
        by: By::Worker,
        facts: 1,
        payload: |tag, n| json!({ "what": "note", "id": tag, "title": format!("{tag} {n}") }),
        says: &["/creation"],
    },
    Written {
        call: "dispatcher.plan_submit",
        by: By::Planner,
        facts: 1,
        payload: |tag, n| {
            let check = json!({ "kind": "pointer", "at": "/ok", "equals": true });
            let task = json!({ "id": "t", "title": n.to_string(), "queue": tag, "checks": [check] });
            json!({ "plan": { "title": tag, "tasks": [task] } })
        },
        says: &["/plan/id", "/plan/state", "/revision"],
    },
    Written {
        call: "dispatcher.capacity_set",
        by: By::Planner,
        facts: 1,
        payload: |tag, n| json!({ "pool": tag, "slots": 1 + n % 900 }),
        says: &["/capacity", "/revision"],
    },
    Written {
        call: "committer.scratch_put",
        by: By::Worker,
        facts: 0,
        payload: |tag, n| json!({ "key": format!("replay/{tag}"), "value": n }),
        says: &["/key", "/value"],
    },
    Written {
        call: "leases.pool_set",
        by: By::Planner,
        facts: 0,
        payload: |tag, n| json!({ "space": tag, "pool": "gpu", "slots": 1 + n % 900 }),
        says: &["/pool/name", "/pool/slots"],
    },
];

impl Written {
    fn row(&self) -> Result<&'static Call, Miss> {
        let found = TABLE.iter().find(|row| row.to_string() == self.call);
        found.ok_or_else(|| Miss::Unable(format!("there is no call {}", self.call)))
    }

    fn agent<'a>(&self, arena: &'a Arena, number: usize) -> Result<&'a Agent, Miss> {
        match self.by {
            By::Planner => arena.planner(),
            By::Worker => arena.worker(number),
        }
    }

    /// What an answer says about what was done.
    fn gist(&self, answer: &Value) -> Vec<Value> {
        self.says.iter().map(|at| answer.pointer(at).cloned().unwrap_or_default()).collect()
    }
}

fn written(trial: &Trial) -> Result<&'static Written, Miss> {
    let found = CALLS.get(trial.index as usize % CALLS.len());
    found.ok_or_else(|| Miss::Unable("no such call".to_owned()))
}

pub(super) async fn again(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (of, number, first_at_once) = (written(trial)?, trial.below(800), trial.one_in(2));
    trial.tries(format!("{} with {number}, at once from the beginning: {first_at_once}", of.call));
    let agent = of.agent(arena, trial.index as usize)?;
    let (fresh, key) = (agent.again(arena).await?, format!("key-{}", trial.tag));
    let (since, payload) = (arena.last_revision().await?, (of.payload)(&trial.tag, number));
    let mut answers = Vec::new();
    if !first_at_once {
        answers.push(say(of, agent.client(), &payload, &key).await?);
    }
    let clients = [agent.client(), &fresh, agent.client(), &fresh];
    for answer in join_all(clients.map(|client| say(of, client, &payload, &key))).await {
        match answer {
            Ok(answer) => answers.push(answer),
            // Of a call that may wait, the last sending is answered, and those before it are told so.
            Err(fault) if of.call == "leases.acquire" && fault.code == Code::Conflict => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    answers.push(say(of, &fresh, &payload, &key).await?);
    let mut gists: Vec<_> = answers.iter().map(|answer| of.gist(answer)).collect();
    gists.dedup();
    holds(gists.len() == 1, || format!("{} was answered differently: {gists:?}", of.call))?;
    one_fact(arena, of, agent, &key, since).await
}

async fn say(of: &Written, client: &Client, payload: &Value, key: &str) -> Result<Value, Fault> {
    let row = of.row().map_err(|_| Fault::internal(format!("there is no call {}", of.call)))?;
    let options = Options { idempotency_key: Some(key.to_owned()), ..Options::default() };
    Ok(client.call_named(row, payload, &options).await?.reply)
}

/// The request left as many facts as one sending does: one of each entity that it is about.
async fn one_fact(arena: &Arena, of: &Written, agent: &Agent, key: &str, since: u64) -> Trialled {
    let digest = RequestDigest::new(agent.caller(), of.call, key).to_string();
    let mut found = Vec::new();
    for filter in [format!("sv.fact.{}.>", arena.mission), "sv.fact._.agent.>".to_owned()] {
        let deadline = Deadline::in_ms(PATIENCE_MS);
        let is_its = |digest_of: Option<RequestDigest>| digest_of.is_some_and(|of| of.to_string() == digest);
        let each = |fact: selvedge_kit::ledger::FactRecord| {
            if is_its(fact.request) {
                found.push(format!("{}.{} at {}", fact.fact.entity, fact.fact.kind, fact.revision));
            }
        };
        arena.ledger.scan(&filter, since, usize::MAX, deadline, each).await?;
    }
    let mut kinds: Vec<&str> = found.iter().filter_map(|fact| fact.split(" at ").next()).collect();
    kinds.sort_unstable();
    let all = kinds.len();
    kinds.dedup();
    holds(kinds.len() == all && all >= of.facts, || {
        format!("{} left {all} facts, {} of them different: {found:?}", of.call, kinds.len())
    })
}

/// Calls that set something which another one can set to something else.
const SETS: &[&str] = &["registry.register", "dispatcher.capacity_set"];

pub(super) async fn late(arena: &Arena, trial: &mut Trial) -> Trialled {
    let call = SETS.get(trial.index as usize % SETS.len()).copied().unwrap_or_default();
    let number = trial.below(400);
    trial.tries(format!("{call} with {number}, with {}, and with {number} again", number + 1));
    let of = CALLS.iter().find(|of| of.call == call);
    let of = of.ok_or_else(|| Miss::Unable(format!("no case sends {call}")))?;
    let agent = of.agent(arena, trial.index as usize)?;
    let since = arena.last_revision().await?;
    let (first, second) = ((of.payload)(&trial.tag, number), (of.payload)(&trial.tag, number + 1));
    let (key, other) = (format!("key-{}", trial.tag), format!("other-{}", trial.tag));
    let said = say(of, agent.client(), &first, &key).await?;
    say(of, agent.client(), &second, &other).await?;
    let again = say(of, agent.client(), &first, &key).await?;
    holds(of.gist(&said) == of.gist(&again), || {
        format!("{call} was answered with {:?}, then with {:?}", of.gist(&said), of.gist(&again))
    })?;
    one_fact(arena, of, agent, &key, since).await
}

pub(super) async fn other_payload(arena: &Arena, trial: &mut Trial) -> Trialled {
    let call = SETS.get(trial.index as usize % SETS.len()).copied().unwrap_or_default();
    let number = trial.below(400);
    trial.tries(format!("{call} with {number}, and with {} under the same key", number + 1));
    let of = CALLS.iter().find(|of| of.call == call);
    let of = of.ok_or_else(|| Miss::Unable(format!("no case sends {call}")))?;
    let agent = of.agent(arena, trial.index as usize)?;
    let (since, key) = (arena.last_revision().await?, format!("key-{}", trial.tag));
    say(of, agent.client(), &(of.payload)(&trial.tag, number), &key).await?;
    let other = say(of, agent.client(), &(of.payload)(&trial.tag, number + 1), &key).await;
    refused(other, || format!("{call} under a key of another payload"))?;
    one_fact(arena, of, agent, &key, since).await
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::call::Access;

    use super::*;

    #[test]
    fn every_call_that_is_said_again_is_a_write_of_the_table_with_a_payload_that_fits() {
        for of in CALLS {
            let row = of.row().unwrap();
            assert_eq!(row.access, Access::Write, "{row}");
            assert!(!of.says.is_empty(), "{row}");
            let role = match of.by {
                By::Planner => selvedge_contracts::role::Role::Planner,
                By::Worker => selvedge_contracts::role::Role::Worker,
            };
            assert!(row.is_allowed_to(role), "{row}");
        }
        assert!(SETS.iter().all(|call| CALLS.iter().any(|of| of.call == *call)));
    }
}
