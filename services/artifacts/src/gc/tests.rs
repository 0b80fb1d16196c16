//! A put, or a naming, against a sweep: every order of their steps, one by one.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use object_store::{
    memory::InMemory,
    throttle::{ThrottleConfig, ThrottledStore},
};
use selvedge_contracts::{
    id::Digest,
    payload::artifact::{Gc, GcReport},
};
use selvedge_kit::{clock::now_ms, service::Answer};

use super::{
    Keeps, run,
    sweep::{Sweep, Unnamed},
};
use crate::{
    fixture::digest,
    store::{Store, sweep_name},
};

const CONTENT: &str = "content";
/// Moments of a sweep at which somebody else may act: before it looks; between its look at a pin and what
/// follows from it; before it moves content aside; before it settles; between its second look at the pin
/// and the deletion; after it.
const MOMENTS: usize = 6;

/// Somebody who relies on the content being there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Actor {
    /// Puts it: pin, test, write if it is not there.
    Putter,
    /// Names what lies there: pin, test, name if it is there.
    Namer,
}

struct World {
    store: Store,
    actor: Actor,
    /// At which moment each of the actor's three steps happens.
    schedule: [usize; 3],
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    pinned: HashSet<Digest>,
    named: HashSet<Digest>,
    steps: usize,
    looks: usize,
    is_there: bool,
}

impl World {
    /// The actor does all that it does up to this moment.
    async fn at(&self, moment: usize) {
        loop {
            let step = {
                let mut seen = self.seen.lock().unwrap();
                if self.schedule.get(seen.steps).is_none_or(|at| *at > moment) {
                    return;
                }
                seen.steps += 1;
                seen.steps
            };
            self.act(step).await;
        }
    }

    async fn act(&self, step: usize) {
        let content = digest(CONTENT);
        match (step, self.actor) {
            (1, _) => {
                self.seen.lock().unwrap().pinned.insert(content);
            }
            (2, Actor::Putter) => {
                let is_there = self.store.is_sound(&content).await.unwrap();
                self.seen.lock().unwrap().is_there = is_there;
            }
            (2, Actor::Namer) => {
                let is_there = self.store.size(&content).await.unwrap().is_some()
                    || self.store.recover(&content).await.unwrap();
                self.seen.lock().unwrap().is_there = is_there;
            }
            (_, Actor::Putter) => {
                if !self.seen.lock().unwrap().is_there {
                    self.store.put_whole(&content, Bytes::from(CONTENT)).await.unwrap();
                }
            }
            (_, Actor::Namer) => {
                let mut seen = self.seen.lock().unwrap();
                if seen.is_there {
                    seen.named.insert(content);
                }
            }
        }
    }
}

impl Keeps for &World {
    async fn is_up_to_date(&self) -> Answer<()> {
        Ok(())
    }

    fn is_named(&self, digest: &Digest) -> bool {
        self.seen.lock().unwrap().named.contains(digest)
    }

    async fn is_pinned(&self, digest: &Digest) -> Answer<bool> {
        let (answer, moment) = {
            let mut seen = self.seen.lock().unwrap();
            seen.looks += 1;
            (seen.pinned.contains(digest), if seen.looks == 1 { 1 } else { 4 })
        };
        // What happens after the look, and before what follows from it.
        self.at(moment).await;
        Ok(answer)
    }
}

/// Runs one order of steps; answers whether the sweep removed the content.
async fn race(actor: Actor, schedule: [usize; 3]) -> bool {
    let store = Store::over(Arc::new(InMemory::new()), 1 << 20);
    store.put_whole(&digest(CONTENT), Bytes::from(CONTENT)).await.unwrap();
    let world = World { store: store.clone(), actor, schedule, seen: Mutex::default() };
    // Content written in this very millisecond is old enough.
    let sweep = Sweep::new(&store, &world, now_ms() + 1_000, 0, 7);
    let mut report = GcReport::default();
    world.at(0).await;
    let unnamed = sweep.look(None, &mut report).await.unwrap();
    world.at(2).await;
    let retired = sweep.retire(&unnamed).await.unwrap();
    world.at(3).await;
    sweep.settle(&retired, &mut report).await.unwrap();
    world.at(MOMENTS).await;

    let is_relied_on = {
        let seen = world.seen.lock().unwrap();
        assert_eq!(seen.steps, 3);
        actor == Actor::Putter || seen.named.contains(&digest(CONTENT))
    };
    let is_there = store.is_sound(&digest(CONTENT)).await.unwrap();
    assert!(is_there || !is_relied_on, "{actor:?} {schedule:?}: relied on, and gone");
    let left = store.unsettled(u64::MAX).await.unwrap();
    assert_eq!(left, [], "{actor:?} {schedule:?}: the sweep settled everything");
    !report.removed.is_empty()
}

#[tokio::test]
async fn no_order_of_steps_loses_what_somebody_relies_on() {
    let (mut orders, mut removed) = (0, 0);
    for actor in [Actor::Putter, Actor::Namer] {
        for pin in 0..MOMENTS {
            for test in pin..MOMENTS {
                for last in test..MOMENTS {
                    orders += 1;
                    removed += usize::from(race(actor, [pin, test, last]).await);
                }
            }
        }
    }
    assert_eq!(orders, 112);
    // Those in which the pin comes after the second look: the putter then finds nothing and writes anew.
    assert_eq!(removed, 8);
}

