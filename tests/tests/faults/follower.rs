//! A durable follower killed in the middle of its work repeats nothing and skips nothing.

use std::{collections::BTreeMap, time::Duration};

use async_nats::jetstream::{self, consumer::PullConsumer};
use selvedge_contracts::{
    call,
    payload::{agent::AgentRetire, session::SessionStart},
    role::Role,
    stream::{AUDIT, REGISTRY_DUE, REGISTRY_ENDS, REGISTRY_TIMERS},
    subject::DEAD_LETTERS,
};
use selvedge_kit::{clock::Deadline, inspect};
use selvedge_tests::{
    fabric::{Fabric, plain_session},
    raw::{facts, ledger, try_facts},
    replica::Replica,
    wait,
};

use crate::REPLICA;

const AGENTS: usize = 8;
const SESSIONS: usize = 6;
const KILLS: usize = 5;
/// Whatever a dead replica held comes again after this; half a minute in earnest.
const ACK_WAIT: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_killed_in_the_middle_repeats_nothing_and_skips_nothing() {
    let mut fabric = Fabric::start().await;
    hurry(&fabric).await;
    let mut agents = vec![];
    for n in 0..AGENTS {
        let agent = fabric.agent(&format!("a{n}"), Role::Worker).await;
        for _ in 0..SESSIONS {
            fabric
                .session(&agent, SessionStart { presence_ttl_ms: Some(600_000), ..plain_session() })
                .await
                .unwrap();
        }
        agents.push(agent.record.id);
    }
    let ledger = ledger(&fabric.bus).await;
    fabric.registry.take().unwrap().drain().await;
    let mut replica = Replica::start(REPLICA, &fabric.bus, &fabric.bus.url(), "p0");
    let options = selvedge_kit::client::Options { timeout_ms: Some(20_000), ..Default::default() };
    let retires = agents.iter().map(|agent| {
        let (operator, options) = (fabric.operator.clone(), options.clone());
        let retire = AgentRetire { agent: agent.clone(), reason: "done".to_owned() };
        async move { operator.call_with::<call::AgentRetire>(&retire, &options).await.map(|_| ()) }
    });
    let retiring = tokio::spawn(futures::future::join_all(retires.collect::<Vec<_>>()));
    for kill in 1..=KILLS {
        // Killed as soon as it has ended one more session: its work is half done.
        let before = facts(&ledger, "demo.session.*.ended").await.len();
        wait::until("one more session to end", async || {
            match facts(&ledger, "demo.session.*.ended").await.len() {
                now if now > before || now == AGENTS * SESSIONS => Ok(()),
                now => Err(now),
            }
        })
        .await;
        replica.kill9();
        replica = Replica::start(REPLICA, &fabric.bus, &fabric.bus.url(), &format!("p{kill}"));
    }
    for retired in retiring.await.unwrap() {
        retired.expect("retired in the end");
    }
    let ended = wait::until("every session to end", async || {
        match try_facts(&ledger, "demo.session.*.ended").await {
            Ok(ended) if ended.len() >= AGENTS * SESSIONS => Ok(ended),
            other => Err(other.map(|ended| ended.len())),
        }
    })
    .await;
    let mut times: BTreeMap<_, usize> = BTreeMap::new();
    for fact in &ended {
        *times.entry(fact.fact.entity.id.clone()).or_default() += 1;
    }
    assert_eq!((times.len(), times.values().max()), (AGENTS * SESSIONS, Some(&1)), "each once");
    let consumer: PullConsumer = consumer(&fabric).await;
    wait::until("nothing to be left over", async || {
        let info = consumer.get_info().await.map_err(|error| error.to_string())?;
        if info.num_pending == 0 && info.num_ack_pending == 0 { Ok(()) } else { Err(format!("{info:?}")) }
    })
    .await;
    assert_eq!(facts(&ledger, "demo.session.*.ended").await.len(), AGENTS * SESSIONS);
    assert_eq!(facts(&ledger, "_.agent.*.retired").await.len(), AGENTS);
}

