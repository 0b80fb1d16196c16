//! Requests as they go onto the bus, kept so that they can be sent as they stand: again, by way of another
//! connection, or with an envelope that says what no honest client would. What tests the fabric needs this;
//! agents do not.

use selvedge_contracts::{
    call::Call,
    envelope::{Envelope, Form},
    fault::Fault,
};
use serde_json::Value;

use super::{Client, Options, read};
use crate::{
    bus::{BusError, error_chain},
    clock::Deadline,
};
use async_nats::HeaderMap;
use bytes::Bytes;

/// A request, written and signed if it has to be.
#[derive(Debug, Clone)]
pub struct Wire {
    subject: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Wire {
    /// Its subject.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The same under another subject.
    #[must_use]
    pub fn addressed(self, subject: String) -> Self {
        Self { subject, ..self }
    }
}

impl Client {
    /// Writes a request without sending it; `edit` may have the envelope say something else.
    ///
    /// # Errors
    /// `invalid` if it cannot be written or signed.
    pub fn wire(
        &self,
        call: &Call,
        payload: &Value,
        options: &Options,
        edit: impl FnOnce(&mut Envelope),
    ) -> Result<Wire, Fault> {
        let mut envelope = self.envelope(call, payload.to_string().into_bytes(), Bytes::new(), options);
        edit(&mut envelope);
        let subject = self.subject(call).to_string();
        let (body, _) = envelope.write(Form::Protobuf).map_err(|error| Fault::invalid(error.to_string()))?;
        let headers = self.headers(call, &subject, &body)?;
        Ok(Wire { subject, headers, body })
    }

    /// Sends a request once, as it stands, and answers with the reply's payload.
    ///
    /// # Errors
    /// The service's [`Fault`]; `denied` if the server refuses the subject; `unavailable` if nobody answered
    /// within the deadline.
    pub async fn send(&self, wire: &Wire, deadline: Deadline) -> Result<Value, Fault> {
        let sent = self.bus.request(&wire.subject, wire.headers.clone(), wire.body.clone(), deadline).await;
        match sent {
            Ok(message) => {
                let envelope = read(&message)?;
                serde_json::from_slice(&envelope.payload)
                    .map_err(|error| Fault::internal(format!("cannot read the reply: {error}")))
            }
            Err(BusError::Denied { subject }) => {
                Err(Fault::denied(format!("this credential may not publish {subject}")))
            }
            Err(error) => Err(Fault::unavailable(error_chain(&error))),
        }
    }
}
