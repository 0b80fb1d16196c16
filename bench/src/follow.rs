//! How soon a durable follower has a fact, beside a raw pull consumer on the same stream.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, consumer::pull};
use futures::StreamExt as _;
use selvedge_contracts::{role::Service, stream::REGISTRY_TIMERS};
use selvedge_kit::{credential::Login, follow, ledger::Ledger, metrics::Metrics, view::Feed};
use selvedge_tests::{Bus, Options, fabric::connect_bus};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Facts sent in one round, one after the other.
const FACTS: usize = 500;

pub(crate) async fn measure(name: &str, options: Options, rounds: usize) {
    let bus = Bus::start_with(options).await;
    let js = jetstream::new(bus.connect_as_root().await);
    let mut raw = raw_consumer(&js).await;
    let mut followed = follower(&bus).await;
    let (mut raw_us, mut follow_us) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for index in 0..FACTS {
            let subject = format!("sv.fact.demo.invite.invite_{round}x{index}.created");
            let sent = Instant::now();
            js.publish(subject, "{}".into()).await.expect("published");
            let (by_raw, by_follow) = tokio::join!(raw.recv(), followed.recv());
            raw_us.push(by_raw.expect("raw").duration_since(sent));
            follow_us.push(by_follow.expect("followed").duration_since(sent));
        }
    }
    crate::report::head(&format!("follow, {name}"));
    let raw = print("raw pull consumer", &mut raw_us);
    let followed = print("durable follower", &mut follow_us);
    println!();
    crate::report::ratio("follower p50 / raw consumer p50", followed / raw, "<= 2.00");
}

fn print(name: &str, latencies: &mut [Duration]) -> f64 {
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    println!("| {name} | {:.0} | {:.0} | |", at(0.5), at(0.99));
    at(0.5)
}

async fn raw_consumer(js: &jetstream::Context) -> mpsc::Receiver<Instant> {
    let config = pull::Config {
        filter_subject: "sv.fact.*.invite.*.created".to_owned(),
        durable_name: Some("raw".to_owned()),
        ..Default::default()
    };
    let consumer = js.create_consumer_on_stream(config, "LEDGER").await.expect("a consumer");
    let mut messages = consumer.stream().max_messages_per_batch(64).messages().await.expect("messages");
    let (seen, times) = mpsc::channel(FACTS);
    tokio::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            let at = Instant::now();
            message.ack().await.expect("acknowledged");
            if seen.send(at).await.is_err() {
                return;
            }
        }
    });
    times
}

async fn follower(bus: &Bus) -> mpsc::Receiver<Instant> {
    let connection = connect_bus(bus, Login::held(bus.service_credential(Service::Registry, "bench"))).await;
    let ledger = Ledger::new(connection);
    let feed = Feed::new(ledger.clone(), vec![], &Metrics::default());
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let (seen, times) = mpsc::channel(FACTS);
    let work = move |_: Arc<follow::Delivery>| {
        let (seen, at) = (seen.clone(), Instant::now());
        async move {
            let _ = seen.send(at).await;
            Ok(())
        }
    };
    follow::start(REGISTRY_TIMERS, ledger, feed, &tasks, stop, work);
    times
}
