//! Commits on one branch of a repository of 1,000 files, beside what libgit2 alone takes for a blob, its
//! trees, a commit and the branch's reference, on the same disk. Ours also writes the intent's reference,
//! compares what was touched with the base, asks whether it may still act, and syncs all of it.

mod bus;

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use bytes::Bytes;
use git2::{FileMode, Oid, Repository, Signature, Time, build::TreeUpdateBuilder};
use selvedge_committer::git::{Author, Claim, INTENT_TRAILER, Order, Record, Verdict};
use selvedge_contracts::{
    id::{CommitHash, Digest, RepositoryName},
    payload::intent::{FileChange, GitEffect, TreePath},
};
use selvedge_kit::{clock::Deadline, steps::Steps};
use tokio::sync::{mpsc, oneshot};

use crate::{
    load::{Sample, closed_loop},
    report::{Series, head, ratio},
};

/// Files of the repository, in folders of 100.
const FILES: usize = 1_000;
/// Agents that commit at once.
const AGENTS: usize = 16;
/// As many orders as the service carries out together.
const MOST_AT_ONCE: usize = 32;

pub(crate) async fn measure(seconds: f64, rounds: usize) {
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk that is measured");
    let stage = bus::Stage::start().await;
    let mut series: [Series; 7] = Default::default();
    for round in 0..rounds {
        let path = |name: &str| folder.path().join(format!("{name}-{round}.git"));
        series[0].push(raw(path("raw-lazy"), false, seconds).await);
        series[1].push(raw(path("raw"), true, seconds).await);
        series[2].push(ours(path("one"), 1, seconds).await);
        series[3].push(ours(path("many"), AGENTS, seconds).await);
        series[4].push(stage.facts(seconds).await);
        for (at, agents) in [(5, 1), (6, AGENTS)] {
            let record = path(&format!("bus-{agents}"));
            let base = seed(&record);
            series[at].push(stage.commits(&record, base, agents, seconds).await);
            println!("{agents} agents, after the fact before: {}", stage.steps());
        }
    }
    head(&format!("Commits, {FILES} files"));
    series[0].print("libgit2, not synced, 1 caller");
    series[1].print("libgit2, synced, 1 caller");
    series[2].print("committer's core, synced, 1 caller");
    series[3].print(&format!("committer's core, synced, {AGENTS} callers on one branch"));
    series[4].print(&format!("{} guarded facts, one after the other, synced", bus::FACTS));
    series[5].print("proposed to committed over the bus, 1 agent");
    series[6].print(&format!("proposed to committed over the bus, {AGENTS} agents on one branch"));
    println!();
    ratio("core, 1 caller, p50 / synced libgit2", series[2].p50_us() / series[1].p50_us(), "none");
    let parts_us = series[4].p50_us() + series[1].p50_us();
    ratio("proposed to committed p50 / (facts + synced libgit2)", series[5].p50_us() / parts_us, "<= 2.00");
    println!("- commits a second of {AGENTS} agents over the bus: {:.0} (goal >= 70)", series[6].rate());
}

fn file(number: usize) -> String {
    format!("folder{:02}/file{:03}.txt", number / 100 % 10, number % 100)
}

fn content(number: usize, version: u64) -> String {
    format!("file {number}, version {version}\n").repeat(40)
}

fn seed(path: &PathBuf) -> Oid {
    let repository = Repository::init_bare(path).expect("a repository");
    let mut update = TreeUpdateBuilder::new();
    for number in 0..FILES {
        let blob = repository.blob(content(number, 0).as_bytes()).expect("a blob");
        update.upsert(file(number), blob, FileMode::Blob);
    }
    let empty = repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
    let tree = repository.find_tree(update.create_updated(&repository, &empty).unwrap()).unwrap();
    let who = Signature::new("seed", "seed@example.org", &Time::new(0, 0)).unwrap();
    repository.commit(Some("refs/heads/main"), &who, &who, "seed", &tree, &[]).expect("a commit")
}

