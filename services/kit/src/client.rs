//! The asking side: one call under one deadline, sent again under the same id while that can help.

use std::sync::Arc;

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use selvedge_contracts::{
    call::{Call, CallType, Signature},
    envelope::{Envelope, Form, JSON, MAX_ATTACHED_BODY_BYTES, PROTOBUF, header},
    fault::{CODE_HEADER, Fault},
    id::Mission,
    payload::history::FactLine,
    role::Role,
    sender,
    subject::{EVERY_FACT, Request},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

mod wire;

pub use wire::Wire;

use crate::{
    authority::Identity,
    bus::{Bus, BusError, error_chain},
    clock::{Deadline, now_ms},
    ledger::Ledger,
    signature::Signer,
    telemetry::trace_context,
};

/// Asks services, as the holder of one credential.
#[derive(Clone)]
pub struct Client {
    bus: Bus,
    mission: Mission,
    signer: Option<Arc<Signer>>,
}

/// An answer and the revision it rests on.
#[derive(Debug, Clone)]
pub struct Answered<T> {
    /// The reply.
    pub reply: T,
    /// Ledger revision that it was read at, or that it made.
    pub as_of: u64,
}

/// What a call may be asked with, beyond its payload.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Makes repeated calls with one payload the same call, and one with another payload a `conflict`; a
    /// fresh one if absent.
    pub idempotency_key: Option<String>,
    /// Longest wait in milliseconds, retries included; the call's own if absent.
    pub timeout_ms: Option<u64>,
    /// The answer must be at least as new as this revision.
    pub at_least: u64,
}

/// A sending is given up after this part of the call's own limit: a reply may be lost, or the replica that
/// was asked may have stalled, and another sending finds another one.
const SENDINGS: u64 = 4;
/// Longest wait for the answer to one sending, in milliseconds, however long the call may take.
const LONGEST_SENDING_MS: u64 = 5_000;

impl Client {
    /// Asks in the credential's own mission.
    pub fn new(bus: Bus) -> Self {
        Self { mission: bus.me().mission.clone(), bus, signer: None }
    }

    /// Asks in another mission: what operators may do.
    #[must_use]
    pub fn in_mission(mut self, mission: Mission) -> Self {
        self.mission = mission;
        self
    }

    /// Signs the calls that must be signed.
    #[must_use]
    pub fn signing(mut self, signer: Signer) -> Self {
        self.signer = Some(Arc::new(signer));
        self
    }

    /// A page of the whole ledger, in order: at most `limit` facts after revision `after`. What an
    /// operator's credential may read directly.
    ///
    /// # Errors
    /// `unavailable` if the ledger does not answer.
    pub async fn ledger(&self, after: u64, limit: usize) -> Result<Vec<FactLine>, Fault> {
        const READ_MS: u64 = 30_000;
        let mut facts = Vec::new();
        let ledger = Ledger::new(self.bus.clone());
        let read = ledger.scan(EVERY_FACT, after, limit, Deadline::in_ms(READ_MS), |fact| {
            facts.push(FactLine::from(fact))
        });
        read.await.map_err(|error| Fault::unavailable(error_chain(&error)))?;
        Ok(facts)
    }

    /// The connection it uses.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Makes a call.
    ///
    /// # Errors
    /// The service's [`Fault`], or one of its own: `denied` if the server refuses the subject,
    /// `unavailable` if nobody answered within the deadline.
    pub async fn call<C: CallType>(&self, request: &C::Request) -> Result<Answered<C::Reply>, Fault> {
        self.call_with::<C>(request, &Options::default()).await
    }

