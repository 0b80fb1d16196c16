//! What the handlers share.

use std::sync::{Arc, Mutex, PoisonError};

use selvedge_contracts::{
    envelope::Envelope,
    fact::EntityName,
    fault::Fault,
    id::{AgentId, CreationId, KlusterName, Mission},
    payload::overlap::{Basis, Checked, Creation, RefusedSnapshot, SnapshotState},
    role::{Role, Service},
    subject::Entity,
};
use selvedge_kit::{
    clock::Deadline,
    identity::Directory,
    ledger::Ledger,
    metrics::OverlapMetrics,
    order::Order,
    rule::Verdict,
    service::{Answer, Call, Recorded, Writer},
    steps::Steps,
    view::{Apply as _, Feed, View},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    reindex::Progress,
    replica::Replica,
    rule::Standing,
    second::{SecondConfig, SecondModel},
    shown,
    store::Store,
};
use crate::{Embedder, Readable};

/// What the service runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Public key of the kluster's account.
    pub account: String,
    /// The kluster.
    pub kluster: KlusterName,
    /// Folder or URL for snapshots of the index.
    pub snapshots: String,
    /// Options of that store, by name.
    pub options: Vec<(String, String)>,
    /// Facts taken in after which a snapshot is written.
    pub snapshot_facts: u64,
    /// Longest wait until everything before a proposal has been taken in, in milliseconds.
    pub barrier_ms: u64,
    /// Most creations of one owner in a mission that are on their way.
    pub open_per_owner: u64,
    /// Most things of kinds that no service of the fabric creates, of one owner in a mission.
    pub own_per_owner: u64,
    /// How long a creation waits for an answer, or for its thing, in milliseconds.
    pub pending_ttl_ms: u64,
    /// After how long a check that nobody recorded is completed, in milliseconds.
    pub complete_ms: u64,
    /// A second model, which has a say in the order of what is found where somebody looks.
    pub second: Option<SecondConfig>,
    /// What is told of every step.
    pub steps: Steps,
}

/// What the handlers share.
pub(crate) struct Overlap {
    pub(crate) config: Config,
    /// This replica's name.
    pub(crate) instance: String,
    pub(crate) directory: Directory,
    pub(crate) feed: Feed,
    pub(crate) ledger: Ledger,
    pub(crate) replica: Arc<Replica>,
    pub(crate) order: Order,
    pub(crate) embedder: Arc<dyn Embedder>,
    pub(crate) second: Option<SecondModel>,
    pub(crate) store: Store,
    pub(crate) snapshot: Mutex<Option<SnapshotState>>,
    /// Those that were found at the start and could not be used.
    pub(crate) refused_snapshots: Vec<RefusedSnapshot>,
    pub(crate) reindex: Progress,
    pub(crate) metrics: OverlapMetrics,
    /// As many checks at once as there are processors: more would only wait for each other.
    pub(crate) room: Semaphore,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// The entity of a creation.
pub(crate) fn entity(mission: &Mission, id: &CreationId) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Creation, id: id.into() }
}

impl Overlap {
    /// Runs what may compute for a while on a thread of its own, as many at once as there are processors.
    ///
    /// # Errors
    /// `internal` if it breaks off.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Replica) -> T + Send + 'static,
    ) -> Answer<T> {
        let _room = self.room.acquire().await.map_err(|_| Fault::unavailable("the service stops"))?;
        let replica = Arc::clone(&self.replica);
        let computed = tokio::task::spawn_blocking(move || work(&replica)).await;
        computed.map_err(|_| Fault::internal("the computation broke off"))
    }

    /// What the index has taken in by now.
    pub(crate) fn basis(&self) -> Basis {
        self.replica.read(|held| {
            let (sequence, index_hash, model_hash) = held.index.basis();
            shown::basis(sequence, &index_hash, &model_hash)
        })
    }

    /// Nothing was looked for.
    pub(crate) fn unchecked(&self) -> Checked {
        Checked {
            basis: self.basis(),
            weak_meaning: false,
            candidates: Vec::new(),
            elsewhere: Vec::new(),
            second: None,
        }
    }

    /// What an agent may read: the missions that it has a role in, and the one it asks in.
    pub(crate) fn readable_by(&self, agent: &str, role: Role, mission: &Mission) -> Readable {
        if role == Role::Operator {
            return Readable::All;
        }
        let known = AgentId::new(agent).ok().and_then(|id| self.directory.agent(&id));
        let missions = known.iter().flat_map(|entry| entry.state.roles.keys());
        Readable::Scopes(missions.chain([mission]).map(ToString::to_string).collect())
    }

    /// What the caller may read.
    pub(crate) fn readable(&self, call: &Call) -> Readable {
        self.readable_by(call.subject.caller.as_str(), call.role(), call.mission())
    }

    /// Waits until all that the ledger's leader holds now has been taken in.
    ///
    /// # Errors
    /// `unavailable` if that takes longer than a proposal waits.
    pub(crate) async fn catch_up(&self, deadline: Deadline) -> Answer<()> {
        let last = self.feed.last_revision(deadline).await;
        let last = last.map_err(|error| Fault::unavailable(format!("cannot ask the ledger: {error}")))?;
        if self.order.reaches(last, deadline.at_most_ms(self.config.barrier_ms)).await {
            return Ok(());
        }
        Err(Fault::unavailable(format!(
            "this replica has taken in everything up to {} of {last}; try again",
            self.order.watermark()
        )))
    }

    /// Records what `decide` makes of a creation. It is read from the ledger's leader if the book knows it, or if
    /// another one was first: no state is kept in memory.
    ///
    /// # Errors
    /// As [`Writer::record`].
    pub(crate) async fn record(
        &self,
        writer: &Writer,
        mission: &Mission,
        id: &CreationId,
        mut decide: impl FnMut(Option<Standing<'_>>) -> Answer<Verdict<Creation>> + Send,
    ) -> Answer<Recorded<Creation>> {
        let view = Arc::<View<Creation>>::default();
        let entity = entity(mission, id);
        if self.replica.standing_of(id.number()).is_some() {
            writer.read_anew(&view, &entity).await?;
        }
        let read = Arc::clone(&view);
        writer
            .record(&view, &entity, |current| {
                let revision = read.revision_of(&entity);
                // What the book says counts only if it has the last own fact.
                let known = self.replica.standing_of(id.number()).filter(|known| known.revision >= revision);
                let is_edit = known.as_ref().is_some_and(|known| known.is_edit);
                let known = known.map(|known| known.state);
                decide(current.map(|creation| Standing { creation, revision, known, is_edit }))
            })
            .await
    }

    /// Records as the service itself; `key` names the work, so that its repetition is known.
    pub(crate) fn writer(&self, mission: &Mission, key: &str, deadline: Deadline) -> Writer {
        let origin = Envelope {
            mission: mission.to_string(),
            sender: Service::Overlap.name().to_owned(),
            session: self.ledger.bus().me().scope.id.to_string(),
            ..Envelope::default()
        };
        Writer::own(self.ledger.clone(), self.feed.clone(), deadline, origin, key)
    }

    /// The last snapshot that was written or started from.
    pub(crate) fn last_snapshot(&self) -> Option<SnapshotState> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
