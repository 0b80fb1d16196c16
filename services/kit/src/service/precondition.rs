//! What must still be true when a request is judged: entities at stated revisions.

use selvedge_contracts::{
    envelope::Precondition,
    fact::EntityName,
    fault::{Code, Detail, Fault},
    id::{EntityId, Mission},
    subject::Entity,
};

use super::Call;
use crate::bus::error_chain;

/// Holds every precondition against the ledger's leader; all that fail are listed.
pub(super) async fn check(call: &Call) -> Result<(), Fault> {
    let mut failed = Vec::new();
    for (index, precondition) in call.envelope.preconditions.iter().enumerate() {
        let at = format!("preconditions/{index}");
        let entity = entity(precondition, call.mission())
            .map_err(|message| Fault::invalid("a precondition is wrong").at(at.clone(), message))?;
        let latest = call.ledger().latest(&entity, call.deadline()).await;
        let latest = latest.map_err(|error| Fault::unavailable(error_chain(&error)))?;
        let revision = latest.map_or(0, |fact| fact.revision);
        if revision != precondition.revision {
            let message = format!(
                "{} is at revision {revision}, not {}: read it again",
                entity.id, precondition.revision
            );
            failed.push(Detail { at, message });
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Fault { code: Code::Conflict, message: "a precondition does not hold".to_owned(), details: failed })
}

fn entity(precondition: &Precondition, mission: &Mission) -> Result<Entity, String> {
    let name: EntityName = precondition
        .entity
        .parse()
        .map_err(|error: selvedge_contracts::fact::UnknownEntity| error.to_string())?;
    let id = EntityId::new(&precondition.id).map_err(|error| error.to_string())?;
    let mission = if name.is_kluster_wide() { Mission::kluster() } else { mission.clone() };
    Ok(Entity { mission, name, id })
}