async fn raw(path: PathBuf, is_synced: bool, seconds: f64) -> Sample {
    seed(&path);
    Repository::open_bare(&path)
        .unwrap()
        .config()
        .unwrap()
        .set_bool("core.fsyncObjectFiles", is_synced)
        .unwrap();
    let (orders, mut wanted) = mpsc::channel::<oneshot::Sender<()>>(AGENTS);
    let worker = tokio::task::spawn_blocking(move || {
        let repository = Repository::open_bare(&path).unwrap();
        let mut version = 0;
        while let Some(done) = wanted.blocking_recv() {
            version += 1;
            raw_commit(&repository, version);
            done.send(()).ok();
        }
    });
    let sample = closed_loop(1, seconds, move |_| {
        let orders = orders.clone();
        async move {
            let (done, waited) = oneshot::channel();
            orders.send(done).await.expect("a worker");
            waited.await.expect("a commit");
        }
    });
    let sample = sample.await;
    worker.await.expect("an end");
    sample
}

fn raw_commit(repository: &Repository, version: u64) {
    let number = version as usize % FILES;
    let blob = repository.blob(content(number, version).as_bytes()).unwrap();
    let parent = repository.find_commit(repository.refname_to_id("refs/heads/main").unwrap()).unwrap();
    let mut update = TreeUpdateBuilder::new();
    update.upsert(file(number), blob, FileMode::Blob);
    let tree = update.create_updated(repository, &parent.tree().unwrap()).unwrap();
    let tree = repository.find_tree(tree).unwrap();
    let who = Signature::new("raw", "raw@example.org", &Time::new(version as i64, 0)).unwrap();
    repository.commit(Some("refs/heads/main"), &who, &who, "raw", &tree, &[&parent]).unwrap();
}

type Wanted = (Order, oneshot::Sender<Verdict>);

async fn ours(path: PathBuf, callers: usize, seconds: f64) -> Sample {
    let base = seed(&path);
    let (orders, mut wanted) = mpsc::channel::<Wanted>(callers);
    let worker = tokio::task::spawn_blocking(move || {
        let record = Record::open(&path).expect("a repository");
        while let Some(first) = wanted.blocking_recv() {
            let rest = std::iter::from_fn(|| wanted.try_recv().ok()).take(MOST_AT_ONCE - 1);
            let (orders, told): (Vec<Order>, Vec<_>) = std::iter::once(first).chain(rest).unzip();
            for (verdict, told) in record.land("main", &orders, &Steps::default()).into_iter().zip(told) {
                drop(told.send(verdict));
            }
        }
    });
    // What each caller committed last, which its next change is based on.
    let bases: Arc<Vec<_>> = Arc::new((0..callers).map(|_| tokio::sync::Mutex::new((base, 0_u64))).collect());
    let sample = closed_loop(callers, seconds, move |caller| {
        let (orders, bases) = (orders.clone(), Arc::clone(&bases));
        async move {
            let mut last = bases[caller].lock().await;
            last.1 += 1;
            let (told, verdict) = oneshot::channel();
            let number = caller + callers * (last.1 as usize % (FILES / callers));
            orders
                .send((order(caller, number, last.1, last.0), told))
                .await
                .unwrap_or_else(|_| panic!("a worker"));
            match verdict.await.expect("a verdict") {
                Verdict::Done { commit, .. } => last.0 = commit,
                other => panic!("{other:?}"),
            }
        }
    });
    let sample = sample.await;
    worker.await.expect("an end");
    sample
}

fn order(caller: usize, number: usize, version: u64, base: Oid) -> Order {
    let content = content(number, version);
    let digest = Digest::from(&blake3::hash(content.as_bytes()));
    let key = blake3::hash(format!("{caller} {version}").as_bytes()).to_hex();
    Order {
        key: format!("intent_{key}"),
        effect: GitEffect {
            repository: RepositoryName::new("record").unwrap(),
            branch: "main".to_owned(),
            base: CommitHash::new(&base.to_string()).unwrap(),
            changes: vec![FileChange::Put {
                path: TreePath::new(file(number)).unwrap(),
                content: digest.clone(),
                mode: Default::default(),
            }],
            message: format!("Change file {number}"),
            reads: Vec::new(),
        },
        contents: HashMap::from([(digest, Bytes::from(content))]),
        author: Author {
            name: format!("agent-{caller}"),
            address: "agent@bench.selvedge.invalid".to_owned(),
        },
        at_ms: version * 1_000,
        trailers: vec![(INTENT_TRAILER, format!("intent_{key}"))],
        may_have_begun: false,
        claim: Claim::new(|answer| answer.send(true).unwrap_or_default()),
        deadline: Deadline::in_ms(60_000),
    }
}
