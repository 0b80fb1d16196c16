//! Starting the service.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use selvedge_contracts::role::Service;
use selvedge_kit::{
    bus::{Bus, error_chain},
    clock::Deadline,
    identity::Directory,
    ledger::Ledger,
    metrics::Metrics,
    order::{Order, Take},
    service::{self, Limits, Running, Setup},
    view::{Apply, Feed, FeedError},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use super::{
    error::OverlapError,
    handlers,
    reindex::{self, Progress},
    reopen,
    replica::{Held, Replica},
    second::SecondModel,
    snapshot,
    state::{Config, Overlap},
    store::Store,
    sweep,
};
use crate::{Embedder, StaticModel};

/// Longest wait until the ledger says when it was made, in milliseconds.
const LEDGER_MS: u64 = 10_000;

/// Starts the service over its own connection. It answers once its index holds all that is in the ledger; at once where
/// no snapshot is of this model and version: it then says up to where it has looked.
///
/// # Errors
/// [`OverlapError`] if the model is not the one that was published, the second model cannot be used, the place for snapshots cannot be used, the
/// ledger not read, or the bus refuses it.
pub async fn start(
    bus: Bus,
    config: &Config,
    limits: Limits,
    metrics: &Metrics,
) -> Result<Running, OverlapError> {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let state = Arc::new(open(&bus, config, metrics, &tasks, &stop).await?);
    // Of an index that is made anew for another model, everything is said as far as it goes by then, and that it is
    // behind: the ledger may take minutes, and nobody could even look at what there is.
    if state.reindex.is_from_start {
        state.order.start_behind(&tasks, stop.clone()).await?;
    } else {
        state.order.start(&tasks, stop.clone()).await?;
        if state.last_snapshot().is_none() {
            state.replica.is_new();
        }
    }
    // Nobody waits for this replica yet, and later ones are made from this one.
    if snapshot::is_due(&state)
        && let Err(error) = snapshot::save_held(&state).await
    {
        warn!(error = error_chain(&error), "no snapshot was written");
    }
    let ledger = Ledger::new(bus);
    let setup = Setup {
        instance: None,
        service: Service::Overlap,
        routes: handlers::routes(),
        ledger: ledger.clone(),
        feed: state.feed.clone(),
        directory: state.directory.clone(),
        account: config.account.clone(),
        limits,
        metrics: metrics.clone(),
        state: Arc::clone(&state),
    };
    let running = service::start(setup, tasks.clone(), stop.clone()).await?;
    reopen::start(&state, &ledger);
    tasks.spawn(sweep::run(Arc::clone(&state)));
    tasks.spawn(snapshot::keep(Arc::clone(&state)));
    tasks.spawn(reindex::follow(Arc::clone(&state), state.replica.asked()));
    Ok(running)
}

async fn open(
    bus: &Bus,
    config: &Config,
    metrics: &Metrics,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<Overlap, OverlapError> {
    let embedder: Arc<dyn Embedder> = Arc::new(StaticModel::embedded()?);
    let store = Store::open(config)?;
    let second = config.second.as_ref().map(SecondModel::open).transpose()?;
    let ledger = Ledger::new(bus.clone());
    let made_at = ledger.made_at(Deadline::in_ms(LEDGER_MS)).await.map_err(FeedError::from)?;
    let last_fact = ledger.last_revision(Deadline::in_ms(LEDGER_MS)).await.map_err(FeedError::from)?;
    let store = store.of_ledger(&made_at);
    let snapshot::Restored { last, refused, is_outdated } =
        snapshot::restore(&store, &embedder, &ledger).await;
    let (held, last) = match last {
        Some((held, last)) => (held, Some(last)),
        None => (Held::empty(Arc::clone(&embedder), 0), None),
    };
    let (from, metrics_of) = (held.book.sequence, metrics.overlap());
    let replica = Arc::new(Replica::new(held, config.steps.clone(), metrics_of.clone()));
    let order = Order::new(bus, Arc::clone(&replica) as Arc<dyn Take>, from);
    let directory = Directory::default();
    let views = vec![
        Arc::clone(&directory.sessions) as Arc<dyn Apply>,
        Arc::clone(&directory.agents) as Arc<dyn Apply>,
    ];
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    Ok(Overlap {
        config: config.clone(),
        instance: bus.me().scope.id.to_string(),
        feed: Feed::new(Ledger::new(bus.clone()), views, metrics),
        ledger,
        directory,
        replica,
        order,
        embedder,
        second,
        store,
        snapshot: Mutex::new(last),
        refused_snapshots: refused,
        reindex: Progress::new(last_fact, is_outdated && from == 0),
        metrics: metrics_of,
        room: Semaphore::new(processors),
        tasks: tasks.clone(),
        stop: stop.clone(),
    })
}
