//! Random commands against a model that keeps a list and looks at all of it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use selvedge_contracts::{
    fault::Code,
    payload::{claim::Mode, lease::Renew},
};

use super::*;
use crate::{automaton::Effort, decision::Expired};

/// What a request may claim.
fn universe() -> Vec<Claim> {
    vec![
        Claim::path("a"),
        Claim::path("a/b"),
        Claim::file("a/b"),
        Claim::file("a/c"),
        Claim::file("a/f.x"),
        Claim::glob("a/*"),
        Claim::glob("*.x"),
        Claim::files("*.x"),
        Claim::files("a/*.x"),
        Claim::path("a").with_mode(Mode::Shared),
        Claim::glob("a/**").with_mode(Mode::Shared),
        resource("r"),
        resource("r").with_mode(Mode::Shared),
        slots("gpu", 1),
        slots("gpu", 2),
        slots("tpu", 1),
    ]
}

#[derive(Debug, Clone)]
enum Command {
    Acquire {
        name: u8,
        holder: u8,
        claims: Vec<usize>,
        wait_ms: u64,
    },
    Release {
        name: u8,
    },
    Renew {
        name: u8,
    },
    Remove {
        name: u8,
    },
    EndSession {
        holder: u8,
    },
    SetPool {
        tpu: bool,
        slots: u32,
    },
    Advance {
        ms: u64,
    },
    /// Acknowledge all writes on their way.
    Store,
    /// The server's marker of a key, whether due or not.
    Marker {
        name: u8,
    },
    /// Another replica takes the space over.
    TakeOver,
}

fn command() -> impl Strategy<Value = Command> {
    let claims = prop::collection::vec(0..universe().len(), 1..4);
    let wait_ms = prop_oneof![Just(0_u64), Just(3_000), Just(60_000)];
    prop_oneof![
        8 => (0..24_u8, 0..5_u8, claims, wait_ms)
            .prop_map(|(name, holder, claims, wait_ms)| Command::Acquire { name, holder, claims, wait_ms }),
        5 => (0..24_u8).prop_map(|name| Command::Release { name }),
        2 => (0..24_u8).prop_map(|name| Command::Renew { name }),
        1 => (0..24_u8).prop_map(|name| Command::Remove { name }),
        1 => (0..5_u8).prop_map(|holder| Command::EndSession { holder }),
        1 => (any::<bool>(), 0..4_u32).prop_map(|(tpu, slots)| Command::SetPool { tpu, slots }),
        2 => (1..6_000_u64).prop_map(|ms| Command::Advance { ms }),
        3 => Just(Command::Store),
        2 => (0..24_u8).prop_map(|name| Command::Marker { name }),
        1 => Just(Command::TakeOver),
    ]
}

/// The whole truth, as a list in order of arrival.
#[derive(Debug, Default)]
struct Model {
    leases: Vec<(LeaseId, Known)>,
    pools: BTreeMap<PoolName, u64>,
}

#[derive(Debug, Clone)]
struct Known {
    holder: Caller,
    claims: Vec<Claim>,
    is_held: bool,
    expires_at_ms: u64,
}

fn clash(one: &[Claim], other: &[Claim]) -> bool {
    let covers = |claims: &[Claim]| claims.iter().map(|claim| Cover::of(claim).unwrap()).collect::<Vec<_>>();
    let (one, other) = (covers(one), covers(other));
    one.iter().any(|one| other.iter().any(|other| one.clashes(other, &mut Effort::new())))
}

impl Model {
    fn at(&self, id: &LeaseId) -> Option<usize> {
        self.leases.iter().position(|(known, _)| known == id)
    }

