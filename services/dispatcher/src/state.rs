//! What the handlers share.

use std::sync::{Arc, Mutex};

use selvedge_contracts::{
    fact::EntityName,
    id::{EntityId, Mission},
    payload::{contract::Contract, dead::DeadLetter, handoff::Handoff},
    role::Service,
    stream::CLAIMS,
    subject::Entity,
};
use selvedge_kit::{
    bucket::Bucket,
    bus::Bus,
    client::Client,
    creation::Asking,
    document::Checkers,
    identity::Directory,
    ledger::Ledger,
    metrics::Metrics,
    view::{Apply, Feed, View},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    board::{Board, Views},
    effects::Intents,
    ends::Scopes,
    turns::Turns,
    watched::Watched,
};

/// What the service runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Public key of the kluster's account.
    pub account: String,
    /// Whether it asks what looks like a plan before there is one.
    pub overlap: Asking,
}

/// What the handlers share.
pub(crate) struct Dispatcher {
    pub(crate) directory: Directory,
    pub(crate) views: Views,
    pub(crate) letters: Arc<View<DeadLetter>>,
    pub(crate) handoffs: Arc<View<Handoff>>,
    pub(crate) contracts: Arc<View<Contract>>,
    pub(crate) checkers: Checkers,
    pub(crate) board: Arc<Board>,
    /// What became of what tasks change outside.
    pub(crate) intents: Arc<Intents>,
    /// How long renewed claims last.
    pub(crate) claims: Bucket,
    pub(crate) feed: Feed,
    pub(crate) ledger: Ledger,
    /// Asks the other services, as this one.
    pub(crate) client: Client,
    /// Whether it asks what looks like a plan before there is one.
    pub(crate) overlap: Asking,
    /// Held while a task that counts in a pool changes hands: replicas meet at the pool's guard, and calls
    /// of one replica should not.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// Sendings of one and the same claim, one after the other.
    pub(crate) sendings: Turns,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Dispatcher {
    pub(crate) fn new(
        bus: &Bus,
        config: &Config,
        metrics: &Metrics,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (directory, views) = (Directory::default(), Views::default());
        let (letters, contracts) = (Arc::<View<DeadLetter>>::default(), Arc::<View<Contract>>::default());
        let handoffs = Arc::<View<Handoff>>::default();
        let board = Arc::new(Board::new(views.clone()));
        let intents = Arc::new(Intents::new(&board));
        let ledger = Ledger::new(bus.clone());
        let mut followed = followed(&directory, &views, &letters, &contracts, &board);
        followed.push(Arc::new(Watched {
            view: Arc::clone(&handoffs),
            board: Arc::clone(&board),
            tell: |board, _, entry| board.note_handoff(&entry.state, entry.revision),
            told: |board, entity| board.handoff_revision(&entity.mission, &entity.id),
            untold: Mutex::default(),
        }));
        followed.push(Arc::clone(&intents) as Arc<dyn Apply>);
        Self {
            directory,
            views,
            letters,
            handoffs,
            contracts,
            checkers: Checkers::default(),
            board,
            intents,
            claims: Bucket::new(bus.clone(), CLAIMS),
            feed: Feed::new(ledger.clone(), followed, metrics),
            ledger,
            client: Client::new(bus.clone()),
            overlap: config.overlap,
            turn: tokio::sync::Mutex::new(()),
            sendings: Turns::default(),
            tasks,
            stop,
        }
    }
}

/// What is followed, in the order in which the board is told of the past: plans before their tasks, since a task says
/// little without its plan.
fn followed(
    directory: &Directory,
    views: &Views,
    letters: &Arc<View<DeadLetter>>,
    contracts: &Arc<View<Contract>>,
    board: &Arc<Board>,
) -> Vec<Arc<dyn Apply>> {
    let plans = Watched {
        view: Arc::clone(&views.plans),
        board: Arc::clone(board),
        tell: |board, _, entry| board.note_plan(&entry.state, entry.revision),
        told: |board, entity| board.plan_revision(&entity.mission, &entity.id),
        untold: Mutex::default(),
    };
    let tasks = Watched {
        view: Arc::clone(&views.tasks),
        board: Arc::clone(board),
        tell: |board, _, entry| board.note_task(&entry.state, entry.revision),
        told: |board, entity| board.task_revision(&entity.mission, &entity.id),
        untold: Mutex::default(),
    };
    let cases = Watched {
        view: Arc::clone(&views.cases),
        board: Arc::clone(board),
        tell: |board, _, entry| board.note_case(&entry.state, entry.revision),
        told: |board, entity| board.case_revision(&entity.mission, &entity.id),
        untold: Mutex::default(),
    };
    let capacities = Watched {
        view: Arc::clone(&views.capacities),
        board: Arc::clone(board),
        tell: |board, entity, entry| board.note_capacity(&entity.mission, &entity.id, entry.revision),
        told: |board, entity| board.capacity_revision(&entity.mission, &entity.id),
        untold: Mutex::default(),
    };
    let scopes = Scopes {
        sessions: Arc::clone(&directory.sessions),
        tasks: Arc::clone(&views.tasks),
        board: Arc::clone(board),
    };
    vec![
        Arc::new(scopes) as Arc<dyn Apply>,
        Arc::clone(&directory.agents) as Arc<dyn Apply>,
        Arc::clone(contracts) as Arc<dyn Apply>,
        Arc::new(capacities) as Arc<dyn Apply>,
        Arc::new(plans) as Arc<dyn Apply>,
        Arc::new(tasks) as Arc<dyn Apply>,
        Arc::clone(letters) as Arc<dyn Apply>,
        Arc::new(cases) as Arc<dyn Apply>,
    ]
}

/// The service's name, as facts and findings name it.
pub(crate) fn me() -> &'static str {
    Service::Dispatcher.name()
}

/// An entity of a mission.
pub(crate) fn entity(mission: &Mission, name: EntityName, id: impl Into<EntityId>) -> Entity {
    Entity { mission: mission.clone(), name, id: id.into() }
}
