//! The streams are as designed, and provisioning never takes anything away.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{self, consumer::PullConsumer, stream::Config},
};
use futures::StreamExt as _;
use selvedge_contracts::stream::{self, FOLLOWERS, LEDGER, REGISTRY_DUE, REGISTRY_PRESENCE};
use selvedge_kit::provision;
use selvedge_tests::{Bus, Options, wait::PATIENCE};

async fn config(jetstream: &jetstream::Context, name: &str) -> Config {
    jetstream.get_stream(name).await.unwrap().cached_info().config.clone()
}

#[tokio::test]
async fn provisioning_twice_does_nothing() {
    let bus = Bus::start_bare(Options::LAZY).await;
    let first = bus.provision(bus.kluster()).await.unwrap();
    let created = [
        "LEDGER",
        "AUDIT",
        "KV_claims",
        "KV_leases",
        "KV_pins",
        "KV_presence",
        "KV_scratch",
        "TIMERS_registry",
        "TIMERS_governance",
    ];
    assert_eq!(first.created, created);
    assert_eq!(first.consumers.len(), FOLLOWERS.len());
    let second = bus.provision(bus.kluster()).await.unwrap();
    assert!(second.is_empty(), "{second:?}");
}

#[tokio::test]
async fn a_stream_that_would_lose_data_is_left_as_it_is() {
    let bus = Bus::start().await;
    let jetstream = jetstream::new(bus.connect_as_root().await);
    let wider = Config { max_messages: -1, ..config(&jetstream, "AUDIT").await };
    jetstream.update_stream(&wider).await.unwrap();
    let error = bus.provision(bus.kluster()).await.unwrap_err();
    assert!(matches!(&error, provision::Error::WouldLose { stream, .. } if stream == "AUDIT"), "{error:?}");
    assert_eq!(config(&jetstream, "AUDIT").await.max_messages, -1);
}

#[tokio::test]
async fn a_stream_that_only_differs_is_updated() {
    let bus = Bus::start().await;
    let jetstream = jetstream::new(bus.connect_as_root().await);
    let other = Config { max_messages: 10, description: None, ..config(&jetstream, "AUDIT").await };
    jetstream.update_stream(&other).await.unwrap();
    let report = bus.provision(bus.kluster()).await.unwrap();
    assert_eq!(report.updated, ["AUDIT"]);
    assert_eq!(config(&jetstream, "AUDIT").await.max_messages, 100_000);
}

#[tokio::test]
async fn the_ledger_takes_no_ttl_no_rollup_no_schedule_and_no_delete() {
    let bus = Bus::start().await;
    let jetstream = jetstream::new(bus.connect_as_root().await);
    let fact = "sv.fact.demo.agent.a.registered";
    jetstream.publish(fact, "{}".into()).await.unwrap().await.unwrap();
    for (name, value) in [
        ("Nats-TTL", "1s"),
        ("Nats-Rollup", "sub"),
        ("Nats-Schedule", "@at 2030-01-01T00:00:00Z"),
        ("Nats-Incr", "+1"),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        headers.insert("Nats-Schedule-Target", "sv.fact.demo.agent.b.registered");
        let ack = jetstream.publish_with_headers(fact, headers, "{}".into()).await.unwrap().await;
        ack.expect_err(name);
    }
    let ledger = jetstream.get_stream(LEDGER).await.unwrap();
    ledger.delete_message(1).await.expect_err("deletes are denied");
    assert_eq!(ledger.get_info().await.unwrap().state.messages, 1);
}

/// The next message of a service's own consumer, fetched under the service's own rights.
async fn next(jetstream: &jetstream::Context, follower: &stream::Follower) -> jetstream::Message {
    let consumer: PullConsumer =
        jetstream.get_consumer_from_stream(follower.consumer(), follower.stream()).await.unwrap();
    let mut batch = consumer.fetch().max_messages(1).expires(PATIENCE).messages().await.unwrap();
    let message = batch.next().await.expect("a message in time").unwrap();
    message.ack().await.unwrap();
    message
}

#[tokio::test]
async fn a_timer_fires_for_the_service_that_set_it() {
    let bus = Bus::start().await;
    let credential = bus.service_credential(selvedge_contracts::role::Service::Registry, "one");
    let jetstream = jetstream::new(bus.connect_as(&credential).await);
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Schedule", "@at 2020-01-01T00:00:00Z");
    headers.insert("Nats-Schedule-Target", "sv.due.registry.invite.demo.i.expire");
    headers.insert("Nats-Schedule-TTL", "3600s");
    let timer = "sv.timer.registry.invite.demo.i.expire";
    jetstream.publish_with_headers(timer, headers, "7".into()).await.unwrap().await.unwrap();
    let due = next(&jetstream, &REGISTRY_DUE).await;
    assert_eq!(due.subject.as_str(), "sv.due.registry.invite.demo.i.expire");
    assert_eq!(due.payload, "7");
    assert_eq!(due.headers.as_ref().unwrap().get("Nats-TTL").unwrap().as_str(), "3600s");
}

#[tokio::test]
async fn the_expiry_of_a_presence_is_seen_by_the_service() {
    let bus = Bus::start().await;
    let credential = bus.service_credential(selvedge_contracts::role::Service::Registry, "one");
    let jetstream = jetstream::new(bus.connect_as(&credential).await);
    let mut headers = HeaderMap::new();
    headers.insert("Nats-TTL", "1s");
    let key = stream::bucket_subject(stream::PRESENCE, "demo.ada-1a2b3c4d.session_01");
    let started = tokio::time::Instant::now();
    jetstream.publish_with_headers(key.clone(), headers, "{}".into()).await.unwrap().await.unwrap();
    assert_eq!(next(&jetstream, &REGISTRY_PRESENCE).await.payload, "{}");
    let marker = next(&jetstream, &REGISTRY_PRESENCE).await;
    assert_eq!(marker.subject.as_str(), key);
    assert_eq!(marker.headers.as_ref().unwrap().get("Nats-Marker-Reason").unwrap().as_str(), "MaxAge");
    assert!(started.elapsed() < Duration::from_secs(3), "seen after {:?}", started.elapsed());
}

#[tokio::test]
async fn three_servers_keep_three_copies() {
    let mut bus = Bus::start_with(Options::CLUSTER).await;
    assert_eq!(bus.push(&bus.kluster().jwt().unwrap()).await, ["n0", "n1", "n2"]);
    assert!(bus.provision(bus.kluster()).await.unwrap().is_empty());
    let jetstream = jetstream::new(bus.connect_as_root().await);
    for name in
        ["LEDGER", "AUDIT", "KV_pins", "KV_presence", "KV_scratch", "TIMERS_registry", "TIMERS_governance"]
    {
        assert_eq!(config(&jetstream, name).await.num_replicas, 3, "{name}");
    }
    let fact = jetstream.publish("sv.fact.demo.agent.a.registered", "{}".into());
    fact.await.unwrap().await.unwrap();
    bus.kill9_server(0);
    let survivor = selvedge_tests::wait::until("a write without the first server", async || {
        let ack = jetstream.publish("sv.fact.demo.agent.b.registered", "{}".into()).await;
        match ack {
            Ok(ack) => ack.await.map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
    assert!(survivor.sequence >= 2, "{survivor:?}");
    bus.restart_server(0).await;
}
