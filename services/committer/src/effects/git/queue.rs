//! One queue for each branch of a repository in this process: orders that wait together are carried out
//! together.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use selvedge_kit::clock::Deadline;
use tokio::sync::mpsc;

use super::{
    core::{Claim, MOST_BUILDS, Order, Record, Verdict},
    location::Location,
    remote::Remote,
};
use selvedge_kit::steps::Steps;

/// Most orders that wait for one branch.
const MOST_WAITING: usize = 1_024;
/// Most orders that are carried out together.
const MOST_AT_ONCE: usize = 32;
/// Repositories that stay open while nothing is to be done in them.
const MOST_IDLE: usize = 32;

/// What an order has to say to whoever gave it.
pub(super) enum Event {
    /// May this attempt still act?
    Ask(std::sync::mpsc::SyncSender<bool>),
    /// It is over.
    Over(Verdict),
}

type Key = (Location, String);

/// Every queue of this process.
pub(crate) struct Queues {
    copies: PathBuf,
    steps: Steps,
    queues: Mutex<HashMap<Key, Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    /// Somebody carries orders of it out.
    is_worked: bool,
    /// The repository, while nobody uses it.
    idle: Option<Open>,
}

struct Job {
    branch: String,
    order: Order,
    events: mpsc::Sender<Event>,
}

enum Open {
    Record(Record),
    Remote(Remote),
}

impl Queues {
    pub(crate) fn new(copies: PathBuf, steps: Steps) -> Self {
        Self { copies, steps, queues: Mutex::default() }
    }

    /// Hands an order in. What happens to it is told until it is over; that nothing more comes means that
    /// nobody knows.
    pub(super) fn submit(
        self: &Arc<Self>,
        location: &Location,
        branch: &str,
        order: impl FnOnce(Claim) -> Order,
    ) -> Result<mpsc::Receiver<Event>, String> {
        let (events, receiver) = mpsc::channel(MOST_BUILDS as usize + 2);
        let asked = events.clone();
        // Unsent, the answer is a no.
        let claim = Claim::new(move |answer| drop(asked.try_send(Event::Ask(answer))));
        let job = Job { branch: branch.to_owned(), order: order(claim), events };
        // A copy is one process's and one thread's.
        let branch = if matches!(location, Location::Folder(_)) { branch } else { "" };
        let key = (location.clone(), branch.to_owned());
        let mut queues = self.queues();
        let queue = queues.entry(key.clone()).or_default();
        if queue.waiting.len() >= MOST_WAITING {
            return Err(format!("{MOST_WAITING} commits wait for this branch already"));
        }
        queue.waiting.push_back(job);
        if !std::mem::replace(&mut queue.is_worked, true) {
            let all = Arc::clone(self);
            tokio::task::spawn_blocking(move || Worker { all: &all, key: &key }.work());
        }
        Ok(receiver)
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Key, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, location: &Location, deadline: Deadline) -> Result<Open, String> {
        match location {
            Location::Folder(path) => Record::open(path).map(Open::Record),
            Location::Remote(url) => Remote::open(url, &self.copies, deadline).map(Open::Remote),
        }
    }
}

/// Whoever carries out the orders of one queue, until there are none.
struct Worker<'q> {
    all: &'q Queues,
    key: &'q Key,
}

impl Worker<'_> {
    fn work(self) {
        let mut open = self.all.queues().get_mut(self.key).and_then(|queue| queue.idle.take());
        while let Some(jobs) = self.next(&mut open) {
            let (orders, told): (Vec<Order>, Vec<_>) =
                jobs.1.into_iter().map(|job| (job.order, job.events)).unzip();
            for (verdict, events) in self.land(&jobs.0, &orders, &mut open).into_iter().zip(told) {
                // Whoever gave the order may have given up; the next attempt finds out.
                let _ = events.try_send(Event::Over(verdict));
            }
        }
    }

    /// The orders to be carried out next, of one branch; nothing if none wait, and then the repository is
    /// put away.
    fn next(&self, open: &mut Option<Open>) -> Option<(String, Vec<Job>)> {
        let mut queues = self.all.queues();
        let is_kept = queues.len() <= MOST_IDLE;
        let queue = queues.get_mut(self.key)?;
        if let Some(branch) = queue.waiting.front().map(|job| job.branch.clone()) {
            let count =
                queue.waiting.iter().take(MOST_AT_ONCE).take_while(|job| job.branch == branch).count();
            return Some((branch, queue.waiting.drain(..count).collect()));
        }
        if is_kept {
            (queue.is_worked, queue.idle) = (false, open.take());
        } else {
            queues.remove(self.key);
        }
        None
    }

    fn land(&self, branch: &str, orders: &[Order], open: &mut Option<Open>) -> Vec<Verdict> {
        let deadline = orders.iter().map(|order| order.deadline).min_by_key(|at| at.remaining());
        let opened = match open.take() {
            Some(opened) => Ok(opened),
            None => self.all.open(&self.key.0, deadline.unwrap_or(Deadline::in_ms(0))),
        };
        let verdicts = match &opened {
            Ok(Open::Record(record)) => record.land(branch, orders, &self.all.steps),
            Ok(Open::Remote(remote)) => remote.land(branch, orders, &self.all.steps),
            Err(reason) => {
                let reason = format!("the repository cannot be used: {reason}");
                orders.iter().map(|_| Verdict::Later(reason.clone())).collect()
            }
        };
        // One that failed is opened anew: it may have been moved, or mended.
        let is_well =
            verdicts.iter().all(|verdict| matches!(verdict, Verdict::Done { .. } | Verdict::Refused(_)));
        *open = opened.ok().filter(|_| is_well);
        verdicts
    }
}

impl Drop for Worker<'_> {
    /// If it broke off, those that waited hear nothing more, and the next order begins anew.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.all.queues().remove(self.key);
        }
    }
}
