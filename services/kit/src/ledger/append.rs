//! Appending facts. Correctness rests on the guard alone: no `Nats-Msg-Id` rides along, since a repeated
//! append fails its guard and finds its own fact, and the server would keep every id for its window. Kind and mission stand in the subject, the sender in the body,
//! which is JSON: no header repeats them.

use async_nats::HeaderMap;
use bytes::Bytes;
use selvedge_contracts::{
    envelope::{Envelope, header},
    fact::FactKind,
    subject::Entity,
};

use super::{Ledger, RequestDigest};
use crate::{
    clock::Deadline,
    jetstream::{AppendError, guard, publish},
    sabotage::{Guard, is_broken},
};

/// A fact that is not yet in the ledger.
#[derive(Debug, Clone)]
pub struct NewFact {
    /// The entity it is about.
    pub entity: Entity,
    /// What happened.
    pub fact: FactKind,
    /// The whole of it, payload included.
    pub envelope: Envelope,
    /// The request that led to it.
    pub request: Option<RequestDigest>,
    /// Trace context to pass on.
    pub traceparent: Option<String>,
}

/// A fact as it goes onto the bus.
pub(crate) struct FactMessage {
    pub(crate) subject: String,
    pub(crate) body: Bytes,
    headers: HeaderMap,
}

/// Most facts of one atomic batch (nats-server's bound).
pub(crate) const MAX_BATCH: usize = 1_000;

impl Ledger {
    /// Records one fact if its entity's last fact is still at `expected` (0: there is none yet), and
    /// answers with its revision.
    ///
    /// # Errors
    /// [`AppendError`]; after [`AppendError::Unavailable`] the outcome is unknown.
    pub async fn append(
        &self,
        fact: &NewFact,
        expected: u64,
        deadline: Deadline,
    ) -> Result<u64, AppendError> {
        self.append_message(fact.message(expected)?, deadline).await
    }

    /// [`Ledger::append`] of a fact that is written already.
    pub(crate) async fn append_message(
        &self,
        message: FactMessage,
        deadline: Deadline,
    ) -> Result<u64, AppendError> {
        publish(&self.bus, &message.subject, message.headers, message.body, deadline).await
    }

    /// Records several facts, all or none, each under its own entity's guard, and answers with the
    /// revision of the last; the others' revisions lie directly before it, in order.
    ///
    /// # Errors
    /// [`AppendError`]; after [`AppendError::Unavailable`] the outcome is unknown.
    pub async fn append_batch(
        &self,
        facts: &[(NewFact, u64)],
        deadline: Deadline,
    ) -> Result<u64, AppendError> {
        let batch = uuid::Uuid::now_v7().simple().to_string();
        let Some(((last, last_expected), first)) = facts.split_last() else {
            return Err(AppendError::Rejected { code: 0, description: "an empty batch".to_owned() });
        };
        if facts.len() > MAX_BATCH {
            return Err(AppendError::Rejected {
                code: 0,
                description: format!("more than {MAX_BATCH} facts"),
            });
        }
        for (index, (fact, expected)) in first.iter().enumerate() {
            let headers = in_batch(fact.headers(*expected), &batch, index);
            let body: Bytes = fact.envelope.to_json()?.into();
            self.bus.publish(fact.entity.fact(fact.fact.name), headers, body).await?;
        }
        let mut headers = in_batch(last.headers(*last_expected), &batch, first.len());
        headers.insert("Nats-Batch-Commit", "1");
        let subject = last.entity.fact(last.fact.name);
        publish(&self.bus, &subject, headers, last.envelope.to_json()?.into(), deadline).await
    }
}

fn in_batch(mut headers: HeaderMap, batch: &str, index: usize) -> HeaderMap {
    headers.insert("Nats-Batch-Id", batch);
    headers.insert("Nats-Batch-Sequence", (index + 1).to_string().as_str());
    headers
}

impl NewFact {
    /// The fact, written, and guarded by the revision `expected` of its entity.
    pub(crate) fn message(&self, expected: u64) -> Result<FactMessage, AppendError> {
        Ok(FactMessage {
            subject: self.entity.fact(self.fact.name),
            body: self.envelope.to_json()?.into(),
            headers: self.headers(expected),
        })
    }

    fn headers(&self, expected: u64) -> HeaderMap {
        let mut headers = match is_broken(Guard::Append) {
            false => guard(&self.entity.filter(), expected),
            true => HeaderMap::new(),
        };
        if let Some(request) = self.request {
            headers.insert(header::REQUEST, request.to_header().as_str());
        }
        if let Some(traceparent) = &self.traceparent {
            headers.insert(header::TRACEPARENT, traceparent.as_str());
        }
        headers
    }
}
