//! Judging a request before its handler sees it: who asks, whether they may, what they sent, until
//! when, and whether what must hold does hold.

use std::sync::{Arc, Mutex, OnceLock, atomic::AtomicU64};

use async_nats::HeaderMap;
use selvedge_contracts::{
    call::{Access, Call as CallRow, Signature},
    envelope::{Envelope, Form, header},
    fact::EntityName,
    fault::{Code, Fault},
    id::{EntityId, Mission},
    sender,
    subject::{Entity, Request},
};
use serde_json::Value;

use super::{
    Call, Writer,
    call::{self, Names},
    open::{self, Opened},
    precondition,
    runtime::{Runtime, Work},
};
use crate::{
    bus::error_chain,
    clock::{Deadline, now_ms},
    identity::Standing,
    sabotage::{Guard, is_broken},
    signature::{self, Verified},
    telemetry::trace_context::TraceParent,
    view::Feed,
};

/// A request that may be handled.
struct Judged {
    envelope: Envelope,
    standing: Standing,
    signature: Option<Verified>,
    deadline: Deadline,
    now_ms: u64,
}

/// What came of judging a request without waiting.
pub(super) enum Prepared {
    /// It can be handled.
    Ready { call: Arc<Call>, payload: Value, form: Form },
    /// The views do not know enough yet.
    MustWait,
}

impl<S: Send + Sync + 'static> Runtime<S> {
    /// Judges a request as far as it can be without waiting.
    pub(super) fn prepare(&self, work: &Work, standing: Option<Standing>) -> Result<Prepared, Fault> {
        let now_ms = now_ms();
        let (Some((row, names)), Some(schema)) = (self.rows.get(work.route), self.schemas.get(work.route))
        else {
            return Err(Fault::internal("no such route"));
        };
        let empty = HeaderMap::new();
        let headers = work.message.headers.as_ref().unwrap_or(&empty);
        let has_waited = standing.is_some();
        let standing = match standing {
            Some(standing) => standing,
            None => match self.setup.directory.known_standing(&work.subject, now_ms) {
                Ok(standing) => standing,
                Err(_) => return Ok(Prepared::MustWait),
            },
        };
        may_call(row, &work.subject, &standing)?;
        let Opened { mut envelope, form } = open::open(&work.message.payload, headers, row.attachment)?;
        uncontradicted(&envelope, &work.subject, &names.request, &standing)?;
        let deadline = deadline_of(&envelope, row.deadline_ms, now_ms)?;
        let header = headers.get(sender::HEADER).map(|value| value.as_str());
        let signature = self.signature(row.signature, header, work, now_ms)?;
        let is_strange = signature.as_ref().is_some_and(|verified| !standing.holds(&verified.key));
        let is_ahead = envelope.at_least > self.setup.feed.watermark();
        if !has_waited && (is_strange || is_ahead || !envelope.preconditions.is_empty()) {
            return Ok(Prepared::MustWait);
        }
        let payload = open::payload(&std::mem::take(&mut envelope.payload), schema)?;
        let judged = Judged { envelope, standing, signature, deadline, now_ms };
        let call = self.call(judged, work, (row, names), headers, (form, &payload));
        Ok(Prepared::Ready { call, payload, form })
    }

    /// The call that a judged request is.
    fn call(
        &self,
        judged: Judged,
        work: &Work,
        (row, names): (&'static CallRow, &Arc<Names>),
        headers: &HeaderMap,
        (form, payload): (Form, &Value),
    ) -> Arc<Call> {
        let Judged { envelope, standing, signature, deadline, now_ms } = judged;
        let text = |name: &str| headers.get(name).map(|value| value.as_str());
        // By the standard, what is no trace context is ignored; it must not get into the ledger either.
        let trace = text(header::TRACEPARENT).and_then(|value| value.parse::<TraceParent>().ok());
        let traceparent = trace.map(|trace| trace.to_string());
        let signed = signature.as_ref().zip(text(sender::HEADER));
        let attestation =
            signed.map(|(verified, header)| call::attestation(verified, header, &work.subject, &standing));
        let nonce = signature.as_ref().map(|verified| verified.nonce.as_str());
        // What only a write needs is not made for a read.
        let (key, origin) = match row.access {
            Access::Read => (None, Envelope::default()),
            Access::Write => (
                open::request_key(&envelope, nonce),
                call::origin(&envelope, &work.subject, &standing, attestation),
            ),
        };
        let writer = Writer {
            ledger: self.setup.ledger.clone(),
            feed: self.setup.feed.clone(),
            attempts: self.setup.limits.write_attempts,
            deadline,
            digest: key.as_ref().map(|key| key.digest(&work.subject, &names.call, payload)),
            key,
            origin,
            traceparent: traceparent.clone(),
            revision: AtomicU64::new(0),
        };
        let (subject, names) = (work.subject.clone(), Arc::clone(names));
        let passing = self.passing(&work.message, form, work.is_forwarded);
        Arc::new(Call {
            row,
            names,
            subject,
            envelope,
            standing,
            signature,
            now_ms,
            traceparent,
            writer,
            passing,
            place: OnceLock::new(),
            undo: Mutex::default(),
        })
    }

    /// Judges a request that must wait for the views to catch up: with a caller, a revision or a
    /// precondition that they do not know yet.
    pub(super) async fn prepare_slowly(&self, work: &Work) -> Result<(Arc<Call>, Value, Form), Fault> {
        const LONGEST_WAIT_MS: u64 = 5_000;
        let deadline = Deadline::in_ms(LONGEST_WAIT_MS);
        let (feed, directory) = (&self.setup.feed, &self.setup.directory);
        let standing = directory.standing(&work.subject, now_ms(), feed, deadline).await?;
        let (mut call, mut payload, mut form) = self.prepare_now(work, standing)?;
        if !call.is_signed_by_its_agent() {
            // The key may have been replaced a moment ago, by another replica.
            directory.refresh(&work.subject, feed, deadline).await?;
            (call, payload, form) =
                self.prepare_now(work, directory.known_standing(&work.subject, now_ms())?)?;
            is_repetition_of_its_agent(&call).await?;
        }
        exists(&call, feed).await?;
        if !feed.reaches(call.envelope.at_least, call.deadline()).await {
            let message = format!(
                "revision {} is not known here yet (at {})",
                call.envelope.at_least,
                feed.watermark()
            );
            return Err(Fault::unavailable(message));
        }
        precondition::check(&call).await?;
        Ok((call, payload, form))
    }

    fn prepare_now(&self, work: &Work, standing: Standing) -> Result<(Arc<Call>, Value, Form), Fault> {
        match self.prepare(work, Some(standing))? {
            Prepared::Ready { call, payload, form } => Ok((call, payload, form)),
            Prepared::MustWait => Err(Fault::internal("a judged request must wait again")),
        }
    }

    /// The signature, if there is one; whose key it is, is another question.
    fn signature(
        &self,
        wanted: Signature,
        header: Option<&str>,
        work: &Work,
        now_ms: u64,
    ) -> Result<Option<Verified>, Fault> {
        let verified = match header {
            None => None,
            Some(header) => {
                let (subject, body) = (work.message.subject.as_str(), work.message.payload.as_ref());
                signature::verify(header, subject, body, &self.setup.account, now_ms).map_err(|error| {
                    Fault::invalid("the signature does not count").at(sender::HEADER, error.to_string())
                })?
            }
        };
        match verified {
            None if wanted == Signature::Required => {
                Err(Fault::denied("this call must be signed with the agent's identity key")
                    .at(sender::HEADER, "expected the header of the Synadia Agent Protocol, version 1"))
            }
            verified => Ok(verified),
        }
    }
}

