//! Commits in a repository, each exactly once whatever instant the process dies at. Synchronous; it knows
//! nothing of the bus.
//!
//! | on disk | what it means | what the next attempt does |
//! |---|---|---|
//! | nothing but objects | nothing happened | builds anew: the same objects |
//! | `refs/selvedge/intents/<key>`, its commit not on the branch | the move was not finished | builds anew on the branch's head: the same commit if the branch has not moved |
//! | the commit reachable from the branch | done, and nothing else is | answers with that commit |
//!
//! Order: objects and the new values of references are durable before a reference moves; the intents' before
//! the branch's; the branch by comparing it, under its lock, with the head it was built on. While that lock
//! is held each order is asked whether its attempt is still the one to act, so whoever takes over waits for
//! this process to be done or dead before it decides anything.
//!
//! Several orders on one branch are built on each other and share the syncs and the move.

mod build;
mod durable;
mod history;
mod message;
mod path;
mod refs;
mod tree;

#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::Path,
    sync::mpsc,
    time::Duration,
};

use bytes::Bytes;
use git2::{Oid, ReferenceType, Repository};
use selvedge_contracts::{fault::Detail, id::Digest, payload::intent::GitEffect};
use selvedge_kit::clock::Deadline;

pub use build::Author;
pub use message::{INTENT_TRAILER, UNDO_TRAILER, trailer, trailers};

use build::Built;
pub(super) use build::{Chain, chain};
use refs::{Locking, Staging};
use selvedge_kit::steps::Steps;

/// Where the references of intents lie.
pub const INTENT_REFS: &str = "refs/selvedge/intents/";
/// Every step of a commit in a repository on this machine, in order.
pub const STEPS: &[&str] = &[LOOKED, BUILT, DURABLE, LOCKED, INTENT, ASKED, MOVED, DONE];
/// Every step of a commit in a repository elsewhere, in order.
pub const REMOTE_STEPS: &[&str] = &[LOOKED, FETCHED, BUILT, ASKED, PUSHED];
pub(super) const LOOKED: &str = "git.looked";
pub(super) const BUILT: &str = "git.built";
const DURABLE: &str = "git.durable";
const LOCKED: &str = "git.locked";
const INTENT: &str = "git.intent";
pub(super) const ASKED: &str = "git.asked";
const MOVED: &str = "git.moved";
const DONE: &str = "git.done";
pub(super) const FETCHED: &str = "git.fetched";
pub(super) const PUSHED: &str = "git.pushed";

/// Most times that a commit is built anew because the branch moved meanwhile.
pub(super) const MOST_BUILDS: u32 = 8;
/// Longest wait for the answer whether an attempt may still act, in milliseconds.
const ASK_MS: u64 = 5_000;

/// Contents by digest.
pub type Contents = HashMap<Digest, Bytes>;

/// One commit that is wanted.
pub struct Order {
    /// By what the repository knows it: the same for every attempt. A reference is named after it.
    pub key: String,
    /// What is wanted.
    pub effect: GitEffect,
    /// Every content that it names, verified.
    pub contents: Contents,
    /// Who wanted it.
    pub author: Author,
    /// Date of the commit: Unix time in milliseconds.
    pub at_ms: u64,
    /// The trailers, in order; the first one is found again.
    pub trailers: Vec<(&'static str, String)>,
    /// Whether an earlier attempt may have got somewhere.
    pub may_have_begun: bool,
    /// Asked right before the branch moves.
    pub claim: Claim,
    /// When it must be over.
    pub deadline: Deadline,
}

/// Tells whether an attempt is still the one to act.
pub struct Claim(Box<dyn Fn(mpsc::SyncSender<bool>) + Send>);

impl Claim {
    /// Asks by calling `ask`, which sends the answer once it is known. No answer is a no.
    pub fn new(ask: impl Fn(mpsc::SyncSender<bool>) + Send + 'static) -> Self {
        Self(Box::new(ask))
    }

    fn ask(&self) -> mpsc::Receiver<bool> {
        let (sender, receiver) = mpsc::sync_channel(1);
        (self.0)(sender);
        receiver
    }
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its commit is on the branch, durably.
    Done {
        /// The commit.
        commit: Oid,
        /// What it was built on; nothing if it began the branch.
        parent: Option<Oid>,
    },
    /// It cannot be done: every reason.
    Refused(Vec<Detail>),
    /// Not yet, for a reason that may pass.
    Later(String),
    /// Perhaps; trying again finds out, and does it once.
    Again(String),
}

/// Why work stopped.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(Vec<Detail>),
    Later(String),
    Again(String),
}

