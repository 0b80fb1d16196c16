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
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    decision::Removal,
    state::{Leases, has_ended},
};

/// What the owners of spaces must hear.
enum News {
    Over(Mission, ScopeId),
    Forced(Mission, LeaseId),
}

/// A view that passes news on once it has taken them in.
struct Heard<V> {
    view: Arc<V>,
    news: fn(&Arc<V>, &Entity) -> Option<News>,
    tell: mpsc::UnboundedSender<News>,
}

impl<V: Apply> Apply for Heard<V> {
    fn entity(&self) -> EntityName {
        self.view.entity()
    }

    fn apply(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        self.view.apply(fact)?;
        if let Some(news) = (self.news)(&self.view, &fact.fact.entity) {
            let _ = self.tell.send(news); // the service has stopped
        }
        Ok(())
    }

    fn revision_of(&self, entity: &Entity) -> u64 {
        self.view.revision_of(entity)
    }

    fn may_hold(&self, entity: &Entity, request: RequestDigest) -> bool {
        self.view.may_hold(entity, request)
    }
}

/// The views that the service follows; what the owners must hear is done in a task of its own.
pub(crate) fn views(
    state: &Arc<Leases>,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Vec<Arc<dyn Apply>> {
    let (tell, mut news) = mpsc::unbounded_channel();
    let leases = Arc::downgrade(state);
    tasks.spawn(async move {
        while let Some(Some(news)) = stop.run_until_cancelled(news.recv()).await {
            act(&leases, &news);
        }
    });
    let over: fn(&Arc<View<_>>, &Entity) -> _ = |sessions, entity| {
        let session = sessions.state(&entity.mission, &entity.id).filter(|session| has_ended(session))?;
        Some(News::Over(entity.mission.clone(), session.id.clone()))
    };
    let forced: fn(&Arc<View<_>>, &Entity) -> _ = |_, entity| {
        Some(News::Forced(entity.mission.clone(), LeaseId::new(entity.id.as_str()).ok()?))
    };
    vec![
        Arc::new(Heard { view: Arc::clone(&state.directory.sessions), news: over, tell: tell.clone() }),
        Arc::clone(&state.directory.agents) as Arc<dyn Apply>,
        Arc::new(Heard { view: Arc::clone(&state.forced), news: forced, tell }),
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
