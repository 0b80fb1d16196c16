//! Entities on which work rests: at which revision they stand, by the ledger's leader.

use std::sync::Arc;

use selvedge_contracts::{
    fault::Fault,
    id::Mission,
    payload::{
        intent::IntentPrecondition,
        task::{Finding, Task},
    },
    subject::Entity,
};
use selvedge_kit::service::{Answer, Call};

use crate::{
    lookup::{Found, no_task},
    rule::{dispute, task as rule},
    state::Dispatcher,
};

/// At which revision each entity stands, in the same order; 0 where there is none.
///
/// # Errors
/// `unavailable` if the ledger cannot be asked.
pub(super) async fn revisions(call: &Call, preconditions: &[IntentPrecondition]) -> Answer<Vec<u64>> {
    let mut revisions = Vec::with_capacity(preconditions.len());
    for IntentPrecondition { entity: name, id, .. } in preconditions {
        let mission = if name.is_kluster_wide() { Mission::kluster() } else { call.mission().clone() };
        let entity = Entity { mission, name: *name, id: id.clone() };
        let latest = call.ledger().latest(&entity, call.deadline()).await;
        let latest = latest.map_err(|error| Fault::unavailable(error.to_string()))?;
        revisions.push(latest.map_or(0, |fact| fact.revision));
    }
    Ok(revisions)
}

/// Whether what a task rests on has moved on; then the attempt that just began is over, before anybody worked on
/// it in vain.
///
/// # Errors
/// As for the ledger and the kit's `Writer`.
pub(super) async fn blown(state: &Arc<Dispatcher>, call: &Call, found: &Found, task: &Task) -> Answer<bool> {
    let of = found.of()?;
    if of.spec.preconditions.is_empty() || task.waived {
        return Ok(false);
    }
    let revisions = revisions(call, &of.spec.preconditions).await?;
    let seen = dispute::standing(&of.spec.preconditions, &revisions);
    let failed: Vec<&Finding> = seen.iter().filter(|finding| !finding.passed).collect();
    let Some(claim) = task.claim.as_ref().filter(|_| !failed.is_empty()) else { return Ok(false) };
    let said: Vec<_> = failed.iter().map(|finding| format!("{}: {}", finding.check, finding.seen)).collect();
    let decide = |current: Option<&Task>| {
        let current = current.ok_or_else(|| no_task(&task.id))?;
        Ok(rule::blow(current, found.of()?, &claim.token, &said.join("; "), call.now_ms))
    };
    let writer = call.writer.follow_up("blown");
    state.record_task(&writer, found, decide).await?;
    state.finish_soon(&writer, found);
    Ok(true)
}
