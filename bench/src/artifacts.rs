//! Putting and getting 1 MiB through the service, beside what its parts cost raw: a file written, synced
//! and renamed and its blake3 (read and hashed, for a get), and a message of that size to somebody who
//! answers at once (an answer of that size, for a get).

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_nats::Client as Nats;
use bytes::Bytes;
use futures::StreamExt as _;
use selvedge_contracts::{id::ArtifactRef, role::Role};
use selvedge_kit::{client::Client, service::Running, transfer};
use selvedge_tests::{
    Options,
    artifacts::{in_folder, start},
    fabric::{Fabric, lasting_session},
};

use crate::{
    load::{Sample, closed_loop},
    report::{Series, head, ratio},
};

/// Size of the content.
const CONTENT_BYTES: usize = 1 << 20;
/// Contents that are read in turn.
const READ: usize = 64;

struct Subjects {
    _fabric: Fabric,
    _service: Running,
    client: Client,
    nats: Nats,
    folder: PathBuf,
    next: Arc<AtomicU64>,
    stored: Arc<Vec<ArtifactRef>>,
}

pub(crate) async fn measure(seconds: f64, rounds: usize) {
    let subjects = prepare().await;
    for callers in [1, 4] {
        let mut series: [Series; 6] = Default::default();
        for _ in 0..rounds {
            for (index, series) in series.iter_mut().enumerate() {
                series.push(subjects.run(index, callers, seconds).await);
            }
        }
        print(callers, &series);
    }
}

async fn prepare() -> Subjects {
    let fabric = Fabric::start_with(Options::LAZY).await;
    let config = in_folder(&fabric.bus);
    let service = start(&fabric.bus, &config, "a1").await;
    let agent = fabric.agent("ada", Role::Worker).await;
    let working = fabric.session(&agent, lasting_session()).await.expect("a session");
    let folder = fabric.bus.path().join("raw");
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut stored = Vec::new();
    for seed in 0..READ {
        let content = content(u64::MAX - seed as u64);
        std::fs::write(folder.join(format!("read-{seed}")), &content).expect("written");
        let put = transfer::put_bytes(&working.client, content).await.expect("stored");
        stored.push(ArtifactRef::new(put.digest.as_str()).expect("a reference"));
    }
    let nats = fabric.bus.connect_as_root().await;
    responder(fabric.bus.connect_as_root().await).await;
    Subjects {
        client: working.client,
        _service: service,
        nats,
        folder,
        next: Arc::default(),
        stored: Arc::new(stored),
        _fabric: fabric,
    }
}

/// 1 MiB that nobody has put before.
fn content(seed: u64) -> Bytes {
    let mut content = vec![seed as u8; CONTENT_BYTES];
    content[..8].copy_from_slice(&seed.to_le_bytes());
    content.into()
}

impl Subjects {
    async fn run(&self, index: usize, callers: usize, seconds: f64) -> Sample {
        match index {
            0 => self.raw_write(callers, seconds).await,
            1 => self.raw_message(callers, seconds, "raw.take").await,
            2 => self.put(callers, seconds).await,
            3 => self.raw_read(callers, seconds).await,
            4 => self.raw_message(callers, seconds, "raw.give").await,
            _ => self.get(callers, seconds).await,
        }
    }

    async fn raw_write(&self, callers: usize, seconds: f64) -> Sample {
        let (folder, next) = (self.folder.clone(), Arc::clone(&self.next));
        let operation = move |_| {
            let (folder, seed) = (folder.clone(), next.fetch_add(1, Ordering::Relaxed));
            async move {
                tokio::task::spawn_blocking(move || write(&folder, seed)).await.expect("written");
            }
        };
        closed_loop(callers, seconds, operation).await
    }

