//! Whether the entities that an intent rests on stand where it says.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use selvedge_contracts::{
    fault::{Detail, Fault},
    payload::intent::Intent,
};
use selvedge_kit::{clock::Deadline, ledger::Ledger, service::Answer};

use super::entity;
use crate::{intent::detail, state::Governance};

/// Entities that are asked for together.
const AT_ONCE: usize = 16;

/// Holds every precondition against the ledger's leader; all that fail are listed.
pub(super) async fn check(state: &Governance, intent: &Intent, deadline: Deadline) -> Answer<Vec<Detail>> {
    let ledger = Ledger::new(state.client.bus().clone());
    let entities = intent.preconditions.iter().map(|wanted| entity(&intent.mission, wanted).filter());
    let revisions = entities.map(|filter| {
        let ledger = ledger.clone();
        async move { ledger.last_matching(&filter, deadline).await }
    });
    let revisions: Result<Vec<u64>, _> =
        stream::iter(revisions.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await;
    let revisions = revisions.map_err(|error| Fault::unavailable(format!("{error}; try again")))?;
    let checked = intent.preconditions.iter().zip(revisions).enumerate();
    let failed = checked.filter(|(_, (wanted, revision))| wanted.revision != *revision);
    Ok(failed
        .map(|(index, (wanted, revision))| {
            let message = format!(
                "{} {} is at revision {revision}, not {}: read it again",
                wanted.entity, wanted.id, wanted.revision
            );
            detail(&format!("/preconditions/{index}"), message)
        })
        .collect())
}
