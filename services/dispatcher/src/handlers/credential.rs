//! The credential for one attempt: made by the registry once the claim is on the record, for a key pair that the
//! worker made. Asked for again, it is the same session's again.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fault::Fault,
    id::PublicKey,
    payload::{
        session::{SessionReply, TaskGrant},
        task::Task,
    },
};
use selvedge_kit::{
    client::Options,
    service::{Answer, Call},
};

use crate::{lookup::Found, rule::task as rule, state::Dispatcher};

/// The credential of a claim that the caller has.
///
/// # Errors
/// `unavailable` if the registry does not answer: asked for again, the claim is the same. What the registry
/// refuses for good ends the attempt.
pub(super) async fn granted(
    state: &Arc<Dispatcher>,
    call: &Call,
    key: &PublicKey,
    found: &Found,
    task: &Task,
) -> Answer<SessionReply> {
    let claim = task.claim.as_ref().ok_or_else(|| Fault::internal("a claimed task without a claim"))?;
    let grant = TaskGrant {
        task: task.id.scope(task.attempt),
        agent: call.agent_id()?,
        credential_key: key.clone(),
        expires_at_ms: claim.deadline_ms,
        presence_ttl_ms: Some(0),
        request: found.plan.request.clone(),
        calls: None,
    };
    let client = state.client.clone().in_mission(call.mission().clone());
    let timeout_ms = u64::try_from(call.deadline().remaining().as_millis()).ok();
    let options = Options { timeout_ms, ..Options::default() };
    match client.call_with::<call::TaskGrant>(&grant, &options).await {
        Ok(answered) => Ok(answered.reply),
        Err(fault) if fault.is_retryable() => Err(fault),
        Err(fault) => {
            let reason = format!("there is no credential for it: {}", fault.message);
            let by = (&claim.worker, &claim.token);
            let decide = |current: Option<&Task>| {
                let current = current.ok_or_else(|| Fault::not_found("the ledger does not know it"))?;
                Ok(rule::fail(current, found.of()?, by, (&reason, false), call.now_ms)?)
            };
            let writer = call.writer.follow_up("no credential");
            state.record_task(&writer, found, decide).await?;
            Err(Fault { message: reason, ..fault })
        }
    }
}
