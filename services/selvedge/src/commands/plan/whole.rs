//! A plan with all its tasks, however many messages hold them.

use selvedge_contracts::{
    call,
    fault::Fault,
    id::PlanId,
    payload::plan::{PlanReply, PlanShow},
};
use selvedge_kit::client::Client;

/// A plan, and how each of its tasks stands.
///
/// # Errors
/// The service's refusal.
pub(super) async fn shown(client: &Client, plan: PlanId) -> Result<PlanReply, Fault> {
    let first = client.call::<call::PlanShow>(&PlanShow { plan, after: None }).await?.reply;
    whole(client, first).await
}

/// An answer about a plan with the tasks that it had no room for.
///
/// # Errors
/// The service's refusal.
pub(super) async fn whole(client: &Client, mut reply: PlanReply) -> Result<PlanReply, Fault> {
    while let Some(last) = reply.tasks.last().filter(|_| reply.more) {
        let next = PlanShow { plan: reply.plan.id.clone(), after: Some(last.name.clone()) };
        let next = client.call::<call::PlanShow>(&next).await?.reply;
        reply.tasks.extend(next.tasks);
        reply.more = next.more;
    }
    Ok(reply)
}
