//! One client of a run: takes leases, writes under them, gives them back, forgets them, falls asleep.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::{LeaseId, Token},
    payload::{
        claim::{Claim, Mode},
        lease::{Acquire, Lease, LeaseList, LeaseState, Standing},
    },
};
use selvedge_tests::wait;

use super::record::{Covered, History, What};
use crate::scene::{Worker, space};

/// Paths that the clients of a run fight for.
pub(super) const PATHS: usize = 4;
/// Life of a lease: short, so that some run out.
const TTL_MS: u64 = 1_500;
/// Longest wait in the queue.
const WAIT_MS: u64 = 6_000;
/// Longest that a client asks for one thing, whatever happens meanwhile.
const PERSISTENCE: Duration = Duration::from_secs(40);

/// What all clients of a run share.
pub(super) struct Shared {
    pub(super) history: History,
    pub(super) stop: AtomicBool,
    /// Highest token that a writer of each path has seen: it takes no lower one.
    fences: Mutex<HashMap<usize, u64>>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { history: History::new(), stop: AtomicBool::new(false), fences: Mutex::default() }
    }

    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A write to what the lease protects, by somebody who only compares tokens.
    fn write(&self, path: usize, token: u64) -> bool {
        let mut fences = self.fences.lock().unwrap_or_else(PoisonError::into_inner);
        let highest = fences.entry(path).or_default();
        let is_taken = token >= *highest;
        *highest = token.max(*highest);
        is_taken
    }
}

/// A client, and what it does next.
pub(super) struct Client {
    pub(super) worker: Worker,
    pub(super) shared: Arc<Shared>,
    pub(super) name: String,
    pub(super) random: StdRng,
}