    async fn raw_read(&self, callers: usize, seconds: f64) -> Sample {
        let (folder, next) = (self.folder.clone(), Arc::clone(&self.next));
        let operation = move |_| {
            let seed = next.fetch_add(1, Ordering::Relaxed) as usize % READ;
            let path = folder.join(format!("read-{seed}"));
            async move {
                let read = move || blake3::hash(&std::fs::read(path).expect("read"));
                tokio::task::spawn_blocking(read).await.expect("read");
            }
        };
        closed_loop(callers, seconds, operation).await
    }

    /// A message of 1 MiB and a short answer, or the other way round.
    async fn raw_message(&self, callers: usize, seconds: f64, subject: &'static str) -> Sample {
        let nats = self.nats.clone();
        let body = if subject == "raw.take" { content(1) } else { Bytes::new() };
        let operation = move |_| {
            let (nats, body) = (nats.clone(), body.clone());
            async move {
                nats.request(subject, body).await.expect("an answer");
            }
        };
        closed_loop(callers, seconds, operation).await
    }

    async fn put(&self, callers: usize, seconds: f64) -> Sample {
        let (client, next) = (self.client.clone(), Arc::clone(&self.next));
        let operation = move |_| {
            let (client, seed) = (client.clone(), next.fetch_add(1, Ordering::Relaxed));
            async move {
                transfer::put_bytes(&client, content(seed)).await.expect("stored");
            }
        };
        closed_loop(callers, seconds, operation).await
    }

    async fn get(&self, callers: usize, seconds: f64) -> Sample {
        let (client, next, stored) = (self.client.clone(), Arc::clone(&self.next), Arc::clone(&self.stored));
        let operation = move |_| {
            let (client, stored) = (client.clone(), Arc::clone(&stored));
            let index = next.fetch_add(1, Ordering::Relaxed) as usize % READ;
            async move {
                let mut content = Vec::with_capacity(CONTENT_BYTES);
                transfer::get(&client, &stored[index], 0, &mut content, &|_, _| {}).await.expect("content");
            }
        };
        closed_loop(callers, seconds, operation).await
    }
}

/// What the service does with content, and nothing else.
fn write(folder: &Path, seed: u64) {
    let content = content(seed);
    let digest = blake3::hash(&content).to_hex();
    let (part, path) = (folder.join(format!("{seed}.part")), folder.join(digest.as_str()));
    let mut file = std::fs::File::create_new(&part).expect("a file");
    file.write_all(&content).expect("written");
    file.sync_all().expect("synced");
    std::fs::rename(part, path).expect("renamed");
    std::fs::File::open(folder).expect("the folder").sync_all().expect("synced");
}

async fn responder(nats: Nats) {
    let mut requests = nats.subscribe("raw.*").await.expect("subscribed");
    nats.flush().await.expect("flushed");
    let content = content(2);
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let answer = if request.payload.is_empty() { content.clone() } else { Bytes::new() };
            if let Some(reply) = request.reply {
                nats.publish(reply, answer).await.expect("answered");
            }
        }
    });
}

fn print(callers: usize, series: &[Series; 6]) {
    let [raw_write, take, put, raw_read, give, get] = series;
    head(&format!("artifacts of 1 MiB, {callers} callers"));
    raw_write.print("raw: hash, write, sync, rename, sync the folder");
    take.print("raw: a message of 1 MiB, answered at once");
    put.print("put");
    raw_read.print("raw: read and hash");
    give.print("raw: an answer of 1 MiB");
    get.print("get");
    println!();
    ratio("put rate / raw write", put.rate() / raw_write.rate(), ">= 0.80");
    ratio(
        "put rate / raw write and its message, one after the other",
        put.rate() / both(raw_write, take),
        "",
    );
    ratio("get rate / raw read", get.rate() / raw_read.rate(), ">= 0.80");
    ratio("get rate / raw read and its answer, one after the other", get.rate() / both(raw_read, give), "");
}

fn both(one: &Series, other: &Series) -> f64 {
    1.0 / (1.0 / one.rate() + 1.0 / other.rate())
}
