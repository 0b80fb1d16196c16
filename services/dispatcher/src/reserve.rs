//! What tasks reserve: leased to their workers by the service `leases`, before they are given out, and until
//! their attempts have ended.
//!
//! The lease comes first and lasts for a short while; the claim that names it is recorded next; then the lease
//! is kept for as long as the attempt may take, and judging it. Whoever dies in between leaves a lease that runs
//! out by itself, or a claim that every replica sees and keeps the lease of.

use std::{collections::BTreeMap, sync::Arc};

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::{Caller, ClaimToken, Mission, ScopeId, SpaceId, TaskId},
    payload::{
        intent::FencingToken,
        lease::{MAX_LEASE_TTL_MS, MAX_PURPOSE_BYTES, MIN_LEASE_TTL_MS, Reserve, Unreserve},
        plan::Reservation,
        task::Task,
    },
};
use selvedge_kit::{
    client::Options,
    clock::{Deadline, now_ms},
    service::Answer,
};

use crate::{rule::task::Of, state::Dispatcher};

/// How long a lease lasts whose claim is not known to be recorded, in milliseconds: longer than recording may
/// take.
const UNCLAIMED_MS: u64 = 40_000;
/// How much longer than the attempt it lasts, in milliseconds: what is handed in is judged, and done to the
/// world, under it. It is kept on as long as that takes.
pub(crate) const JUDGING_MS: u64 = 600_000;
/// How long after its claim a lease is kept for the first time, in milliseconds.
pub(crate) const KEEP_AFTER_MS: u64 = 5_000;
/// Longest wait for one answer, in milliseconds.
const STEP_MS: u64 = 5_000;

/// Who is to hold what a task reserves.
pub(crate) struct Holder<'a> {
    pub(crate) worker: &'a Caller,
    pub(crate) token: &'a ClaimToken,
    pub(crate) task: &'a TaskId,
    pub(crate) attempt: u32,
}

impl Dispatcher {
    /// Leases all that a task reserves to its worker, or nothing.
    ///
    /// # Errors
    /// What stands in the way, in words.
    pub(crate) async fn reserve(
        self: &Arc<Self>,
        of: Of<'_>,
        holder: &Holder<'_>,
        deadline: Deadline,
    ) -> Result<Vec<FencingToken>, String> {
        // Everybody asks for the spaces in one order.
        let wanted: BTreeMap<&SpaceId, &Reservation> =
            of.spec.reserve.iter().map(|reservation| (&reservation.space, reservation)).collect();
        let mut held: Vec<FencingToken> = Vec::new();
        for reservation in wanted.into_values() {
            let asked = Reserve {
                space: reservation.space.clone(),
                claims: reservation.claims.clone(),
                holder: holder.worker.clone(),
                claim: holder.token.clone(),
                task: holder.task.scope(holder.attempt),
                purpose: purpose(of),
                ttl_ms: UNCLAIMED_MS,
                token: None,
            };
            match self.ask_for(&of.plan.mission, &asked, deadline).await {
                Ok(token) => held.push(token),
                Err(fault) => {
                    // Also in the space that refused: an answer may have been lost on its way.
                    let mut spaces: Vec<SpaceId> = held.into_iter().map(|held| held.space).collect();
                    spaces.extend(fault.is_retryable().then(|| reservation.space.clone()));
                    self.unreserve_soon(&of.plan.mission, holder.token, spaces);
                    return Err(in_words(&reservation.space, &fault));
                }
            }
        }
        Ok(held)
    }

    async fn ask_for(&self, mission: &Mission, asked: &Reserve, deadline: Deadline) -> Answer<FencingToken> {
        let client = self.client.clone().in_mission(mission.clone());
        let options = Options { timeout_ms: Some(share_ms(deadline)), ..Options::default() };
        let lease = client.call_with::<call::LeaseReserve>(asked, &options).await?.reply.lease;
        let token = lease.token.ok_or_else(|| Fault::internal("a lease that is held has no token"))?;
        Ok(FencingToken { space: lease.space, lease: lease.id, token })
    }