impl Client {
    pub(super) fn new(worker: Worker, shared: Arc<Shared>, index: u64, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed ^ (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { worker, shared, name: format!("c{index}"), random }
    }

    /// Works until the run is over.
    pub(super) async fn work(mut self) {
        let mut turn = 0;
        while !self.shared.is_over() {
            let (covered, claims) = self.pick();
            let key = format!("{}-{turn}", self.name);
            if let Some(lease) = self.acquire(&key, &covered, claims).await {
                self.use_up(&lease, &covered).await;
            }
            turn += 1;
        }
    }

    fn pick(&mut self) -> (Covered, Vec<Claim>) {
        let path = |path: usize, mode| Claim::Path { path: format!("p{path}"), mode };
        let one = self.random.random_range(0..PATHS);
        match self.random.random_range(0..100) {
            0..70 => (covered(vec![one], false), vec![path(one, Mode::Exclusive)]),
            70..85 => {
                let other = (one + 1) % PATHS;
                let claims = vec![path(one, Mode::Exclusive), path(other, Mode::Exclusive)];
                (covered(vec![one, other], false), claims)
            }
            85..95 => (covered(vec![one], true), vec![path(one, Mode::Shared)]),
            _ => {
                let all = Claim::Glob { glob: "p*".to_owned(), mode: Mode::Exclusive };
                (covered((0..PATHS).collect(), false), vec![all])
            }
        }
    }

    /// Asks until the lease is held or refused, always under the same key.
    async fn acquire(&self, key: &str, covered: &Covered, claims: Vec<Claim>) -> Option<Lease> {
        let request = Acquire {
            space: space(),
            claims,
            purpose: "history".to_owned(),
            ttl_ms: Some(TTL_MS),
            wait_ms: Some(WAIT_MS),
        };
        let history = &self.shared.history;
        let first_asked = history.now();
        wait::until_within(PERSISTENCE, "an answer to an acquire", async || {
            let asked = history.now();
            match self.worker.keyed_within(key, &request, 5_000).await {
                Ok(reply) if reply.lease.state == LeaseState::Held => {
                    let token = reply.lease.token.ok_or("held without a token")?;
                    let covered = covered.clone();
                    let (ttl_ms, order) = (reply.lease.ttl_ms, reply.lease.order);
                    history.note(
                        &reply.lease.id,
                        asked,
                        What::Granted { covered, token, ttl_ms, first_asked, order },
                    );
                    Ok(Some(reply.lease))
                }
                Ok(reply) => {
                    history.note(&reply.lease.id, asked, waiting(history, &reply.lease));
                    Err("it waits")
                }
                Err(fault) if passes(&fault) => Err("a fault that passes"),
                Err(fault) => {
                    assert_eq!(fault.code, Code::Conflict, "{fault}");
                    for lease in named_in(&fault) {
                        history.note(&lease, first_asked, What::InTheWay);
                    }
                    Ok(None)
                }
            }
        })
        .await
    }

    async fn use_up(&mut self, lease: &Lease, covered: &Covered) {
        for _ in 0..self.random.random_range(1..4) {
            self.check_and_write(lease, covered).await;
            if self.random.random_bool(0.3) {
                self.renew(lease).await;
            }
        }
        match self.random.random_range(0..100) {
            0..5 => {} // forgotten: it runs out
            5..12 => self.sleep_through(lease, covered).await,
            _ => self.release(lease).await,
        }
    }

    /// What a stopped process does: nothing until its lease is gone, and then it goes on as if it were not.
    async fn sleep_through(&self, lease: &Lease, covered: &Covered) {
        wait::until_within(PERSISTENCE, "the lease to run out", async || match self.check(lease).await {
            Some(Standing::Valid) | None => Err("it counts, or nobody answers"),
            Some(_) => Ok(()),
        })
        .await;
        self.write_all(lease, covered);
        self.check_and_write(lease, covered).await;
    }

    async fn check(&self, lease: &Lease) -> Option<Standing> {
        let asked = self.shared.history.now();
        let standing = self.worker.try_standing(lease).await.ok()?;
        let what = if standing == Standing::Valid { What::Valid } else { What::NotValid };
        self.shared.history.note(&lease.id, asked, what);
        Some(standing)
    }

    async fn check_and_write(&self, lease: &Lease, covered: &Covered) {
        if self.check(lease).await == Some(Standing::Valid) {
            self.write_all(lease, covered);
        }
    }

    fn write_all(&self, lease: &Lease, covered: &Covered) {
        let token = lease.token.expect("a held lease has its token");
        for path in covered.paths.iter().filter(|_| !covered.is_shared) {
            let asked = self.shared.history.now();
            if self.shared.write(*path, token) {
                self.shared.history.note(&lease.id, asked, What::Written { path: *path });
            }
        }
    }

    async fn renew(&self, lease: &Lease) {
        let asked = self.shared.history.now();
        if let Ok(renewed) = self.worker.renew(lease, None).await {
            assert_eq!(renewed.token, lease.token, "a renewal keeps the token");
            self.shared.history.note(&lease.id, asked, What::Renewed { ttl_ms: renewed.ttl_ms });
        }
    }

    async fn release(&self, lease: &Lease) {
        wait::until_within(PERSISTENCE, "a release", async || {
            let asked = self.shared.history.now();
            let released = self.worker.release(lease).await;
            released.map(|_| self.shared.history.note(&lease.id, asked, What::Released))
        })
        .await;
    }
}

/// Looks at the queue until the run is over, so that its order is known.
pub(super) async fn watch_the_queue(worker: Worker, shared: Arc<Shared>) {
    const LONGEST_RUN: Duration = Duration::from_secs(86_400);
    let list = LeaseList { space: Some(space()), state: Some(LeaseState::Waiting), ..LeaseList::default() };
    let mut known = HashSet::new();
    wait::until_within(LONGEST_RUN, "the end of the run", async || {
        let asked = shared.history.now();
        let listed = worker.client.call::<call::LeaseList>(&list).await;
        for lease in listed.map(|listed| listed.reply.leases).unwrap_or_default() {
            if known.insert((lease.id.clone(), lease.order)) {
                shared.history.note(&lease.id, asked, waiting(&shared.history, &lease));
            }
        }
        if shared.is_over() { Ok(()) } else { Err("it goes on") }
    })
    .await;
}

/// A request in the queue, and when it gives up.
fn waiting(history: &History, lease: &Lease) -> What {
    let until = history.now() + lease.remaining_ms(selvedge_tests::now_ms()) * 1_000;
    What::Waiting { until, order: lease.order }
}

fn covered(paths: Vec<usize>, is_shared: bool) -> Covered {
    Covered { paths, is_shared }
}

/// Whether asking again can help.
fn passes(fault: &Fault) -> bool {
    fault.is_retryable()
}

/// Leases that a refusal names.
fn named_in(fault: &Fault) -> Vec<LeaseId> {
    let words = fault.details.iter().flat_map(|detail| detail.message.split([' ', ',', '(', ')']));
    words.filter(|word| word.starts_with("lease_")).filter_map(|word| Token::new(word).ok()).collect()
}
