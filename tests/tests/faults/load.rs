//! Writers that know what was acknowledged to them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use selvedge_contracts::{call, fault::Fault, id::RequestId, payload::request::RequestOpen, role::Role};
use selvedge_kit::{
    client::{Client, Options},
    ledger::Ledger,
};
use selvedge_tests::{
    fabric::{Fabric, plain_session},
    now_ms,
    raw::try_facts,
    wait,
};
use tokio::task::JoinHandle;

/// Longest that one write may take, its retries by the same key included.
const LONGEST_WRITE_MS: u64 = 30_000;

/// Writers at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    last_at_ms: Arc<AtomicU64>,
    writers: Vec<JoinHandle<Vec<RequestId>>>,
}

impl Load {
    /// `writers` of them, over a few connections.
    pub(crate) async fn start(fabric: &Fabric, writers: usize) -> Self {
        const CONNECTIONS: usize = 4;
        let mut clients = vec![];
        for _ in 0..CONNECTIONS {
            let planner = fabric.agent("pia", Role::Planner).await;
            let day = selvedge_contracts::payload::session::SessionStart {
                presence_ttl_ms: Some(600_000),
                ..plain_session()
            };
            clients.push(fabric.session(&planner, day).await.unwrap().client);
        }
        let (stop, done, last_at_ms) = <(Arc<AtomicBool>, Arc<AtomicUsize>, Arc<AtomicU64>)>::default();
        let writer = |n: usize| {
            let (client, stop, done, last_at_ms) = (
                clients[n % CONNECTIONS].clone(),
                Arc::clone(&stop),
                Arc::clone(&done),
                Arc::clone(&last_at_ms),
            );
            tokio::spawn(async move {
                let mut acknowledged = vec![];
                while !stop.load(Ordering::Relaxed) {
                    let key = format!("w{n}-{}", acknowledged.len());
                    acknowledged.push(write(&client, &key).await);
                    done.fetch_add(1, Ordering::SeqCst);
                    last_at_ms.store(now_ms(), Ordering::SeqCst);
                }
                acknowledged
            })
        };
        let writers = (0..writers).map(writer).collect();
        Self { stop, done, last_at_ms, writers }
    }

    /// How many writes were acknowledged so far.
    pub(crate) fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    /// Waits until `more` writes have been acknowledged from now on.
    pub(crate) async fn goes_on(&self, more: usize, within: Duration) {
        let before = self.done();
        wait::until_within(within, "writes to go on", async || match self.done() - before {
            done if done >= more => Ok(()),
            done => Err(format!("{done}; the last one at {}", self.last_at_ms.load(Ordering::SeqCst))),
        })
        .await;
    }

    /// Ends the writers, and holds what was acknowledged against the ledger: all of it is there, and each
    /// once.
    pub(crate) async fn ends_with_all_in(self, ledger: &Ledger) {
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = vec![];
        for writer in self.writers {
            acknowledged.extend(writer.await.expect("a writer saw a fault that no retry helps"));
        }
        let facts =
            wait::until("the ledger to answer", async || try_facts(ledger, "demo.request.*.opened").await)
                .await;
        let mut recorded: Vec<_> = facts.iter().map(|fact| fact.fact.entity.id.to_string()).collect();
        let mut acknowledged: Vec<_> = acknowledged.iter().map(ToString::to_string).collect();
        recorded.sort();
        acknowledged.sort();
        let total = recorded.len();
        assert_eq!(acknowledged, recorded, "acknowledged, and recorded");
        recorded.dedup();
        assert_eq!(recorded.len(), total, "each once");
        println!("{total} writes, each acknowledged and recorded once");
    }
}

/// Writes until it is acknowledged; every fault on the way must be one that may pass.
async fn write(client: &Client, key: &str) -> RequestId {
    let open = RequestOpen { title: key.to_owned(), text: String::new() };
    let options =
        Options { idempotency_key: Some(key.to_owned()), timeout_ms: Some(5_000), ..Options::default() };
    let until_ms = now_ms() + LONGEST_WRITE_MS;
    loop {
        match client.call_with::<call::RequestOpen>(&open, &options).await {
            Ok(answer) => return answer.reply.request.id,
            Err(fault) => may_pass(key, &fault, until_ms),
        }
    }
}

fn may_pass(key: &str, fault: &Fault, until_ms: u64) {
    assert!(fault.is_retryable() && now_ms() < until_ms, "{key}: {fault:?}");
}
