//! A durable follower killed in the middle of its work repeats nothing and skips nothing.

use std::{collections::BTreeMap, time::Duration};

use async_nats::jetstream::{self, consumer::PullConsumer};
use selvedge_contracts::{
    call,
    payload::{agent::AgentRetire, session::SessionStart},
    role::Role,
    stream::REGISTRY_ENDS,
};
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
