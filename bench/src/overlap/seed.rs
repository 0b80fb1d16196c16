//! What a service would have recorded, put into the ledger.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use selvedge_contracts::{
    envelope::Envelope,
    fact::{CREATION_PROPOSED, EntityName},
    id::{Caller, CreationId, Digest, KindName, Mission, Owner, ScopeId},
    payload::{
        Nothing, Recorded,
        overlap::{Creation, CreationState, Proposer},
    },
    role::{Role, Service},
    subject::Entity,
};
use selvedge_kit::{
    clock::Deadline,
    credential::Login,
    ledger::{Ledger, NewFact},
};
use selvedge_tests::fabric::{Fabric, connect_bus};

use super::texts::Texts;

/// Facts on their way into the ledger at once.
const AT_ONCE: usize = 256;

/// Writes facts as the service would.
#[derive(Clone)]
pub(crate) struct Seed {
    ledger: Ledger,
    texts: Arc<Texts>,
    /// Every so many things, one is still pending; 0: none is.
    pending_every: u64,
}

impl Seed {
    /// For a fabric, with about so many of so many things pending.
    pub(crate) async fn new(fabric: &Fabric, texts: Arc<Texts>, items: u64, pending: u64) -> Self {
        let login = Login::held(fabric.bus.service_credential(Service::Overlap, "seed"));
        let ledger = Ledger::new(connect_bus(&fabric.bus, login).await);
        Self { ledger, texts, pending_every: items.checked_div(pending).map_or(0, |every| every.max(1)) }
    }

    /// Puts the things of these numbers in; answers with the sequence of the last fact.
    pub(crate) async fn put(&self, numbers: std::ops::Range<u64>) -> u64 {
        let put = |number| {
            let seed = self.clone();
            async move {
                let fact = proposed(seed.creation(number));
                seed.ledger.append(&fact, 0, Deadline::in_ms(30_000)).await.expect("a fact")
            }
        };
        stream::iter(numbers).map(put).buffer_unordered(AT_ONCE).fold(0, async |last, at| at.max(last)).await
    }

    fn creation(&self, number: u64) -> Creation {
        let (mission, what, id) =
            (Mission::new("demo").expect("a name"), KindName::task(), format!("task{number}"));
        let (title, description) = self.texts.text(number);
        let now_ms = selvedge_tests::now_ms();
        let is_pending = self.pending_every > 0 && number.is_multiple_of(self.pending_every);
        Creation {
            creation: CreationId::of(&mission, &what, &id),
            mission,
            what,
            id,
            content: Digest::from(&blake3::hash(title.as_bytes())),
            title,
            description,
            paths: Vec::new(),
            artifacts: Vec::new(),
            part_of: None,
            proposer: Proposer {
                agent: Caller::new("ada-00000001").expect("a name"),
                role: Role::Worker,
                owner: Owner::new("person:olga").expect("an owner"),
                session: ScopeId::new("session_1").expect("a session"),
                task: None,
                request: None,
            },
            place: 0,
            reopened: false,
            state: if is_pending { CreationState::Pending } else { CreationState::Existing },
            checked: None,
            decision: None,
            proposed_at_ms: now_ms,
            expires_at_ms: now_ms + 86_400_000,
        }
    }
}

fn proposed(state: Creation) -> NewFact {
    let entity =
        Entity { mission: state.mission.clone(), name: EntityName::Creation, id: (&state.creation).into() };
    let envelope = Envelope {
        id: format!("seed-{}", state.id),
        kind: CREATION_PROPOSED.kind.kind().to_string(),
        mission: state.mission.to_string(),
        sender: Service::Overlap.name().to_owned(),
        session: "seed".to_owned(),
        sent_at_ms: selvedge_tests::now_ms(),
        payload: serde_json::to_vec(&Recorded { change: Nothing {}, state: &state }).expect("JSON"),
        ..Envelope::default()
    };
    NewFact { entity, fact: CREATION_PROPOSED.kind, envelope, request: None, traceparent: None }
}
