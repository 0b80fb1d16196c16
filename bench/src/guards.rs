//! What one owner of a space can write, by the way in which its writes are guarded: all keys of the space
//! (a filter, at the last sequence written) or the owner's key (at a sequence that does not change).

use std::time::{Duration, Instant};

use async_nats::{
    HeaderMap,
    jetstream::{self, stream},
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use selvedge_tests::{Bus, Nodes, Options};

const STREAM: &str = "RAW_GUARDS";
const OWNER: &str = "raw.space._owner";
const FILTER: &str = "raw.space.>";
/// Size of a message, about that of a lease's record.
const RECORD_BYTES: usize = 500;
/// Writes in flight where several may be.
const IN_FLIGHT: usize = 64;

/// Writes each way for `seconds` and prints writes a second: medians over rounds.
pub(crate) async fn measure(name: &str, options: Options, seconds: f64, rounds: usize) {
    let bus = Bus::start_with(options).await;
    let js = jetstream::new(bus.connect_as_root().await);
    let replicas = if options.nodes == Nodes::One { 1 } else { 3 };
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["raw.>".to_owned()],
        storage: stream::StorageType::File,
        max_messages_per_subject: 1,
        allow_atomic_publish: true,
        num_replicas: replicas,
        ..Default::default()
    };
    js.create_stream(config).await.expect("a stream");
    let writer = Writer { js, time: Duration::from_secs_f64(seconds) };
    let mut seen: [Vec<(f64, u64)>; 4] = Default::default();
    for _ in 0..rounds {
        seen[0].push(writer.one_by_one(FILTER).await);
        seen[1].push(writer.one_by_one(OWNER).await);
        seen[2].push(writer.pipelined().await);
        seen[3].push(writer.batches().await);
    }
    println!("\n### guards, {name}\n\n| guard | writes per second | refused per second |\n|---|---|---|");
    let names = [
        "filter of all keys, one in flight",
        "owner's key, one in flight",
        "owner's key, 64 in flight",
        "owner's key, atomic batches of 64, one in flight",
    ];
    for (name, mut seen) in names.into_iter().zip(seen) {
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (stored, refused) = seen[seen.len() / 2];
        println!("| {name} | {stored:.0} | {:.0} |", refused as f64 / seconds);
    }
}

struct Writer {
    js: jetstream::Context,
    time: Duration,
}

impl Writer {
    async fn owner(&self) -> u64 {
        let ack = self.js.publish(OWNER, "me".into()).await.expect("published");
        ack.await.expect("an acknowledgement").sequence
    }

    fn headers(filter: &str, expected: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string().as_str());
        headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", filter);
        headers
    }

    fn subject(number: u64) -> String {
        format!("raw.space.l{}", number % 1_000)
    }

    async fn one_by_one(&self, filter: &str) -> (f64, u64) {
        let mut expected = self.owner().await;
        let (started, mut stored, mut refused) = (Instant::now(), 0_u64, 0);
        while started.elapsed() < self.time {
            let headers = Self::headers(filter, expected);
            let sent =
                self.js.publish_with_headers(Self::subject(stored), headers, vec![b'x'; RECORD_BYTES].into());
            match sent.await.expect("published").await {
                Ok(ack) => {
                    stored += 1;
                    if filter == FILTER {
                        expected = ack.sequence;
                    }
                }
                Err(_) => refused += 1,
            }
        }
        (stored as f64 / started.elapsed().as_secs_f64(), refused)
    }

    async fn pipelined(&self) -> (f64, u64) {
        let expected = self.owner().await;
        let (started, mut stored, mut refused, mut number) = (Instant::now(), 0_u64, 0, 0);
        let mut flying = FuturesUnordered::new();
        while started.elapsed() < self.time {
            while flying.len() < IN_FLIGHT {
                number += 1;
                let headers = Self::headers(OWNER, expected);
                let body = vec![b'x'; RECORD_BYTES].into();
                let sent = self.js.publish_with_headers(Self::subject(number), headers, body);
                flying.push(std::future::IntoFuture::into_future(sent.await.expect("published")));
            }
            match flying.next().await {
                Some(Ok(_)) => stored += 1,
                _ => refused += 1,
            }
        }
        let elapsed = started.elapsed();
        while flying.next().await.is_some() {}
        (stored as f64 / elapsed.as_secs_f64(), refused)
    }

    async fn batches(&self) -> (f64, u64) {
        let expected = self.owner().await;
        let client = self.js.client();
        let (started, mut stored, mut refused, mut batch) = (Instant::now(), 0_u64, 0, 0);
        while started.elapsed() < self.time {
            batch += 1;
            let id = format!("{expected}-{batch}");
            for index in 1..=IN_FLIGHT {
                let mut headers = Self::headers(OWNER, expected);
                headers.insert("Nats-Batch-Id", id.as_str());
                headers.insert("Nats-Batch-Sequence", index.to_string().as_str());
                let subject = format!("raw.space.l{index}");
                let body: bytes::Bytes = vec![b'x'; RECORD_BYTES].into();
                if index < IN_FLIGHT {
                    client.publish_with_headers(subject, headers, body).await.expect("published");
                    continue;
                }
                headers.insert("Nats-Batch-Commit", "1");
                let answer = client.request_with_headers(subject, headers, body).await.expect("an answer");
                match String::from_utf8_lossy(&answer.payload).contains("\"error\"") {
                    false => stored += IN_FLIGHT as u64,
                    true => refused += IN_FLIGHT as u64,
                }
            }
        }
        (stored as f64 / started.elapsed().as_secs_f64(), refused)
    }
}
