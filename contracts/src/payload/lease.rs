//! Leases: the right to work on paths, named resources and slots of a pool, until a deadline. A space
//! (a repository, or any other place in which names mean one thing) is what a lease stands in.
//!
//! The bucket `leases` holds them, and nothing else does: key `<mission>.<space>.<lease id>` with a
//! [`Lease`], key `<mission>.<space>._pool_<pool>` with a [`Pool`]. The service alone writes there.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{Caller, ClaimToken, LeaseId, Mission, PoolName, ScopeId, SpaceId},
    payload::claim::Claim,
};

/// Shortest life of a lease, in milliseconds.
pub const MIN_LEASE_TTL_MS: u64 = 1_000;
/// Longest life of a lease without a renewal, in milliseconds: 24 hours.
pub const MAX_LEASE_TTL_MS: u64 = 86_400_000;
/// Life of a lease when none is asked for, in milliseconds: one minute.
pub const DEFAULT_LEASE_TTL_MS: u64 = 60_000;
/// Longest wait in a queue, in milliseconds: 24 hours. One call waits no longer than its deadline; the
/// same request, sent again, goes on waiting at its place.
pub const MAX_WAIT_MS: u64 = 86_400_000;
/// Most claims of one request.
pub const MAX_CLAIMS: usize = 256;
/// Longest purpose, in bytes.
pub const MAX_PURPOSE_BYTES: usize = 256;
/// Most tokens of one `leases.check`.
pub const MAX_CHECKED: usize = 256;
/// Most slots of one pool.
pub const MAX_SLOTS: u32 = 1_000_000;
/// Most blockers that a refusal or a waiting lease's reply names.
pub const MAX_BLOCKERS: usize = 16;

/// A lease, or a request that waits for one: a record of the bucket, and entity `lease` of its mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lease {
    /// `lease_…`; derived from who asked and the idempotency key.
    pub id: LeaseId,
    /// Its mission.
    pub mission: Mission,
    /// The space in which its claims stand.
    pub space: SpaceId,
    /// Who holds it or waits for it.
    pub holder: Caller,
    /// The credential's scope; the lease ends with it. Of what a task reserves: its claim.
    pub session: ScopeId,
    /// The task that the credential is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<ScopeId>,
    /// What the holder works on, in its words.
    pub purpose: String,
    /// All that it claims, granted together or not at all.
    pub claims: Vec<Claim>,
    /// Whether it is held or waits.
    pub state: LeaseState,
    /// The fencing token: the stream sequence of the record that made it held, and `token_offset` more. A
    /// held record without one is that very record: [`Lease::token_at`] says its token. A waiting one has
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
    /// What is added to the sequence of the record that makes it held; of one that waits, if it were granted
    /// by whoever wrote it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub token_offset: u64,
    /// Place in the space's order of arrival: nobody later may be granted what conflicts with it.
    pub order: u64,
    /// Unix time since which it is in this state, in milliseconds.
    pub since_ms: u64,
    /// Its life after the grant and after a renewal that asks for no other, in milliseconds.
    pub ttl_ms: u64,
    /// Unix time, in milliseconds, at which it ends unless renewed; while it waits: at which it gives up.
    pub expires_at_ms: u64,
}

impl Lease {
    /// Milliseconds until it ends, or gives up waiting.
    pub fn remaining_ms(&self, now_ms: u64) -> u64 {
        self.expires_at_ms.saturating_sub(now_ms)
    }

    /// Its fencing token, if its record stands at `sequence`; none while it waits.
    pub fn token_at(&self, sequence: u64) -> Option<u64> {
        let granted_here = || sequence.saturating_add(self.token_offset);
        self.is_held().then(|| self.token.unwrap_or_else(granted_here))
    }

    /// Whether it was reserved for the claim of a task: then it ends with that.
    pub fn is_reserved(&self) -> bool {
        ClaimToken::new(self.session.as_str()).is_ok()
    }

    /// Whether it is held; past its deadline too, as long as its record stands.
    pub fn is_held(&self) -> bool {
        self.state == LeaseState::Held
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Which fencing tokens of a space may have been given out: entity `space` of its mission. Whoever takes
/// the space over gives out higher ones, whatever the bucket of leases says: it may be an older copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpaceTokens {
    /// The space.
    pub space: SpaceId,
    /// Sequence of the owner's key under which they are given out.
    pub owned_at: u64,
    /// What is added to the sequence of a grant to make its token. It only grows.
    pub offset: u64,
    /// No token above this one is given out. It only grows.
    pub up_to: u64,
}

/// Whether a lease is held or waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaseState {
    /// It waits in the queue.
    Waiting,
    /// It is held.
    Held,
}