/// A message that nobody can work on does not hold up the others, and an operator sees that it was there.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_worked_on_is_left_behind_with_a_record() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    let jetstream = jetstream::new(fabric.bus.connect_as_root().await);
    let long = "x".repeat(100_000);
    let poison = [
        (REGISTRY_ENDS, "sv.fact._.agent.poison-1.retired", "no envelope", "_.ends"),
        (REGISTRY_TIMERS, "sv.fact.demo.invite.poison-2.created", long.as_str(), "demo.timers"),
        (REGISTRY_DUE, "sv.due.registry.agent.demo.poison-3.expiry", "{}", "demo.due"),
    ];
    let mut records = vec![];
    for (follower, subject, body, by) in poison {
        let stored = jetstream.publish(subject, body.to_owned().into()).await.unwrap().await.unwrap();
        assert_eq!(stored.stream, follower.stream());
        let audit = jetstream.get_stream(AUDIT).await.unwrap();
        let found = wait::until("the audit record", async || {
            let last = audit.get_last_raw_message_by_subject(&format!("sv.audit.registry.{by}.dead")).await;
            last.map_err(|error| error.to_string())
        })
        .await;
        let record: serde_json::Value = serde_json::from_slice(&found.payload).unwrap();
        let place = &record["left_behind"];
        assert_eq!(record["subject"], subject);
        assert_eq!(record["code"], "invalid");
        assert!(record["message"].as_str().unwrap().len() < 2_000);
        assert_eq!(place["stream"], stored.stream.as_str());
        assert_eq!(place["sequence"], stored.sequence);
        assert_eq!((&place["consumer"], &place["attempts"]), (&follower.consumer().into(), &1.into()));
        let name = follower.consumer();
        wait::until("the message to be given up", async || {
            let consumer: PullConsumer =
                jetstream.get_consumer_from_stream(&name, follower.stream()).await.unwrap();
            let info = consumer.cached_info();
            if info.num_pending == 0 && info.num_ack_pending == 0 { Ok(()) } else { Err(format!("{info:?}")) }
        })
        .await;
        records.push(found.sequence);
    }
    let seen = inspect::matching(fabric.operator.bus(), AUDIT, DEAD_LETTERS, Deadline::in_ms(5_000)).await;
    assert_eq!(seen.unwrap().map(|(count, _)| count), Some(records.len() as u64), "each has one record");
    // What comes after is worked on.
    let retire = AgentRetire { agent: agent.record.id.clone(), reason: "done".to_owned() };
    fabric.operator.call::<call::AgentRetire>(&retire).await.unwrap();
    let ledger = ledger(&fabric.bus).await;
    wait::until("its session to end", async || {
        let ended = format!("demo.session.{}.ended", working.session.id);
        if facts(&ledger, &ended).await.len() == 1 { Ok(()) } else { Err("it is open") }
    })
    .await;
}

async fn consumer(fabric: &Fabric) -> PullConsumer {
    let jetstream = jetstream::new(fabric.bus.connect_as_root().await);
    jetstream.get_consumer_from_stream(REGISTRY_ENDS.consumer(), REGISTRY_ENDS.stream()).await.unwrap()
}

async fn hurry(fabric: &Fabric) {
    let jetstream = jetstream::new(fabric.bus.connect_as_root().await);
    let stream = jetstream.get_stream(REGISTRY_ENDS.stream()).await.unwrap();
    let config = consumer(fabric).await.cached_info().config.clone();
    stream
        .update_consumer(jetstream::consumer::pull::Config {
            durable_name: config.durable_name,
            filter_subjects: if config.filter_subjects.is_empty() {
                vec![config.filter_subject]
            } else {
                config.filter_subjects
            },
            ack_policy: config.ack_policy,
            deliver_policy: config.deliver_policy,
            max_deliver: config.max_deliver,
            max_ack_pending: config.max_ack_pending,
            num_replicas: config.num_replicas,
            ack_wait: ACK_WAIT,
            ..Default::default()
        })
        .await
        .unwrap();
}
