//! From a proposal to the fact that it is committed, over the bus and with nobody to approve it, beside its parts
//! raw: as many guarded facts one after the other, and a commit of libgit2's, all synced.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::jetstream;
use bytes::Bytes;
use futures::StreamExt as _;
use git2::Oid;
use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    id::{CommitHash, IntentId, RepositoryName},
    payload::{
        intent::{Effect, FileChange, FileMode, GitEffect, IntentShow, Receipt, TreePath},
        policy::{PolicyActivate, PolicyConfirm, PolicyDraft},
        repository::RepositorySet,
    },
    role::Role,
};
use selvedge_kit::{
    client::{Client, Options as Asked},
    service::Running,
    transfer,
};
use selvedge_tests::{
    Options, artifacts,
    committer::{demo, once, start},
    fabric::{Fabric, Working, lasting_session},
    governance,
};
use tokio::sync::watch;

use super::{AGENTS, FILES, content, file};
use crate::{
    calls,
    load::{Sample, closed_loop, timed_loop},
};

/// proposed, verified, executing, committed.
pub(super) const FACTS: usize = 4;

/// A fabric whose agents may commit.
pub(super) struct Stage {
    fabric: Fabric,
    _services: Vec<Running>,
    agents: Arc<Vec<Working>>,
    landed: Landed,
    next: Arc<AtomicU64>,
}

impl Stage {
    pub(super) async fn start() -> Self {
        let fabric = Fabric::start_with(Options::DURABLE).await;
        let services = vec![
            governance::start(&fabric.bus, "g1").await,
            artifacts::start(&fabric.bus, &artifacts::in_folder(&fabric.bus), "a1").await,
            start(&fabric.bus, "c1").await,
        ];
        permit(&fabric).await;
        let mut agents = Vec::new();
        for number in 0..AGENTS {
            let agent = fabric.agent(&format!("ada{number}"), Role::Worker).await;
            agents.push(fabric.session(&agent, lasting_session()).await.expect("a session"));
        }
        let landed = Landed::default();
        landed.listen(fabric.bus.connect_as_root().await).await;
        Self { fabric, _services: services, agents: Arc::new(agents), landed, next: Arc::default() }
    }

    /// How long each fact of an intent came after the one before it, since this was asked last.
    pub(super) fn steps(&self) -> String {
        self.landed.steps.lock().expect("no panic").told()
    }

    /// Facts of as many kinds one after the other, each behind the one before.
    pub(super) async fn facts(&self, seconds: f64) -> Sample {
        let js = jetstream::new(self.fabric.bus.connect_as_root().await);
        let next = Arc::clone(&self.next);
        let operation = move |_| {
            let (js, number) = (js.clone(), next.fetch_add(1, Ordering::Relaxed));
            async move {
                let mut expected = 0;
                for fact in 0..FACTS {
                    let entity = format!("sv.fact.bench.intent.i{number}");
                    expected = calls::guarded(&js, &entity, &format!("fact{fact}"), expected).await;
                }
            }
        };
        closed_loop(1, seconds, operation).await
    }

    /// Proposals of agents, each of a change to a file of its own, on what it committed last.
    pub(super) async fn commits(&self, record: &Path, base: Oid, agents: usize, seconds: f64) -> Sample {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = RepositoryName::new(&format!("record{number}")).expect("a name");
        let location = record.canonicalize().expect("a path").to_str().expect("text").to_owned();
        let set = RepositorySet { name: name.clone(), location };
        let operator = self.fabric.operator.clone().in_mission(demo());
        operator.call::<call::RepositorySet>(&set).await.expect("named");
        let base = CommitHash::new(&base.to_string()).expect("a commit");
        let bases: Arc<Vec<_>> =
            Arc::new((0..agents).map(|_| tokio::sync::Mutex::new((base.clone(), 0))).collect());
        let (workings, landed) = (Arc::clone(&self.agents), self.landed.clone());
        let operation = move |caller: usize| {
            let (workings, landed) = (Arc::clone(&workings), landed.clone());
            let (bases, name) = (Arc::clone(&bases), name.clone());
            async move {
                let client = &workings[caller].client;
                let (base, version) = &mut *bases[caller].lock().await;
                *version += 1;
                let number = caller + agents * (*version as usize % (FILES / agents));
                let effect = change(client, &name, base, number, *version).await;
                let wanted = once(effect, &format!("{name} {caller} {version}"));
                let started = Instant::now();
                let proposed = governance::propose(client, &wanted).await.expect("proposed").intent;
                let revision = landed.revision(&proposed.id).await;
                let took = started.elapsed();
                *base = commit(client, &proposed.id, revision).await;
                took
            }
        };
        timed_loop(agents, seconds, operation).await
    }
}