/// `leases.acquire`. An idempotency key is its agent's in all its sessions: the same request from another one
/// is answered with the lease that is there, which ends with the session that took it. All claims are granted together or none. What conflicts with a held lease, or with
/// one that waits and came earlier, is refused or waits; what conflicts with neither may overtake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acquire {
    /// Where the claims stand.
    pub space: SpaceId,
    /// What is wanted.
    #[schemars(length(min = 1, max = 256))]
    pub claims: Vec<Claim>,
    /// What the holder works on: shown to whoever is refused.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub purpose: String,
    /// Life of the lease in milliseconds; one minute if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1_000, max = 86_400_000))]
    pub ttl_ms: Option<u64>,
    /// How long to wait in the queue, in milliseconds; not at all if absent or 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 86_400_000))]
    pub wait_ms: Option<u64>,
}

/// `leases.reserve`: takes a lease for somebody else, who does the task that needs it, or puts its deadline off.
/// It ends with the claim of that task, whatever becomes of its holder's sessions: by `leases.unreserve`, or when
/// its time runs out. Nothing is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reserve {
    /// Where the claims stand.
    pub space: SpaceId,
    /// What is wanted.
    #[schemars(length(min = 1, max = 256))]
    pub claims: Vec<Claim>,
    /// Who holds it.
    pub holder: Caller,
    /// The claim of the task: the lease's id derives from it, so asking again is asking for the same.
    pub claim: ClaimToken,
    /// The task and attempt, as the scope of its credential.
    pub task: ScopeId,
    /// What the holder works on: shown to whoever is refused.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub purpose: String,
    /// Life from now on, in milliseconds: a longer one puts the deadline off, a shorter one changes nothing.
    #[schemars(range(min = 1_000, max = 86_400_000))]
    pub ttl_ms: u64,
    /// Its fencing token, if it is held already: then it is kept under that one, or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
}

/// `leases.unreserve`: ends what was reserved for a claim in a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unreserve {
    /// Where.
    pub space: SpaceId,
    /// The claim.
    pub claim: ClaimToken,
}

/// Reply of `leases.acquire`: held, or still waiting when the call's deadline came before the wait's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcquireReply {
    /// The lease as it stands now.
    pub lease: Lease,
    /// What a waiting one waits for; at most 16 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
}

/// A lease that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    /// The lease.
    pub lease: LeaseId,
    /// Who holds it or waits for it.
    pub holder: Caller,
    /// What that one works on.
    pub purpose: String,
    /// Whether it is held, or came earlier and waits.
    pub state: LeaseState,
    /// Which of its claims clash.
    pub claims: Vec<Claim>,
    /// Milliseconds until it ends unless renewed, or gives up waiting.
    pub remaining_ms: u64,
    /// Index of the wanted claim that it clashes with first.
    pub wanted: u32,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lease, holder, purpose, state, claims, remaining_ms, wanted: _ } = self;
        let verb = match state {
            LeaseState::Held => "holds",
            LeaseState::Waiting => "waits for",
        };
        write!(f, "{holder} {verb} ")?;
        for (index, claim) in claims.iter().enumerate() {
            write!(f, "{}{claim}", if index == 0 { "" } else { ", " })?;
        }
        write!(f, " (lease {lease}, {remaining_ms} ms left)")?;
        if purpose.is_empty() { Ok(()) } else { write!(f, ": {purpose}") }
    }
}

/// `leases.renew`: by the holder. The token stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// Its space.
    pub space: SpaceId,
    /// The lease.
    pub lease: LeaseId,
    /// Its fencing token.
    pub token: u64,
    /// Life from now on, in milliseconds; as before if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1_000, max = 86_400_000))]
    pub ttl_ms: Option<u64>,
}

/// Reply of the calls that answer with one lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeaseReply {
    /// The lease as it stands now, or stood last.
    pub lease: Lease,
}

/// `leases.release`: by the holder; a request that waits is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its space.
    pub space: SpaceId,
    /// The lease.
    pub lease: LeaseId,
}

