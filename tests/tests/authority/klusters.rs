//! Nothing crosses between klusters.

use futures::StreamExt as _;
use selvedge_tests::{Bus, Life, now_ms, wait::PATIENCE};

/// Appends a fact; gives its sequence.
async fn record(client: &async_nats::Client, subject: &'static str) -> u64 {
    let jetstream = async_nats::jetstream::new(client.clone());
    jetstream.publish(subject, "{}".into()).await.unwrap().await.unwrap().sequence
}

#[tokio::test]
async fn a_fact_of_one_kluster_is_not_seen_in_another() {
    let bus = Bus::start().await;
    let other = bus.create_kluster("other").await;
    let life = Life { now_ms: now_ms(), expires_at_ms: now_ms() + 60_000 };
    let here = bus.connect_as_root().await;
    let there = bus.connect_as(&other.provision_credential(life).unwrap()).await;
    let mut heard_there = there.subscribe(">").await.unwrap();
    let mut heard_here = here.subscribe("sv.live.>").await.unwrap();
    there.flush().await.unwrap();

    assert_eq!(record(&here, "sv.fact.demo.agent.a.registered").await, 1);
    let seen = tokio::time::timeout(PATIENCE, heard_here.next()).await.unwrap().unwrap();
    assert_eq!(seen.subject.as_str(), "sv.live.demo.agent.a.registered");

    // What the other kluster hears first is its own.
    assert_eq!(record(&there, "sv.fact.demo.agent.b.registered").await, 1, "its ledger was empty");
    let first = tokio::time::timeout(PATIENCE, heard_there.next()).await.unwrap().unwrap();
    assert_eq!(first.subject.as_str(), "sv.fact.demo.agent.b.registered");
}

#[tokio::test]
async fn a_kluster_is_made_once() {
    let bus = Bus::start_bare(selvedge_tests::Options::LAZY).await;
    let error = bus.keyring().create_kluster(&"main".parse().unwrap(), now_ms()).unwrap_err();
    assert_eq!(error.to_string(), "kluster main exists already");
    let error = bus.keyring().kluster(&"nobody".parse().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "no kluster nobody; there are: main");
}