    /// Keeps the leases of an attempt for as long as it may take, and judging it; answers with the time at which
    /// they are to be kept again.
    ///
    /// # Errors
    /// Conflict if one of them is lost; `unavailable` if that cannot be said.
    pub(crate) async fn keep(&self, task: &Task, of: Of<'_>) -> Answer<u64> {
        let Some(claim) = &task.claim else { return Ok(u64::MAX) };
        let now = now_ms();
        let left_ms = claim.deadline_ms.saturating_sub(now);
        let ttl_ms = left_ms.saturating_add(JUDGING_MS).clamp(MIN_LEASE_TTL_MS, MAX_LEASE_TTL_MS);
        for reservation in &of.spec.reserve {
            let Some(held) = claim.leases.iter().find(|held| held.space == reservation.space) else {
                continue;
            };
            let asked = Reserve {
                space: reservation.space.clone(),
                claims: reservation.claims.clone(),
                holder: claim.worker.clone(),
                claim: claim.token.clone(),
                task: task.id.scope(task.attempt),
                purpose: purpose(of),
                ttl_ms,
                token: Some(held.token),
            };
            let kept = self.ask_for(&task.mission, &asked, Deadline::in_ms(STEP_MS)).await;
            kept.map_err(|fault| match fault.code {
                Code::NotFound | Code::Conflict | Code::Denied => Fault::conflict(fault.message),
                _ => fault,
            })?;
        }
        Ok(now.saturating_add(ttl_ms / 2))
    }

    /// Ends what was reserved for a claim.
    ///
    /// # Errors
    /// `unavailable` if the service `leases` does not answer.
    pub(crate) async fn unreserve(
        &self,
        mission: &Mission,
        token: &ClaimToken,
        spaces: &[SpaceId],
    ) -> Answer<()> {
        let client = self.client.clone().in_mission(mission.clone());
        let options = Options { timeout_ms: Some(STEP_MS), ..Options::default() };
        for space in spaces {
            let ended = Unreserve { space: space.clone(), claim: token.clone() };
            client.call_with::<call::LeaseUnreserve>(&ended, &options).await?;
        }
        Ok(())
    }

    /// The same without anybody waiting for it: what does not come to that runs out by itself.
    pub(crate) fn unreserve_soon(
        self: &Arc<Self>,
        mission: &Mission,
        token: &ClaimToken,
        spaces: Vec<SpaceId>,
    ) {
        if spaces.is_empty() {
            return;
        }
        let (state, mission, token) = (Arc::clone(self), mission.clone(), token.clone());
        self.tasks.spawn(async move {
            if let Err(fault) = state.unreserve(&mission, &token, &spaces).await {
                tracing::debug!(%token, error = %fault, "what was reserved runs out by itself");
            }
        });
    }

    /// Ends the session of a task's credential.
    ///
    /// # Errors
    /// `unavailable` if the registry does not answer.
    pub(crate) async fn end_scope(&self, mission: &Mission, scope: &ScopeId) -> Answer<()> {
        use selvedge_contracts::payload::session::{SessionEnd, SessionStatus};
        let session = self.directory.session(mission, scope);
        let is_open = session.is_some_and(|entry| entry.state.status == SessionStatus::Open);
        if !is_open {
            return Ok(()); // it never was, or is over: its start would be seen
        }
        let end = SessionEnd {
            session: Some(scope.clone()),
            mission: Some(mission.clone()),
            reason: Some("the attempt that it was for has ended".to_owned()),
        };
        let client = self.client.clone().in_mission(mission.clone());
        let options = Options { timeout_ms: Some(STEP_MS), ..Options::default() };
        client.call_with::<call::SessionEnd>(&end, &options).await.map(drop)
    }
}

fn share_ms(deadline: Deadline) -> u64 {
    u64::try_from(deadline.remaining().as_millis() / 2).unwrap_or(STEP_MS).min(STEP_MS)
}

fn purpose(of: Of<'_>) -> String {
    let text = format!("task {} of {}", of.spec.id, of.plan.spec.title);
    let end = (0..=MAX_PURPOSE_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

fn in_words(space: &SpaceId, fault: &Fault) -> String {
    let first = fault.details.first().map(|detail| format!(": {}", detail.message)).unwrap_or_default();
    format!("{space}: {}{first}", fault.message)
}