    /// Makes a call with options.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_with<C: CallType>(
        &self,
        request: &C::Request,
        options: &Options,
    ) -> Result<Answered<C::Reply>, Fault> {
        let payload = serde_json::to_vec(request)
            .map_err(|error| Fault::invalid(format!("cannot write the request: {error}")))?;
        let envelope = self.exchange(&C::CALL, payload, Bytes::new(), options).await?;
        read_reply(&envelope)
    }

    /// Makes a call that carries bytes beside its request, or is answered with some.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_bytes<C: CallType>(
        &self,
        request: &C::Request,
        attachment: Bytes,
        options: &Options,
    ) -> Result<(Answered<C::Reply>, Bytes), Fault> {
        let payload = serde_json::to_vec(request)
            .map_err(|error| Fault::invalid(format!("cannot write the request: {error}")))?;
        let envelope = self.exchange(&C::CALL, payload, attachment, options).await?;
        Ok((read_reply(&envelope)?, envelope.attachment))
    }

    /// Makes a call that is known by its row in the table alone: for people and scripts.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_named(
        &self,
        call: &Call,
        payload: &Value,
        options: &Options,
    ) -> Result<Answered<Value>, Fault> {
        let envelope = self.exchange(call, payload.to_string().into_bytes(), Bytes::new(), options).await?;
        read_reply(&envelope)
    }

    async fn exchange(
        &self,
        call: &Call,
        payload: Vec<u8>,
        attachment: Bytes,
        options: &Options,
    ) -> Result<Envelope, Fault> {
        let timeout_ms = options.timeout_ms.unwrap_or(call.deadline_ms);
        let envelope = self.envelope(call, payload, attachment, options);
        self.ask(call, envelope, Deadline::in_ms(timeout_ms)).await
    }

    fn envelope(&self, call: &Call, payload: Vec<u8>, attachment: Bytes, options: &Options) -> Envelope {
        let timeout_ms = options.timeout_ms.unwrap_or(call.deadline_ms);
        let sent_at_ms = now_ms();
        Envelope {
            id: uuid::Uuid::now_v7().to_string(),
            kind: call.request_kind().to_string(),
            mission: self.mission.to_string(),
            sender: self.bus.me().agent.to_string(),
            sent_at_ms,
            deadline_at_ms: sent_at_ms + timeout_ms,
            idempotency_key: options.idempotency_key.clone().unwrap_or_default(),
            payload,
            at_least: options.at_least,
            attachment,
            ..Envelope::default()
        }
    }

    /// Sends until there is an answer, the deadline passes, or sending again cannot help.
    async fn ask(&self, call: &Call, envelope: Envelope, deadline: Deadline) -> Result<Envelope, Fault> {
        let subject = self.subject(call).to_string();
        let (body, _) = envelope.write(Form::Protobuf).map_err(|error| Fault::invalid(error.to_string()))?;
        let attempt_ms = (call.deadline_ms / SENDINGS).min(LONGEST_SENDING_MS);
        let mut attempt = 0;
        // Why an earlier sending was to be sent again: the last one often comes too late for an answer.
        let mut before: Option<String> = None;
        loop {
            let headers = self.headers(call, &subject, &body)?;
            let sent =
                self.bus.request(&subject, headers, body.clone(), deadline.at_most_ms(attempt_ms)).await;
            let fault = match sent {
                Ok(message) => match read(&message) {
                    Err(fault) if fault.is_retryable() => {
                        let earlier = before.replace(fault.message.clone());
                        after(fault, earlier)
                    }
                    settled => return settled,
                },
                Err(BusError::Denied { subject }) => return Err(not_for(call, self.bus.me(), &subject)),
                Err(BusError::TooLarge { .. }) => {
                    return Err(Fault::invalid("the request is larger than a message may be"));
                }
                Err(error) => after(Fault::unavailable(error_chain(&error)), before.clone()),
            };
            if deadline.has_passed() {
                return Err(fault);
            }
            deadline.back_off(attempt).await;
            attempt += 1;
        }
    }

    fn subject(&self, call: &Call) -> Request {
        let me = self.bus.me();
        Request {
            mission: self.mission.clone(),
            caller: me.agent.clone(),
            scope: me.scope.clone(),
            service: call.service,
            call: call.name.to_owned(),
        }
    }

    fn headers(&self, call: &Call, subject: &str, body: &[u8]) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        if let Some(traceparent) = trace_context::inject(&tracing::Span::current()) {
            headers.insert(header::TRACEPARENT, traceparent.as_str());
        }
        if call.signature == Signature::Required {
            let signer = self.signer.as_ref().ok_or_else(|| {
                Fault::invalid(format!("{call} must be signed, and no identity key is at hand"))
            })?;
            let signed =
                signer.sign(subject, body, now_ms()).map_err(|error| Fault::invalid(error.to_string()))?;
            headers.insert(sender::HEADER, signed.as_str());
        }
        Ok(headers)
    }
}