impl From<git2::Error> for Stop {
    fn from(error: git2::Error) -> Self {
        Self::Later(format!("the repository cannot be used: {}", error.message()))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Later(format!("the repository cannot be written: {error}"))
    }
}

impl From<Stop> for Verdict {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(reasons) => Self::Refused(reasons),
            Stop::Later(reason) => Self::Later(reason),
            Stop::Again(reason) => Self::Again(reason),
        }
    }
}

/// A bare repository on this machine.
pub struct Record {
    repository: Repository,
    staging: Staging,
}

/// How an attempt ended.
#[derive(PartialEq)]
pub(super) enum Attempt {
    Over,
    /// Something moved meanwhile: those without a verdict are built anew.
    Again,
}

impl Record {
    /// Opens a repository and clears what dead processes left in it.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open(path: &Path) -> Result<Self, String> {
        let repository = Repository::open_bare(path).map_err(|error| error.message().to_owned())?;
        let staging = Staging::open(repository.path()).map_err(|error| error.to_string())?;
        Ok(Self { repository, staging })
    }

    /// Carries out orders on one branch, in order as far as they can be; a verdict for each.
    pub fn land(&self, branch: &str, orders: &[Order], steps: &Steps) -> Vec<Verdict> {
        settled(orders, MOST_BUILDS, |verdicts| self.attempt(branch, orders, verdicts, steps))
    }

    fn attempt(
        &self,
        branch: &str,
        orders: &[Order],
        verdicts: &mut [Option<Verdict>],
        steps: &Steps,
    ) -> Result<Attempt, Stop> {
        let (name, branch) = (branch, &*named(branch)?);
        let head = target(&self.repository, branch)?;
        steps.reached(LOOKED);
        let pending: Vec<(usize, &Order, Option<Oid>)> = pending(orders, verdicts)
            .map(|(index, order)| Ok((index, order, target(&self.repository, &intent_ref(&order.key))?)))
            .collect::<Result<_, Stop>>()?;
        let deadline = pending.iter().map(|(_, order, _)| order.deadline).min_by_key(|at| at.remaining());
        let Some(deadline) = deadline else { return Ok(Attempt::Over) };
        let chain = chain(&self.repository, head, branch, &pending)?;
        steps.reached(BUILT);
        self.make_durable(branch, &chain, orders)?;
        steps.reached(DURABLE);
        if !chain.needs_lock() {
            chain.settle(verdicts);
            return Ok(Attempt::Over);
        }
        if self.staging.lock(branch, deadline)? == Locking::Held {
            return Err(Stop::Later(format!("somebody else holds the lock of {name} ({branch}.lock)")));
        }
        let attempt = self.under_lock(branch, &chain, orders, verdicts, steps);
        // Moved, the lock is gone; else it must not stay.
        self.staging.clear(branch)?;
        attempt
    }

    /// Makes everything durable that the references are about to name, and the references' new values.
    fn make_durable(&self, branch: &str, chain: &Chain, orders: &[Order]) -> Result<(), Stop> {
        let mut staged = Vec::new();
        if chain.needs_lock() {
            staged.push(self.staging.stage(branch, chain.tip.unwrap_or(Oid::ZERO_SHA1))?);
        }
        for (built, order) in chain.orders(orders) {
            staged.push(self.staging.stage(&intent_ref(&order.key), built.commit)?);
        }
        if chain.has_found() {
            // An earlier attempt may have died between moving the branch and syncing it.
            staged.extend([self.repository.path().join(branch), self.staging.folder_of(branch)]);
        }
        Ok(durable::objects(self.repository.path(), &chain.written, staged)?)
    }

    fn under_lock(
        &self,
        branch: &str,
        chain: &Chain,
        orders: &[Order],
        verdicts: &mut [Option<Verdict>],
        steps: &Steps,
    ) -> Result<Attempt, Stop> {
        if target(&self.repository, branch)? != chain.head {
            return Ok(Attempt::Again);
        }
        steps.reached(LOCKED);
        if chain.built.is_empty() {
            chain.settle(verdicts);
            return Ok(Attempt::Over);
        }
        self.move_intents(chain, orders)?;
        steps.reached(INTENT);
        if !all_may_act(chain, orders, verdicts) {
            return Ok(Attempt::Again);
        }
        steps.reached(ASKED);
        let unclear = |error: io::Error| Stop::Again(format!("moving {branch} failed: {error}"));
        self.staging.rename(branch).map_err(unclear)?;
        steps.reached(MOVED);
        durable::folders(BTreeSet::from([self.staging.folder_of(branch)])).map_err(unclear)?;
        steps.reached(DONE);
        chain.settle(verdicts);
        Ok(Attempt::Over)
    }

    /// Moves the references of the intents. Nobody else moves them: that takes the branch's lock.
    fn move_intents(&self, chain: &Chain, orders: &[Order]) -> Result<(), Stop> {
        let mut folders = BTreeSet::new();
        for (_, order) in chain.orders(orders) {
            let reference = intent_ref(&order.key);
            if self.staging.lock(&reference, order.deadline)? == Locking::Held {
                return Err(Stop::Later(format!("somebody else holds {reference}.lock in the repository")));
            }
            self.staging.rename(&reference)?;
            folders.insert(self.staging.folder_of(&reference));
        }
        Ok(durable::folders(folders)?)
    }
}