/// Two principals put a policy in force by which a worker's commit needs nobody's approval.
async fn permit(fabric: &Fabric) {
    let text = "permit (principal, action == Action::\"git.commit\", resource);";
    let draft = PolicyDraft { text: text.to_owned(), note: String::new() };
    let operator = fabric.operator.clone().in_mission(demo());
    let drafted = operator.call::<call::PolicyDraft>(&draft).await.expect("drafted").reply.policy;
    let activate = PolicyActivate { version: drafted.version, reason: "measured".to_owned() };
    operator.call::<call::PolicyActivate>(&activate).await.expect("proposed");
    let invite = fabric.invite(Role::Approver, "person:paul").await;
    let second = fabric.join(&invite, "paula", &KeyPair::new_user()).await.expect("joined");
    let second = fabric.session(&second, lasting_session()).await.expect("a session");
    let confirm = PolicyConfirm { version: drafted.version, digest: drafted.digest };
    second.client.call::<call::PolicyConfirm>(&confirm).await.expect("in force");
}

/// A change of one file, its content stored.
async fn change(
    client: &Client,
    repository: &RepositoryName,
    base: &CommitHash,
    number: usize,
    version: u64,
) -> Effect {
    let stored = transfer::put_bytes(client, Bytes::from(content(number, version))).await.expect("stored");
    Effect::Git(GitEffect {
        repository: repository.clone(),
        branch: "main".to_owned(),
        base: base.clone(),
        changes: vec![FileChange::Put {
            path: TreePath::new(file(number)).expect("a path"),
            content: stored.digest,
            mode: FileMode::Regular,
        }],
        message: format!("Change file {number}"),
        reads: Vec::new(),
    })
}

async fn commit(client: &Client, intent: &IntentId, at_least: u64) -> CommitHash {
    let (show, options) = (IntentShow { intent: intent.clone() }, Asked { at_least, ..Asked::default() });
    let shown = client.call_with::<call::IntentShow>(&show, &options).await.expect("an intent");
    let receipt = shown.reply.intent.receipt;
    let Some(Receipt::Git { commit, .. }) = receipt else { panic!("{receipt:?}") };
    commit
}

/// Intents that are committed, by id, with the revision of the fact that says so.
#[derive(Clone, Default)]
struct Landed {
    intents: Arc<Mutex<HashMap<String, watch::Sender<u64>>>>,
    steps: Arc<Mutex<Steps>>,
}

/// When the facts of an intent were heard, and how long each came after the one before.
#[derive(Default)]
struct Steps {
    last: HashMap<String, Instant>,
    took: BTreeMap<String, Vec<Duration>>,
}

impl Steps {
    fn seen(&mut self, subject: &str) {
        let now = Instant::now();
        let Some((intent, fact)) = subject.rsplit_once('.') else { return };
        if let Some(before) = self.last.insert(intent.to_owned(), now) {
            self.took.entry(fact.to_owned()).or_default().push(now - before);
        }
    }

    /// Medians, and forgets all.
    fn told(&mut self) -> String {
        let took = std::mem::take(self).took;
        let median = |(fact, mut took): (String, Vec<Duration>)| {
            took.sort_unstable();
            format!("{fact} {:.1} ms", took[took.len() / 2].as_secs_f64() * 1e3)
        };
        took.into_iter().map(median).collect::<Vec<_>>().join(", ")
    }
}

impl Landed {
    async fn revision(&self, intent: &IntentId) -> u64 {
        let mut revision = self.named(intent.as_str(), |told| told.subscribe());
        *revision.wait_for(|revision| *revision > 0).await.expect("a fact")
    }

    fn named<T>(&self, intent: &str, take: impl FnOnce(&watch::Sender<u64>) -> T) -> T {
        take(self.intents.lock().expect("no panic").entry(intent.to_owned()).or_default())
    }

    async fn listen(&self, nats: async_nats::Client) {
        let mut facts = nats.subscribe("sv.live.demo.intent.*.*").await.expect("subscribed");
        nats.flush().await.expect("flushed");
        let landed = self.clone();
        tokio::spawn(async move {
            while let Some(fact) = facts.next().await {
                let mut tokens = fact.subject.rsplit('.');
                landed.steps.lock().expect("no panic").seen(fact.subject.as_str());
                match (tokens.next(), tokens.next()) {
                    (Some("committed"), Some(intent)) => {
                        let sequence = fact.headers.as_ref().and_then(|headers| headers.get("Nats-Sequence"));
                        let revision =
                            sequence.and_then(|text| text.as_str().parse().ok()).expect("a sequence");
                        landed.named(intent, |told| told.send_replace(revision));
                    }
                    (Some("rejected" | "failed" | "unknown" | "expired"), _) => {
                        panic!("{}", String::from_utf8_lossy(&fact.payload))
                    }
                    _ => {}
                }
            }
        });
    }
}
