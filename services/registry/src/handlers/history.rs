//! The history of one entity, for those who may see it: whatever belongs to the caller's own mission or
//! to the kluster. Keys and invites are the operator's.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::Mission,
    payload::history::{FactLine, Facts, History},
    role::Role,
    subject::Entity,
};
use selvedge_kit::service::{Answer, Call};

use super::{fitting, page_size};
use crate::state::Registry;

pub(super) async fn history(_: Arc<Registry>, call: Arc<Call>, request: History) -> Answer<Facts> {
    let History { entity: name, id, after, limit } = request;
    if matches!(name, EntityName::Key | EntityName::Invite) && call.role() != Role::Operator {
        return Err(Fault::denied(format!("the history of a {name} is the operator's")));
    }
    let mission = if name.is_kluster_wide() { Mission::kluster() } else { call.mission().clone() };
    let entity = Entity { mission, name, id };
    let size = page_size(limit);
    let found = call.ledger().history(&entity, after, size + 1, call.deadline()).await;
    let mut facts = found.map_err(|error| Fault::unavailable(error.to_string()))?;
    let more = facts.len() > size;
    facts.truncate(size);
    if let Some(last) = facts.last() {
        call.writer.saw(last.revision);
    }
    let (facts, more) = fitting(facts.into_iter().map(FactLine::from), more);
    Ok(Facts { facts, more })
}