/// A fault, with what an earlier sending was told.
fn after(fault: Fault, earlier: Option<String>) -> Fault {
    match earlier.filter(|earlier| *earlier != fault.message) {
        Some(earlier) => Fault { message: format!("{}; before that: {earlier}", fault.message), ..fault },
        None => fault,
    }
}

fn read_reply<T: DeserializeOwned>(envelope: &Envelope) -> Result<Answered<T>, Fault> {
    let reply = serde_json::from_slice(&envelope.payload)
        .map_err(|error| Fault::internal(format!("cannot read the reply: {error}")))?;
    Ok(Answered { reply, as_of: envelope.as_of })
}

fn read(message: &Message) -> Result<Envelope, Fault> {
    let header = |name: &str| {
        message.headers.as_ref().and_then(|headers| headers.get(name)).map(|value| value.as_str())
    };
    if header(CODE_HEADER).is_some() {
        let fault = serde_json::from_slice(&message.payload);
        return Err(fault.unwrap_or_else(|error| Fault::internal(format!("cannot read the fault: {error}"))));
    }
    let unreadable = |error| Fault::internal(format!("cannot read the reply: {error}"));
    match header(header::CONTENT_TYPE) {
        Some(JSON) => Envelope::from_json(&message.payload).map_err(|error| unreadable(error.to_string())),
        _ => Envelope::read_shared(&message.payload, Some(PROTOBUF), MAX_ATTACHED_BODY_BYTES)
            .map(|(envelope, _)| envelope)
            .map_err(|error| unreadable(error.to_string())),
    }
}

/// The server refused the subject: whom the call is for, and who asked, if that is why.
fn not_for(call: &Call, me: &Identity, subject: &str) -> Fault {
    let refused = format!("this credential may not publish {subject}");
    let role = me.scope.role;
    if call.is_allowed_to(role) {
        return Fault::denied(refused);
    }
    let members = call.roles.iter().filter(|role| Role::MEMBERS.contains(role));
    let roles: Vec<&str> = members.map(|role| role.name()).collect();
    let roles = if roles.is_empty() { "services".to_owned() } else { roles.join(" or ") };
    Fault::denied(format!("{call} is for {roles}; {} is a {role}: {refused}", me.agent))
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        call,
        id::{Caller, ScopeId},
        role::{Scope, Service},
    };

    use super::*;

    #[test]
    fn whoever_may_not_ask_is_told_who_may() {
        let row = |service, name| call::find(service, name).unwrap();
        let me = Identity {
            mission: Mission::new("demo").unwrap(),
            agent: Caller::new("ada-0a1b2c3d").unwrap(),
            scope: Scope { role: Role::Worker, id: ScopeId::new("session_1").unwrap() },
        };
        let told = |call| not_for(call, &me, "sv.req").message;
        assert_eq!(
            told(row(Service::Dispatcher, "plan_submit")),
            "dispatcher.plan_submit is for planner or operator; ada-0a1b2c3d is a worker: this credential may not publish sv.req"
        );
        // Its session may be narrower than its role.
        let claim = row(Service::Dispatcher, "task_claim");
        assert_eq!(told(claim), "this credential may not publish sv.req");
    }

    #[test]
    fn what_an_earlier_sending_was_told_is_not_lost_nor_said_twice() {
        let late = || Fault::unavailable("too late");
        assert_eq!(after(late(), None).message, "too late");
        assert_eq!(after(late(), Some("too late".to_owned())).message, "too late");
        let told = after(late(), Some("start the service".to_owned()));
        assert_eq!(told.message, "too late; before that: start the service");
        assert_eq!(told.code, late().code);
    }
}