    /// Whether what is claimed by somebody at this place in the order of arrival is free.
    fn is_free(&self, claims: &[Claim], place: usize) -> bool {
        let others: Vec<&Known> = (0..)
            .zip(&self.leases)
            .filter(|(at, (_, known))| *at != place && (known.is_held || *at < place))
            .map(|(_, (_, known))| known)
            .collect();
        let is_clear = others.iter().all(|known| !clash(&known.claims, claims));
        let fits = slots_of(claims).into_iter().all(|(pool, wanted)| {
            let taken = others.iter().map(|known| slots_of(&known.claims).get(&pool).copied().unwrap_or(0));
            taken.sum::<u64>() + wanted <= self.pools.get(&pool).copied().unwrap_or(0)
        });
        is_clear && fits
    }

    fn remove(&mut self, now_ms: u64, goes: impl Fn(&LeaseId, &Known) -> bool) {
        self.leases.retain(|(id, known)| !goes(id, known));
        self.settle(now_ms);
    }

    fn settle(&mut self, now_ms: u64) {
        for at in 0..self.leases.len() {
            let (_, known) = &self.leases[at];
            if !known.is_held && self.is_free(&known.claims, at) {
                let (_, known) = &mut self.leases[at];
                known.is_held = true;
                known.expires_at_ms = now_ms + 10_000;
            }
        }
    }
}

/// A space, the bucket that its writes go to, and the model.
struct Run {
    space: Space,
    model: Model,
    now_ms: u64,
    revision: u64,
    on_the_way: Vec<Write>,
    bucket: BTreeMap<LeaseId, (Lease, u64)>,
    pools: BTreeMap<PoolName, (Pool, u64)>,
    tokens: Vec<u64>,
}

impl Run {
    fn new() -> Self {
        let mut run = Self {
            space: Space::new(Limits::default()),
            model: Model::default(),
            now_ms: NOW_MS,
            revision: 0,
            on_the_way: Vec::new(),
            bucket: BTreeMap::new(),
            pools: BTreeMap::new(),
            tokens: Vec::new(),
        };
        run.set_pool("gpu", 3);
        run.set_pool("tpu", 1);
        run
    }

    fn set_pool(&mut self, name: &str, slots: u32) {
        let pool = pool(name, slots);
        let decision = self.space.set_pool(pool.clone(), None, self.now_ms).unwrap();
        self.on_the_way.extend(decision.writes);
        self.model.pools.insert(pool.name.clone(), u64::from(slots));
        let is_impossible = |known: &Known| {
            !known.is_held
                && slots_of(&known.claims).get(&pool.name).is_some_and(|wanted| *wanted > u64::from(slots))
        };
        self.model.remove(self.now_ms, |_, known| is_impossible(known));
    }

    fn step(&mut self, command: &Command) {
        let id = |name: u8| lease_id(&name.to_string());
        match command {
            Command::Acquire { name, holder, claims, wait_ms } => {
                self.acquire(*name, *holder, claims, *wait_ms)
            }
            Command::Release { name } => {
                let Some(lease) = self.space.lease(&id(*name)) else { return };
                let decision = self.space.release(&id(*name), &lease.holder, self.now_ms).unwrap();
                self.on_the_way.extend(decision.writes);
                self.model.remove(self.now_ms, |known, _| *known == id(*name));
            }
            Command::Renew { name } => self.renew(&id(*name)),
            Command::Remove { name } => {
                self.on_the_way.extend(self.space.remove(&id(*name), Removal::Forced, self.now_ms));
                self.model.remove(self.now_ms, |known, _| *known == id(*name));
            }
            Command::EndSession { holder } => {
                let session = ScopeId::new(&format!("session_{holder}")).unwrap();
                self.on_the_way.extend(self.space.end_session(&session, self.now_ms));
                let holder = agent(&holder.to_string());
                self.model.remove(self.now_ms, |_, known| known.holder == holder);
            }
            Command::SetPool { tpu, slots } => self.set_pool(if *tpu { "tpu" } else { "gpu" }, *slots),
            Command::Advance { ms } => {
                self.now_ms += ms;
                self.on_the_way.extend(self.space.sweep(self.now_ms));
                let now_ms = self.now_ms;
                self.model.remove(now_ms, |_, known| !known.is_held && known.expires_at_ms <= now_ms);
            }
            Command::Store => self.store(),
            Command::Marker { name } => self.marker(&id(*name)),
            Command::TakeOver => self.take_over(),
        }
    }