#[tokio::test]
async fn a_sweep_that_sleeps_deletes_only_what_it_moved_aside_itself() {
    let store = Store::over(Arc::new(InMemory::new()), 1 << 20);
    let content = digest(CONTENT);
    let put = async || store.put_whole(&content, Bytes::from(CONTENT)).await.unwrap();
    let nobody = World {
        store: store.clone(),
        actor: Actor::Putter,
        schedule: [usize::MAX; 3],
        seen: Mutex::default(),
    };
    put().await;
    let (slow, quick) = (Sweep::new(&store, &nobody, 5, 0, 1), Sweep::new(&store, &nobody, 6, 0, 2));
    let unnamed = [Unnamed::new(content.clone(), 7)];
    let by_slow = slow.retire(&unnamed).await.unwrap();
    put().await;
    let by_quick = quick.retire(&unnamed).await.unwrap();
    slow.settle(&by_slow, &mut GcReport::default()).await.unwrap();
    nobody.seen.lock().unwrap().named.insert(content.clone());
    quick.settle(&by_quick, &mut GcReport::default()).await.unwrap();
    assert!(store.is_sound(&content).await.unwrap(), "named before the second sweep settled");
}

/// A sweep of a bucket that sleeps between copying and deleting will delete the original when it wakes.
#[tokio::test]
async fn a_copy_aside_stays_as_long_as_its_sweep_may_wake_and_delete_the_original() {
    let store = Store::over(Arc::new(InMemory::new()), 1 << 20);
    let content = digest(CONTENT);
    let nobody = World {
        store: store.clone(),
        actor: Actor::Putter,
        schedule: [usize::MAX; 3],
        seen: Mutex::default(),
    };
    let (minute, day) = (60_000, 86_400_000);
    let aside = async |ago_ms: u64| {
        store.put_whole(&content, Bytes::from(CONTENT)).await.unwrap();
        let sweep = sweep_name(now_ms() - ago_ms, ago_ms);
        store.retire(&content, 7, &sweep).await.unwrap().unwrap();
    };
    let copies = async || store.unsettled(now_ms()).await.unwrap().len();
    aside(20 * minute).await;
    aside(8 * day).await;
    let tidy = async || Sweep::new(&store, &nobody, 7, 0, 3).tidy(&mut GcReport::default()).await.unwrap();
    store.put_whole(&content, Bytes::from(CONTENT)).await.unwrap();
    tidy().await;
    assert_eq!(copies().await, 1, "the one of a week ago goes, beside the original the other stays");
    store.retire(&content, 7, &sweep_name(now_ms(), 4)).await.unwrap().unwrap();
    tidy().await;
    assert_eq!(copies().await, 1, "without the original the old copy goes, the new one is not settled yet");
}

fn nobody(store: &Store) -> World {
    World { store: store.clone(), actor: Actor::Putter, schedule: [usize::MAX; 3], seen: Mutex::default() }
}

/// Calls until there is no more; answers with all that was removed, and how long the longest call took.
async fn swept(store: &Store, world: &World) -> (Vec<Digest>, GcReport, Duration) {
    let (mut removed, mut all, mut longest) = (Vec::new(), GcReport::default(), Duration::ZERO);
    for number in 0..1_000 {
        let began = tokio::time::Instant::now();
        let sweep = Sweep::new(store, world, now_ms() + 1_000, 0, number);
        let report = run(&sweep, &Gc { dry_run: false, after: all.next.take() }).await.unwrap();
        longest = longest.max(began.elapsed());
        removed.extend(report.removed.iter().map(|removed| removed.digest.clone()));
        all = GcReport { named: all.named + report.named, kept: all.kept + report.kept, ..report };
        if all.next.is_none() {
            return (removed, all, longest);
        }
    }
    panic!("it never ends: {all:?}");
}

/// A client sends a call again after five seconds.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn a_sweep_gets_to_content_that_a_slow_store_takes_long_to_list() {
    let slow = ThrottleConfig { wait_list_per_call: Duration::from_millis(30), ..ThrottleConfig::default() };
    let store = Store::over(Arc::new(ThrottledStore::new(InMemory::new(), slow)), 1 << 20);
    let last = Digest::new(&"f".repeat(64)).unwrap();
    store.put_whole(&last, Bytes::from(CONTENT)).await.unwrap();
    let (removed, _, longest) = swept(&store, &nobody(&store)).await;
    assert_eq!(removed, [last], "all shards before it took longer than one call");
    assert!(longest < PATIENCE, "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn no_call_takes_long_however_much_a_slow_store_has_to_lose() {
    let (pause, memory) = (Duration::from_millis(40), InMemory::new());
    let slow = ThrottleConfig {
        wait_delete_per_call: pause,
        wait_get_per_call: pause,
        wait_put_per_call: pause,
        ..ThrottleConfig::default()
    };
    let store = Store::over(Arc::new(ThrottledStore::new(memory, slow)), 1 << 20);
    let world = nobody(&store);
    let digests: Vec<_> = (0..1_000).map(|number| digest(&number.to_string())).collect();
    for (number, digest) in digests.iter().enumerate() {
        store.put_whole(digest, Bytes::from(number.to_string())).await.unwrap();
    }
    let named: Vec<_> = digests.iter().step_by(10).cloned().collect();
    world.seen.lock().unwrap().named.extend(named.iter().cloned());
    let (mut removed, report, longest) = swept(&store, &world).await;
    assert!(longest < PATIENCE, "{longest:?}");
    assert_eq!((removed.len(), report.named, report.kept), (900, 100, 0), "each is counted once");
    removed.sort_unstable();
    removed.dedup();
    assert!(removed.len() == 900 && named.iter().all(|named| removed.binary_search(named).is_err()));
    assert_eq!(store.unsettled(u64::MAX).await.unwrap(), [], "nothing is left aside");
}