/// Attempts until every order has a verdict, a bounded number of them.
pub(super) fn settled(
    orders: &[Order],
    most: u32,
    mut attempt: impl FnMut(&mut [Option<Verdict>]) -> Result<Attempt, Stop>,
) -> Vec<Verdict> {
    let mut verdicts: Vec<Option<Verdict>> = orders.iter().map(|_| None).collect();
    let mut rest = Verdict::Later("the branch kept moving while the commit was built".to_owned());
    for _ in 0..most {
        match attempt(&mut verdicts) {
            Ok(Attempt::Again) => {}
            Ok(Attempt::Over) => break,
            Err(stop) => {
                rest = stop.into();
                break;
            }
        }
    }
    verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| rest.clone())).collect()
}

/// The orders that have no verdict yet, with their places.
pub(super) fn pending<'o>(
    orders: &'o [Order],
    verdicts: &[Option<Verdict>],
) -> impl Iterator<Item = (usize, &'o Order)> {
    orders.iter().enumerate().zip(verdicts).filter(|(_, verdict)| verdict.is_none()).map(|(order, _)| order)
}

/// Asks every order that was built whether it is still to be carried out; those that are not are put off.
pub(super) fn all_may_act(chain: &Chain, orders: &[Order], verdicts: &mut [Option<Verdict>]) -> bool {
    let asked: Vec<(&Built, &Order, _)> =
        chain.orders(orders).map(|(built, order)| (built, order, order.claim.ask())).collect();
    let mut all = true;
    for (built, order, answer) in asked {
        let wait: Duration = order.deadline.at_most_ms(ASK_MS).remaining();
        let may_act = answer.recv_timeout(wait).unwrap_or(false) && !order.deadline.has_passed();
        if !may_act {
            all = false;
            let put_off = Verdict::Later("this attempt may no longer act, or nobody could say so".to_owned());
            if let Some(verdict) = verdicts.get_mut(built.index) {
                *verdict = Some(put_off);
            }
        }
    }
    all
}

/// Name of a branch's reference.
pub(super) fn named(branch: &str) -> Result<String, Stop> {
    let reference = format!("refs/heads/{branch}");
    if git2::Reference::is_valid_name(&reference) && !branch.starts_with('-') && branch != "HEAD" {
        return Ok(reference);
    }
    let message = format!("{branch:?} is no name for a branch");
    Err(Stop::Refused(vec![Detail { at: "/effect/branch".to_owned(), message }]))
}

/// Name of an intent's reference.
pub(super) fn intent_ref(key: &str) -> String {
    format!("{INTENT_REFS}{key}")
}

/// The commit that a reference stands at, if there is one.
pub(super) fn target(repository: &Repository, reference: &str) -> Result<Option<Oid>, Stop> {
    match repository.find_reference(reference) {
        Ok(found) if found.kind() == Some(ReferenceType::Symbolic) => {
            let message = format!("{reference} is a symbolic reference; name the branch that it stands for");
            Err(Stop::Refused(vec![Detail { at: "/effect/branch".to_owned(), message }]))
        }
        Ok(found) => Ok(found.target()),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