    fn acquire(&mut self, name: u8, holder: u8, claims: &[usize], wait_ms: u64) {
        let universe = universe();
        let claims: Vec<Claim> = claims.iter().map(|at| universe[*at].clone()).collect();
        let want = want(&name.to_string(), &holder.to_string(), &claims, wait_ms);
        let found = self.space.acquire(&want, self.now_ms);
        if let Some(at) = self.model.at(&want.id) {
            let (_, known) = &self.model.leases[at];
            match found {
                Ok(Decision { outcome: Acquired::Held(lease), writes }) => {
                    assert!(known.is_held && lease.claims == claims && writes.is_empty(), "{lease:?}");
                }
                Ok(Decision { outcome: Acquired::Waiting(lease, _), writes }) => {
                    assert!(!known.is_held && lease.claims == claims && writes.is_empty(), "{lease:?}");
                }
                Err(fault) if known.claims == claims && known.holder == want.holder => {
                    assert_eq!(fault.code, Code::Busy, "{fault}");
                    assert!(known.expires_at_ms <= self.now_ms);
                }
                Err(fault) => assert_eq!(fault.code, Code::Conflict, "{fault}"),
            }
            return;
        }
        let possible = slots_of(&claims).iter().all(|(pool, wanted)| *wanted <= self.model.pools[pool]);
        let is_free = self.model.is_free(&claims, self.model.leases.len());
        match found {
            Err(fault) if !possible => assert_eq!(fault.code, Code::Invalid, "{fault}"),
            Err(fault) => {
                assert!(!is_free && wait_ms == 0, "{fault}");
                assert_eq!(fault.code, Code::Conflict);
                assert!(!fault.details.is_empty(), "a refusal names who is in the way: {fault}");
            }
            Ok(Decision { outcome, writes }) => {
                let is_held = matches!(outcome, Acquired::Held(_));
                assert_eq!(is_held, is_free, "{claims:?}");
                if let Acquired::Waiting(_, blockers) = outcome {
                    assert!(!blockers.is_empty(), "who waits is told for whom");
                }
                self.on_the_way.extend(writes);
                let expires_at_ms = self.now_ms + if is_held { 10_000 } else { wait_ms };
                self.model
                    .leases
                    .push((want.id, Known { holder: want.holder, claims, is_held, expires_at_ms }));
            }
        }
    }

    fn renew(&mut self, id: &LeaseId) {
        let Some(lease) = self.space.lease(id) else { return };
        let token = lease.token.unwrap_or(0);
        let renew = Renew { space: lease.space.clone(), lease: id.clone(), token, ttl_ms: None };
        let found = self.space.renew(&renew, &lease.holder, self.now_ms);
        let may = lease.is_held() && lease.token.is_some() && self.now_ms < lease.expires_at_ms;
        assert_eq!(found.is_ok(), may, "{found:?}");
        if let Ok(decision) = found {
            assert_eq!(decision.outcome.token, Some(token), "a renewal keeps the token");
            self.on_the_way.extend(decision.writes);
            let at = self.model.at(id).unwrap();
            self.model.leases[at].1.expires_at_ms = self.now_ms + 10_000;
        }
    }

