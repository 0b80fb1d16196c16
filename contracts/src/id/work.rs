//! Identifiers of work: plans, tasks, claims, queues, dead letters, cases, handoffs.

use std::marker::PhantomData;

use super::{CallerShape, Digest, DigestShape, LeaseId, ScopeId, Shape, SpaceId, SubjectId, Token, is_hex};

/// Hex digits of a blake3 digest.
const DIGEST_DIGITS: usize = 64;
/// Hex digits of the ids that derive from a plan's: 128 bits.
const SHORT_DIGITS: usize = 32;

fn is_hex_after(bytes: &[u8], prefix: &[u8], digits: usize) -> bool {
    bytes.strip_prefix(prefix).is_some_and(|hex| hex.len() == digits && is_hex(hex))
}

/// Shape of a [`PlanId`].
pub enum PlanIdShape {}
impl Shape for PlanIdShape {
    const NAME: &'static str = "plan_id";
    const PATTERN: &'static str = "^plan_[0-9a-f]{64}$";
    const EXAMPLE: &'static str = "plan_af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    const MAX_BYTES: usize = 5 + DIGEST_DIGITS;
    fn fits(bytes: &[u8]) -> bool {
        is_hex_after(bytes, b"plan_", DIGEST_DIGITS)
    }
}
/// A plan: the digest of what it says, so that the same plan submitted twice is one plan.
pub type PlanId = Token<PlanIdShape>;
impl SubjectId for PlanIdShape {}

impl PlanId {
    /// The plan whose content has this digest.
    pub fn of(content: &blake3::Hash) -> Self {
        Self(format!("plan_{}", content.to_hex()).into(), PhantomData)
    }

    /// Id of the plan's task of that name.
    pub fn task(&self, name: &TaskName) -> TaskId {
        Token(short("task_", &[self.as_str(), name.as_str()]).into(), PhantomData)
    }
}

/// Shape of a [`TaskId`].
pub enum TaskIdShape {}
impl Shape for TaskIdShape {
    const NAME: &'static str = "task_id";
    const PATTERN: &'static str = "^task_[0-9a-f]{32}$";
    const EXAMPLE: &'static str = "task_af1349b9f5f9a1a6a0404dea36dcc949";
    const MAX_BYTES: usize = 5 + SHORT_DIGITS;
    fn fits(bytes: &[u8]) -> bool {
        is_hex_after(bytes, b"task_", SHORT_DIGITS)
    }
}
/// A task of a plan: derived from the plan's id and the task's name in it.
pub type TaskId = Token<TaskIdShape>;
impl SubjectId for TaskIdShape {}

impl TaskId {
    /// Scope of the credential for one attempt of it.
    pub fn scope(&self, attempt: u32) -> ScopeId {
        Token(format!("{self}_{attempt}").into(), PhantomData)
    }

    /// The task and the attempt that a credential is for, if it is for one.
    pub fn of_scope(scope: &ScopeId) -> Option<(Self, u32)> {
        let (task, attempt) = scope.as_str().rsplit_once('_')?;
        let (task, attempt) = (Self::new(task).ok()?, attempt.parse().ok()?);
        (task.scope(attempt) == *scope).then_some((task, attempt))
    }
}

/// Shape of a [`TaskName`].
pub enum TaskNameShape {}
impl Shape for TaskNameShape {
    const NAME: &'static str = "task_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*$";
    const EXAMPLE: &'static str = "write-tests";
    const MAX_BYTES: usize = 63;
    fn fits(bytes: &[u8]) -> bool {
        CallerShape::fits(bytes)
    }
}
/// What a task is called within its plan.
pub type TaskName = Token<TaskNameShape>;

/// Shape of a [`QueueName`].
pub enum QueueNameShape {}
impl Shape for QueueNameShape {
    const NAME: &'static str = "queue_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*$";
    const EXAMPLE: &'static str = "rust";
    const MAX_BYTES: usize = 57;
    fn fits(bytes: &[u8]) -> bool {
        CallerShape::fits(bytes)
    }
}
/// A queue of a mission, from which agents take tasks.
pub type QueueName = Token<QueueNameShape>;

/// Shape of a [`ClaimToken`].
pub enum ClaimTokenShape {}
impl Shape for ClaimTokenShape {
    const NAME: &'static str = "claim_token";
    const PATTERN: &'static str = "^claim_[0-9a-f]{32}$";
    const EXAMPLE: &'static str = "claim_af1349b9f5f9a1a6a0404dea36dcc949";
    const MAX_BYTES: usize = 6 + SHORT_DIGITS;
    fn fits(bytes: &[u8]) -> bool {
        is_hex_after(bytes, b"claim_", SHORT_DIGITS)
    }
}
/// One claim of one task: no two claims have the same. With the attempt, which only grows, it is the
/// fencing token of the task.
pub type ClaimToken = Token<ClaimTokenShape>;

impl ClaimToken {
    /// The claim of an attempt of a task that this request led to.
    pub fn of(request: &str, task: &TaskId, attempt: u32) -> Self {
        Token(short("claim_", &[request, task.as_str(), &attempt.to_string()]).into(), PhantomData)
    }
}

impl ClaimToken {
    /// Lease on what the claim's task reserves in a space.
    pub fn lease_in(&self, space: &SpaceId) -> LeaseId {
        Token(short("lease_", &[self.as_str(), space.as_str()]).into(), PhantomData)
    }

    /// What its leases end with.
    pub fn scope(&self) -> ScopeId {
        Token(self.as_str().into(), PhantomData)
    }
}

