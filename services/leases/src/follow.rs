//! What follows from facts: a session that is over frees its leases, a lease that an operator took is
//! removed. Every replica hears them; the owner of a space acts, and whoever takes a space over looks them
//! up, so that nobody need have heard.

use std::sync::{Arc, Weak};

use selvedge_contracts::{
    fact::EntityName,
    id::{LeaseId, Mission, ScopeId},
    subject::Entity,
};
use selvedge_kit::{
    ledger::{FactRecord, RequestDigest},
    view::{Apply, View},
};

use crate::{
    decision::Removal,
    state::{Leases, has_ended},
};

/// What the owners of spaces must hear.
enum News {
    Over(Mission, ScopeId),
    Forced(Mission, LeaseId),
}

/// A view that acts on news once it has taken them in.
struct Heard<V> {
    view: Arc<V>,
    news: fn(&Arc<V>, &Entity) -> Option<News>,
    /// Whether this service records these facts itself. Then each is heard although the view has it: the call
    /// that records it may be given up before it acts.
    is_own: bool,
    leases: Weak<Leases>,
}

impl<V: Apply> Apply for Heard<V> {
    fn entity(&self) -> EntityName {
        self.view.entity()
    }

    fn apply(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        self.view.apply(fact)?;
        if let Some(news) = (self.news)(&self.view, &fact.fact.entity) {
            act(&self.leases, &news);
        }
        Ok(())
    }

    fn revision_of(&self, entity: &Entity) -> u64 {
        if self.is_own { 0 } else { self.view.revision_of(entity) }
    }

    fn may_hold(&self, entity: &Entity, request: RequestDigest) -> bool {
        self.view.may_hold(entity, request)
    }
}

/// The views that the service follows. What follows from a fact is decided there and then: it takes no
/// waiting, only the locks of the spaces.
pub(crate) fn views(state: &Arc<Leases>) -> Vec<Arc<dyn Apply>> {
    let leases = Arc::downgrade(state);
    let over: fn(&Arc<View<_>>, &Entity) -> _ = |sessions, entity| {
        let session = sessions.state(&entity.mission, &entity.id).filter(|session| has_ended(session))?;
        Some(News::Over(entity.mission.clone(), session.id.clone()))
    };
    let forced: fn(&Arc<View<_>>, &Entity) -> _ =
        |_, entity| Some(News::Forced(entity.mission.clone(), LeaseId::new(entity.id.as_str()).ok()?));
    vec![
        Arc::new(Heard {
            view: Arc::clone(&state.directory.sessions),
            news: over,
            is_own: false,
            leases: leases.clone(),
        }),
        Arc::clone(&state.directory.agents) as Arc<dyn Apply>,
        Arc::new(Heard { view: Arc::clone(&state.forced), news: forced, is_own: true, leases }),
    ]
}

fn act(leases: &Weak<Leases>, news: &News) {
    let Some(leases) = leases.upgrade() else { return };
    let (News::Over(mission, _) | News::Forced(mission, _)) = news;
    for slot in leases.slots_of(mission) {
        match news {
            News::Over(_, session) => slot.end_session(session),
            News::Forced(_, lease) => slot.remove(lease, Removal::Forced),
        }
    }
}
