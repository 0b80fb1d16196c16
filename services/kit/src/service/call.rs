//! One request, judged as far as it can be without its handler: who asks, for what, until when.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use selvedge_contracts::{
    call::Call as CallRow,
    envelope::{Attestation, Envelope},
    fault::Fault,
    id::{AgentId, Mission, Owner},
    payload::{agent::Agent, session::Session},
    role::Role,
    subject::Request,
};

use super::{
    Writer,
    forward::Passing,
    slots::{Parked, Slot},
    unheard::Undo,
};
use crate::{
    clock::Deadline,
    identity::Standing,
    ledger::{Ledger, RequestDigest},
    signature::Verified,
    view::Entry,
};

/// The names that follow from a row of the table, made once.
pub(super) struct Names {
    /// `service.call`
    pub(super) call: String,
    /// Kind of the request's payload.
    pub(super) request: String,
    /// Kind of the reply's payload.
    pub(super) reply: String,
}

impl Names {
    pub(super) fn of(row: &CallRow) -> Self {
        Self {
            call: row.to_string(),
            request: row.request_kind().to_string(),
            reply: row.reply_kind().to_string(),
        }
    }
}

/// One request on its way to its handler.
pub struct Call {
    /// Its row in the table of calls.
    pub row: &'static CallRow,
    /// The names that follow from the row.
    pub(super) names: Arc<Names>,
    /// Who asks, for which mission, under which credential: proved by nats-server.
    pub subject: Request,
    /// The envelope; its payload has been taken out.
    pub envelope: Envelope,
    /// Who stands behind the credential.
    pub standing: Standing,
    /// The signature, if there is one.
    pub signature: Option<Verified>,
    /// When it was received: Unix time in milliseconds.
    pub now_ms: u64,
    /// Trace context it came with.
    pub traceparent: Option<String>,
    /// Records what follows from it.
    pub writer: Writer,
    /// How it came, where it may be passed on.
    pub(super) passing: Option<Passing>,
    /// The place that it takes while it is worked on; none for what is answered at once.
    pub(super) place: OnceLock<Arc<Slot>>,
    /// What is done if nobody hears its answer.
    pub(super) undo: Mutex<Option<Undo>>,
}

impl Call {
    /// Mission of the credential.
    pub fn mission(&self) -> &Mission {
        &self.subject.mission
    }

    /// Role of the credential.
    pub fn role(&self) -> Role {
        self.subject.scope.role
    }

    /// The session whose credential is used.
    ///
    /// # Errors
    /// `denied` if the caller acts outside any session.
    pub fn session(&self) -> Result<&Arc<Session>, Fault> {
        self.standing.session.as_ref().ok_or_else(|| Fault::denied("this call needs a session's credential"))
    }

    /// The agent that asks.
    ///
    /// # Errors
    /// `denied` if the caller is no agent.
    pub fn agent(&self) -> Result<&Arc<Agent>, Fault> {
        let agent = self.standing.agent.as_ref().map(|(agent, _)| agent);
        agent.ok_or_else(|| Fault::denied("this call is for agents"))
    }

    /// The agent's id.
    ///
    /// # Errors
    /// `denied` if the caller is no agent.
    pub fn agent_id(&self) -> Result<AgentId, Fault> {
        AgentId::new(self.subject.caller.as_str()).map_err(|_| Fault::denied("this call is for agents"))
    }

    /// Whether the signature, if there is one, is by the present identity key of the agent that asks.
    pub(super) fn is_signed_by_its_agent(&self) -> bool {
        self.signature.as_ref().is_none_or(|signature| self.standing.holds(&signature.key))
    }

    /// Who answers for the caller, if it is known.
    pub fn owner(&self) -> Option<&Owner> {
        self.standing.session.as_ref().map(|session| &session.owner)
    }

    /// The digest that ids made by this call derive from; random where the request cannot be repeated.
    pub fn digest_or_random(&self) -> RequestDigest {
        self.writer.digest.unwrap_or_else(RequestDigest::random)
    }

    /// What a repetition of this request is known by, as text; nothing where it cannot be repeated.
    pub fn repetition(&self) -> Option<String> {
        self.writer.digest.map(|digest| digest.to_string())
    }

    /// Whether an earlier sending of this very request probably led to one of the entity's facts.
    pub fn has_recorded<S>(&self, entry: &Entry<S>) -> bool {
        self.writer.digest.is_some_and(|digest| entry.may_hold(digest))
    }

    /// Gives back the place that the call takes among those that are worked on, for as long as it waits for
    /// something to happen. Nothing if too many wait already: then it is to be answered without waiting.
    pub fn park(&self) -> Option<Parked<'_>> {
        self.place.get()?.park()
    }

    /// Has something done if nobody is there any more to hear the answer, as far as nats-server knows: never if
    /// somebody heard it, and perhaps not if nobody did.
    pub fn if_unheard(&self, undo: impl FnOnce() + Send + 'static) {
        *self.undo.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(undo));
    }

    /// When its answer is worth nothing any more.
    pub fn deadline(&self) -> Deadline {
        self.writer.deadline
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.writer.ledger
    }
}

/// The envelope that every fact of a request starts from.
pub(super) fn origin(
    request: &Envelope,
    subject: &Request,
    standing: &Standing,
    attestation: Option<Attestation>,
) -> Envelope {
    let session = standing.session.as_ref();
    let task = session.and_then(|session| session.task.as_ref());
    let root = session.and_then(|session| session.request.as_ref());
    Envelope {
        mission: subject.mission.to_string(),
        sender: subject.caller.to_string(),
        session: subject.scope.id.to_string(),
        task: task.map(ToString::to_string).unwrap_or_default(),
        cause: request.id.clone(),
        root: root.map(ToString::to_string).unwrap_or_default(),
        attestation,
        ..Envelope::default()
    }
}

/// What was signed, as it is stored with the facts that follow from it.
pub(super) fn attestation(
    verified: &Verified,
    header: &str,
    subject: &Request,
    standing: &Standing,
) -> Attestation {
    Attestation {
        subject: subject.to_string(),
        payload_sha256: verified.payload_sha256.to_vec(),
        header: header.to_owned(),
        key_revision: standing.agent.as_ref().map_or(0, |(_, revision)| *revision),
    }
}