/// Reply of `leases.release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseReply {
    /// The lease.
    pub lease: LeaseId,
    /// What it was until now.
    pub was: Before,
}

/// What a lease was before it was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// Held.
    Held,
    /// Waiting.
    Waiting,
    /// Not there: it was released before, ran out, was force-released or ended with its session.
    Gone,
}

/// `leases.list`: what is held and who waits. Answered by any replica, from what it has seen so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseList {
    /// Only in this space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<SpaceId>,
    /// Only of this holder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Caller>,
    /// Only of anybody but this holder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Caller>,
    /// Only in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<LeaseState>,
    /// Only leases that clash with one of these claims; slots never clash here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub claims: Option<Vec<Claim>>,
    /// Only leases after this one, in order of space and id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
    /// Most leases to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Where a page of leases goes on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// Space of the last lease seen.
    pub space: SpaceId,
    /// The last lease seen.
    pub lease: LeaseId,
}

/// Reply of `leases.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leases {
    /// In order of space and id; tokens filled in.
    pub leases: Vec<Lease>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// `leases.check`: whether these tokens still count. Answered by the owner of the space alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Their space.
    pub space: SpaceId,
    /// What is to be checked.
    #[schemars(length(min = 1, max = 256))]
    pub tokens: Vec<Checked>,
}

/// One lease and the token that somebody shows for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// The lease.
    pub lease: LeaseId,
    /// The token shown.
    pub token: u64,
}

/// Reply of `leases.check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReply {
    /// One verdict for each token, in the order of the request.
    pub verdicts: Vec<Verdict>,
    /// Whether all of them are valid.
    pub all_valid: bool,
}

/// Whether one token still counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The lease.
    pub lease: LeaseId,
    /// The token shown.
    pub token: u64,
    /// Whether it counts, and why not.
    pub standing: Standing,
    /// The lease as it stands now, if it does; left out where the reply would become too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Lease>,
}

impl Verdict {
    /// That there is no such lease.
    pub fn gone(checked: &Checked) -> Self {
        Self { lease: checked.lease.clone(), token: checked.token, standing: Standing::Gone, now: None }
    }
}

/// How a shown token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The lease is held under this token.
    Valid,
    /// There is no such lease any more.
    Gone,
    /// Its deadline has passed.
    Expired,
    /// It waits: nobody holds it.
    Waiting,
    /// It is held under another token.
    OtherToken,
}

/// `leases.force_release`: by an operator; recorded as the fact `lease.force_released`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForceRelease {
    /// Its space.
    pub space: SpaceId,
    /// The lease.
    pub lease: LeaseId,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// A pool of slots: so many may be held at once. A record of the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pool {
    /// Its mission.
    pub mission: Mission,
    /// Its space.
    pub space: SpaceId,
    /// Its name.
    pub name: PoolName,
    /// How many slots may be held at once; 0: none.
    pub slots: u32,
    /// Who set it last.
    pub set_by: Caller,
    /// Unix time at which it was set last, in milliseconds.
    pub set_at_ms: u64,
    /// The requests that set it, the newest last: at most 64. Kept so that a late repetition of one of them changes
    /// nothing; in no reply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub settings: Vec<PoolSetting>,
}

/// One request that set a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolSetting {
    /// What its repetitions are known by.
    pub request: String,
    /// The size that it set.
    pub slots: u32,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
}

/// `leases.pool_set`: makes a pool, or changes its size. Held leases stay; what waits for more slots than
/// the pool has now is refused. A repetition of a request (same sender and idempotency key) that is among the
/// pool's last 64 changes nothing, and is answered with the size that it set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolSet {
    /// Its space.
    pub space: SpaceId,
    /// The pool.
    pub pool: PoolName,
    /// How many slots may be held at once.
    #[schemars(range(max = 1_000_000))]
    pub slots: u32,
}

/// A pool and how much of it is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolUse {
    /// The pool.
    pub pool: Pool,
    /// Slots held now; more than the pool has after it shrank.
    pub held: u64,
    /// Slots that are waited for.
    pub waited_for: u64,
}

/// Reply of `leases.pool_set`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolReply {
    /// The pool as it stands now.
    pub pool: PoolUse,
}

/// `leases.pool_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolList {
    /// The space.
    pub space: SpaceId,
}

/// Reply of `leases.pool_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pools {
    /// In order of name; at most 1,024.
    pub pools: Vec<PoolUse>,
}