/// Shape of a [`DeadId`].
pub enum DeadIdShape {}
impl Shape for DeadIdShape {
    const NAME: &'static str = "dead_id";
    const PATTERN: &'static str = "^dead_[0-9a-f]{32}$";
    const EXAMPLE: &'static str = "dead_af1349b9f5f9a1a6a0404dea36dcc949";
    const MAX_BYTES: usize = 5 + SHORT_DIGITS;
    fn fits(bytes: &[u8]) -> bool {
        is_hex_after(bytes, b"dead_", SHORT_DIGITS)
    }
}
/// A dead letter: derived from the task, the attempt and what could not be used of it.
pub type DeadId = Token<DeadIdShape>;
impl SubjectId for DeadIdShape {}

impl DeadId {
    /// The letter about an attempt of a task; `what` tells two about one attempt apart.
    pub fn of(task: &TaskId, attempt: u32, what: &str) -> Self {
        Token(short("dead_", &[task.as_str(), &attempt.to_string(), what]).into(), PhantomData)
    }
}

/// Shape of a [`CaseId`].
pub enum CaseIdShape {}
impl Shape for CaseIdShape {
    const NAME: &'static str = "case_id";
    const PATTERN: &'static str = "^case_[0-9a-f]{32}$";
    const EXAMPLE: &'static str = "case_af1349b9f5f9a1a6a0404dea36dcc949";
    const MAX_BYTES: usize = 5 + SHORT_DIGITS;
    fn fits(bytes: &[u8]) -> bool {
        is_hex_after(bytes, b"case_", SHORT_DIGITS)
    }
}
/// A case: derived from the task and the attempt with which it began.
pub type CaseId = Token<CaseIdShape>;
impl SubjectId for CaseIdShape {}

impl CaseId {
    /// The case about an attempt of a task.
    pub fn of(task: &TaskId, attempt: u32) -> Self {
        Token(short("case_", &[task.as_str(), &attempt.to_string()]).into(), PhantomData)
    }
}

/// Shape of a [`HandoffId`].
pub enum HandoffIdShape {}
impl Shape for HandoffIdShape {
    const NAME: &'static str = "handoff_id";
    const PATTERN: &'static str = "^handoff_[0-9a-f]{64}$";
    const EXAMPLE: &'static str = "handoff_af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    const MAX_BYTES: usize = 8 + DIGEST_DIGITS;
    fn fits(bytes: &[u8]) -> bool {
        is_hex_after(bytes, b"handoff_", DIGEST_DIGITS)
    }
}
/// A handoff: the digest of who offers what, so that the same offer made twice is one handoff.
pub type HandoffId = Token<HandoffIdShape>;
impl SubjectId for HandoffIdShape {}

impl HandoffId {
    /// The handoff whose content has this digest.
    pub fn of(content: &blake3::Hash) -> Self {
        Self(format!("handoff_{}", content.to_hex()).into(), PhantomData)
    }
}

impl Token<DigestShape> {
    /// The digest of a JSON value in canonical form (RFC 8785).
    pub fn of_json(value: &serde_json::Value) -> Digest {
        // A JSON value can always be written; its canonical form needs no more than that.
        let text = serde_json_canonicalizer::to_vec(value).unwrap_or_default();
        Digest::from(&blake3::hash(&text))
    }
}

/// `prefix` and 128 bits of the digest of the parts, each under its length.
fn short(prefix: &str, parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
    }
    let hex = hasher.finalize().to_hex();
    prefix.chars().chain(hex.chars().take(SHORT_DIGITS)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EntityId;

    #[test]
    fn ids_derive_from_what_they_are_of() {
        let plan = PlanId::of(&blake3::hash(b"a"));
        let name = TaskName::new("build").unwrap();
        let task = plan.task(&name);
        assert_eq!(TaskId::new(task.as_str()).unwrap(), task);
        assert!(EntityId::new(task.as_str()).is_ok() && EntityId::new(plan.as_str()).is_ok());
        assert_ne!(PlanId::of(&blake3::hash(b"b")).task(&name), task);
        let token = ClaimToken::of("r", &task, 1);
        assert_eq!(ClaimToken::new(token.as_str()).unwrap(), token);
        assert_ne!(ClaimToken::of("r", &task, 2), token);
        let scope = task.scope(3);
        assert_eq!(
            (ScopeId::new(scope.as_str()).unwrap(), TaskId::of_scope(&scope)),
            (scope.clone(), Some((task.clone(), 3)))
        );
        for other in ["session_1", "task_1_2", &format!("{task}_03"), task.as_str()] {
            assert_eq!(TaskId::of_scope(&ScopeId::new(other).unwrap()), None, "{other}");
        }
        let space = SpaceId::new("shop").unwrap();
        let lease = token.lease_in(&space);
        assert_eq!(LeaseId::new(lease.as_str()).unwrap(), lease);
        assert_eq!(ScopeId::new(token.scope().as_str()).unwrap(), token.scope());
        assert_ne!(DeadId::of(&task, 1, "x"), DeadId::of(&task, 1, "y"));
        assert_ne!(CaseId::of(&task, 1), CaseId::of(&task, 2));
    }

    #[test]
    fn every_example_fits_its_own_shape() {
        fn fits<S: Shape>() {
            assert!(Token::<S>::new(S::EXAMPLE).is_ok(), "{}", S::NAME);
        }
        fits::<PlanIdShape>();
        fits::<TaskIdShape>();
        fits::<TaskNameShape>();
        fits::<QueueNameShape>();
        fits::<ClaimTokenShape>();
        fits::<DeadIdShape>();
        fits::<CaseIdShape>();
        fits::<HandoffIdShape>();
    }
}
