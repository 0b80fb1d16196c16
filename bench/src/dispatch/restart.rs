//! How long a dispatcher needs to start over a long history, beside what nats-server takes to hand it out.

use std::time::{Duration, Instant};

use async_nats::{Client as Nats, jetstream};
use futures::{StreamExt as _, stream};
use selvedge_tests::{Options, artifacts, dispatcher, governance, overlap};

use super::Scene;
use crate::report::ratio;

/// Tasks that are finished, those of one plan, and those that are open, half of which somebody has.
const EACH: usize = 1_000;
const OPEN: usize = 1_000;
/// Facts that one raw request asks for, and requests on their way at once: as the services do.
const PAGE: u64 = 1_000;
const AT_ONCE: usize = 6;

pub(crate) async fn measure(finished: usize, rounds: usize) {
    let mut scene = Scene::start(Options::LAZY).await;
    let names: Vec<String> = (0..EACH).map(|index| format!("t{index}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let started = Instant::now();
    for _ in 0..finished / EACH {
        scene.plan(&tasks).await;
        scene.finish().await;
    }
    println!(
        "\n### dispatch restart, {finished} finished and {OPEN} open tasks\n\n- finished over the bus in {:.1} s, 64 workers",
        started.elapsed().as_secs_f64()
    );
    scene.plan(&tasks[..OPEN]).await;
    for index in 0..OPEN / 2 {
        super::claim_now(&scene.workers[index % scene.workers.len()]).await.expect("a task");
    }
    let (mut raw, mut serving, mut claimed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        raw.push(read_directly(&scene.raw).await);
        scene.replica.take().expect("a dispatcher").drain().await;
        let started = Instant::now();
        scene.replica = Some(dispatcher::start(&scene.fabric.bus, &format!("r{round}")).await);
        serving.push(started.elapsed().as_secs_f64());
        super::claim_now(&scene.workers[0]).await.expect("a task");
        claimed.push(started.elapsed().as_secs_f64());
    }
    let (raw, serving, claimed) = (median(raw), median(serving), median(claimed));
    let ordered = consume(&scene.js).await.as_secs_f64();
    println!("- the ledger read by raw direct gets of {PAGE}, {AT_ONCE} at once: {raw:.2} s");
    println!("- the ledger read by a raw ordered consumer: {ordered:.2} s");
    println!("- first claim answered after {claimed:.2} s");
    ratio("serving after s", serving, "<= 3");
    ratio("serving / raw direct gets", serving / raw, "none");
    let (started, bus) = (Instant::now(), &scene.fabric.bus);
    let content = artifacts::in_folder(bus);
    let (_a, _g, _o, _l) = tokio::join!(
        artifacts::start(bus, &content, "a1"),
        governance::start(bus, "g1"),
        overlap::replica(bus, "o1"),
        scene.fabric.leases_replica("l1"),
    );
    let others = started.elapsed().as_secs_f64();
    println!(
        "- artifacts, governance, overlap and leases, started at once over the same ledger: {others:.2} s"
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Seconds in which every fact comes in answers to direct gets.
async fn read_directly(nats: &Nats) -> f64 {
    let js = jetstream::new(nats.clone());
    let last = js.get_stream("LEDGER").await.expect("the ledger").cached_info().state.last_sequence;
    let started = Instant::now();
    let pages = stream::iter((0..last.div_ceil(PAGE)).map(|page| page * PAGE + 1));
    let facts = pages.map(|first| page(nats.clone(), first)).buffered(AT_ONCE);
    let read: u64 = facts.fold(0, |all, facts| async move { all + facts }).await;
    assert!(read >= last, "{read} of {last}");
    started.elapsed().as_secs_f64()
}

async fn page(nats: Nats, first: u64) -> u64 {
    let inbox = nats.new_inbox();
    let mut answers = nats.subscribe(inbox.clone()).await.expect("subscribed");
    let query = format!(r#"{{"seq":{first},"batch":{PAGE}}}"#);
    nats.publish_with_reply("$JS.API.DIRECT.GET.LEDGER", inbox, query.into()).await.expect("asked");
    let mut read = 0;
    while let Some(answer) = answers.next().await {
        match answer.status.map(|status| status.as_u16()) {
            None | Some(200) => read += 1,
            Some(204 | 404) => return read,
            Some(other) => panic!("{other}"),
        }
    }
    panic!("no end")
}

/// Time in which every fact comes by a consumer of the client library.
async fn consume(js: &jetstream::Context) -> Duration {
    let ledger = js.get_stream("LEDGER").await.expect("the ledger");
    let last = ledger.cached_info().state.last_sequence;
    let started = Instant::now();
    let ordered = jetstream::consumer::pull::OrderedConfig::default();
    let consumer = ledger.create_consumer(ordered).await.expect("a consumer");
    let mut messages = consumer.messages().await.expect("messages");
    while let Some(message) = messages.next().await {
        if message.expect("a fact").info().expect("its place").stream_sequence >= last {
            return started.elapsed();
        }
    }
    panic!("no end")
}