    /// Acknowledges what is on its way, in order.
    fn store(&mut self) {
        while !self.on_the_way.is_empty() {
            for write in std::mem::take(&mut self.on_the_way) {
                self.revision += 1;
                match write {
                    Write::Put(lease) => {
                        if lease.is_held() && lease.token.is_none() {
                            assert!(self.tokens.iter().all(|token| *token < self.revision), "tokens rise");
                            self.tokens.push(self.revision);
                        }
                        self.bucket.insert(lease.id.clone(), (lease.as_ref().clone(), self.revision));
                        let (_, more) = self.space.stored(&lease, self.revision, self.now_ms);
                        self.on_the_way.extend(more);
                        if self.space.lease(&lease.id).is_none() {
                            self.model.remove(self.now_ms, |known, _| *known == lease.id);
                        }
                    }
                    Write::Remove(lease, _) => {
                        self.bucket.remove(&lease.id);
                    }
                    Write::PutPool(pool) => {
                        self.pools.insert(pool.name.clone(), (pool.as_ref().clone(), self.revision));
                    }
                }
            }
        }
        let of_space: Vec<_> = self.space.leases(None).map(|lease| (lease.id.clone(), lease.state)).collect();
        let of_bucket: Vec<_> =
            self.bucket.iter().map(|(id, (lease, _))| (id.clone(), lease.state)).collect();
        assert_eq!(of_space, of_bucket, "the bucket says what the space says");
    }

    fn marker(&mut self, id: &LeaseId) {
        // As the server does it: only a record that is there is erased.
        if self.bucket.remove(id).is_none() {
            return;
        }
        self.revision += 1;
        let was = self.space.lease(id);
        match self.space.expired(id, self.revision, self.now_ms) {
            Expired::Stale => assert_eq!(was, None),
            Expired::Undecided => {}
            Expired::WriteAgain(writes) => {
                assert!(was.is_some_and(|was| was.expires_at_ms > self.now_ms));
                self.on_the_way.extend(writes);
            }
            Expired::Freed(writes) => {
                assert!(was.is_some_and(|was| was.expires_at_ms <= self.now_ms));
                self.on_the_way.extend(writes);
                self.model.remove(self.now_ms, |known, _| known == id);
            }
        }
    }

    fn take_over(&mut self) {
        self.store();
        let tokens: Vec<_> = self.space.leases(None).map(|lease| lease.token).collect();
        self.space = Space::new(Limits::default());
        for (pool, revision) in self.pools.values() {
            self.space.load_pool(pool.clone(), *revision);
        }
        for (lease, revision) in self.bucket.values() {
            self.space.load(lease.clone(), *revision);
        }
        assert_eq!(self.space.settle(self.now_ms), [], "the last owner left nothing ungranted");
        assert_eq!(self.space.leases(None).map(|lease| lease.token).collect::<Vec<_>>(), tokens);
    }

    fn check(&self) {
        let found: BTreeMap<_, _> = self
            .space
            .leases(None)
            .map(|lease| (lease.id.clone(), (lease.is_held(), lease.expires_at_ms)))
            .collect();
        let expected: BTreeMap<_, _> = self
            .model
            .leases
            .iter()
            .map(|(id, known)| (id.clone(), (known.is_held, known.expires_at_ms)))
            .collect();
        assert_eq!(found, expected, "space and model differ");
        let held: Vec<_> = self.model.leases.iter().filter(|(_, known)| known.is_held).collect();
        for (index, (id, known)) in held.iter().enumerate() {
            for (other_id, other) in &held[index + 1..] {
                assert!(!clash(&known.claims, &other.claims), "{id} and {other_id} are both held");
            }
        }
        let waiting = self.space.leases(None).filter(|lease| !lease.is_held()).count();
        assert_eq!(self.space.waiters(), waiting);
        assert_eq!(self.space.deadlines.len(), waiting);
        let watching = self.space.entries.values().filter(|entry| entry.watch.is_some()).count();
        assert_eq!(watching, waiting, "whoever waits watches something");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_space_does_what_a_look_at_everything_would_do(commands in prop::collection::vec(command(), 1..80)) {
        let mut run = Run::new();
        for command in &commands {
            run.step(command);
            run.check();
        }
        run.store();
        run.check();
    }
}