/// Refuses to wait for a revision that the ledger has not reached: it may never come.
async fn exists(call: &Call, feed: &Feed) -> Result<(), Fault> {
    let wanted = call.envelope.at_least;
    if wanted <= feed.watermark() {
        return Ok(());
    }
    let last = call.ledger().last_revision(call.deadline()).await;
    let last = last.map_err(|error| Fault::unavailable(error.to_string()))?;
    if wanted <= last {
        return Ok(());
    }
    let message = format!("revision {wanted} does not exist: the ledger's last one is {last}");
    Err(Fault::invalid(message).at("at_least", "expected a revision that a reply or fact has named"))
}

/// Refuses an envelope that says what its credential does not.
fn uncontradicted(
    envelope: &Envelope,
    subject: &Request,
    kind: &str,
    standing: &Standing,
) -> Result<(), Fault> {
    let session = standing.session.as_ref();
    let task = session.and_then(|session| session.task.as_ref()).map(|task| task.as_str());
    let root = session.and_then(|session| session.request.as_ref()).map(|root| root.as_str());
    let details = open::contradictions(envelope, subject, kind, task, root);
    if details.is_empty() {
        return Ok(());
    }
    let message = "the envelope contradicts the credential or its bounds".to_owned();
    Err(Fault { code: Code::Invalid, message, details })
}

/// Lets a request pass that another key signed than the agent's, if it is the one by which the agent
/// replaced the key: its reply was lost, and the agent asks again with what it had. Its handler finds it
/// recorded and records nothing.
async fn is_repetition_of_its_agent(call: &Call) -> Result<(), Fault> {
    let Some((agent, _)) = call.standing.agent.as_ref().filter(|_| !call.is_signed_by_its_agent()) else {
        return Ok(());
    };
    let entity =
        Entity { mission: Mission::kluster(), name: EntityName::Agent, id: EntityId::from(&agent.id) };
    if let Some(digest) = call.writer.digest {
        let recorded = call.ledger().find(&entity, digest, call.deadline()).await;
        let recorded = recorded.map_err(|error| Fault::unavailable(error_chain(&error)))?;
        let request = recorded.and_then(|fact| fact.request);
        if request.is_some_and(|request| !request.differs_in_payload_from(digest)) {
            return Ok(());
        }
    }
    Err(Fault::denied(format!("the signature is not by {}'s identity key", agent.id)))
}

/// Whether the table and the session's own narrower list let the caller make this call. nats-server has
/// already said so of the role; the list is ours to keep.
fn may_call(row: &CallRow, subject: &Request, standing: &Standing) -> Result<(), Fault> {
    if is_broken(Guard::Rights) {
        return Ok(());
    }
    if !row.is_allowed_to(subject.scope.role) {
        return Err(Fault::denied(format!("{} may not call {row}", subject.scope.role)));
    }
    let narrowed = standing.session.as_ref().and_then(|session| session.calls.as_ref());
    match narrowed {
        Some(calls) if !calls.contains(&row.to_string()) => Err(Fault::denied(format!(
            "session {} may not call {row}: it was started for {}",
            subject.scope.id,
            calls.join(", ")
        ))),
        _ => Ok(()),
    }
}

fn deadline_of(envelope: &Envelope, longest_ms: u64, now_ms: u64) -> Result<Deadline, Fault> {
    match envelope.deadline_at_ms {
        0 => Ok(Deadline::in_ms(longest_ms)),
        at if at <= now_ms => {
            let message = format!(
                "the deadline passed {} ms before the request arrived; nothing was done",
                now_ms - at
            );
            Err(Fault::unavailable(message)
                .at("deadline_at_ms", "expected Unix time in milliseconds, in the future"))
        }
        at => Ok(Deadline::in_ms((at - now_ms).min(longest_ms))),
    }
}
