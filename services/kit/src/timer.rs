//! Timers: messages that nats-server itself delivers at a stated time (message schedules, ADR-51), so
//! that nobody polls. One stream per service, `TIMERS_<service>`; a timer of an entity has a subject of
//! its own, and arming it again replaces it.
//!
//! A due timer carries the revision that it was armed for: whoever receives it drops it when the entity
//! has moved on.

use async_nats::HeaderMap;
use selvedge_contracts::{
    role::Service,
    stream::timers,
    subject::{self, Entity},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    bus::Bus,
    clock::{Deadline, rfc3339},
    jetstream::{AppendError, publish},
};

/// What a due timer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// Revision of the entity for which it was armed.
    pub revision: u64,
    /// Attempt of the entity's work for which it was armed; 0 where there are none.
    #[serde(default)]
    pub attempt: u32,
    /// When it was to fire: Unix time in milliseconds.
    pub at_ms: u64,
}

/// How long a due timer waits for the service, in days: longer than any outage, and not for ever.
const DUE_DAYS: u64 = 30;

/// The timers of one service.
#[derive(Clone)]
pub struct Timers {
    bus: Bus,
    service: Service,
}

impl Timers {
    /// The timers of `service`.
    pub fn new(bus: Bus, service: Service) -> Self {
        Self { bus, service }
    }

    /// Arms the entity's timer `name`, in place of the one before.
    ///
    /// # Errors
    /// [`AppendError`] if the stream does not take it within the deadline.
    pub async fn arm(
        &self,
        entity: &Entity,
        name: &'static str,
        due: &Due,
        deadline: Deadline,
    ) -> Result<(), AppendError> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Schedule", format!("@at {}", rfc3339(due.at_ms)).as_str());
        headers.insert("Nats-Schedule-Target", subject::due(self.service, entity, name).as_str());
        headers.insert("Nats-Schedule-TTL", format!("{}s", DUE_DAYS * 86_400).as_str());
        let body = json!(due).to_string();
        publish(&self.bus, &subject::timer(self.service, entity, name), headers, body.into(), deadline)
            .await?;
        Ok(())
    }

    /// Disarms the entity's timer `name`, if it is armed.
    ///
    /// # Errors
    /// [`AppendError`] if the stream does not answer within the deadline.
    pub async fn disarm(
        &self,
        entity: &Entity,
        name: &'static str,
        deadline: Deadline,
    ) -> Result<(), AppendError> {
        #[derive(Deserialize)]
        struct Purged {
            #[serde(default)]
            success: bool,
        }
        let filter = subject::timer(self.service, entity, name);
        let purge = format!("$JS.API.STREAM.PURGE.{}", timers(self.service));
        let answer = self
            .bus
            .request(&purge, HeaderMap::new(), json!({ "filter": filter }).to_string().into(), deadline)
            .await?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Purged { success: true }) => Ok(()),
            _ => Err(AppendError::Rejected {
                code: 0,
                description: String::from_utf8_lossy(&answer.payload).into_owned(),
            }),
        }
    }
}

/// The entity that a due timer is about, from its subject `sv.due.<service>.<entity>.<mission>.<id>.<name>`.
pub fn entity_of(due_subject: &str) -> Option<Entity> {
    let tokens: Vec<&str> = due_subject.split('.').collect();
    let ["sv", "due", _, name, mission, id, _] = tokens.as_slice() else {
        return None;
    };
    Some(Entity { mission: mission.parse().ok()?, name: name.parse().ok()?, id: id.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_subject_names_its_entity() {
        let entity = entity_of("sv.due.registry.invite.demo.invite_01.expiry").unwrap();
        assert_eq!(entity.to_string(), "demo.invite.invite_01");
        assert_eq!(
            subject::due(Service::Registry, &entity, "expiry"),
            "sv.due.registry.invite.demo.invite_01.expiry"
        );
        assert_eq!(entity_of("sv.due.registry.invite"), None);
    }
}
