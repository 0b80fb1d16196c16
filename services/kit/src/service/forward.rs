//! Passing requests on: a request reaches any replica of its service, but some are for the one that owns
//! what they are about. A replica that is not the owner passes the message on as it came, and relays the
//! answer; the owner judges it like any other, by the subject that its sender published.
//!
//! What was passed on is never passed on again: whoever passed it looks again for the owner.

use std::{sync::Arc, time::Duration};

use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use selvedge_contracts::{
    call::CallType,
    envelope::{Envelope, Form, PROTOBUF},
    fault::{CODE_HEADER, Code, Fault},
    id::ScopeId,
    subject::{PING, before_forwarding, forwards_to, ping},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;

use super::{Call, runtime::Runtime};
use crate::{
    bus::{Bus, BusError, error_chain},
    clock::Deadline,
};

/// How a request came, so that it can be passed on as it is.
pub(crate) struct Passing {
    bus: Bus,
    headers: HeaderMap,
    body: Bytes,
    form: Form,
    /// Whether another replica passed it on to us.
    is_forwarded: bool,
}

/// Why another instance gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// It is gone, or says nothing any more.
    #[error("the instance {0} does not answer")]
    Gone(ScopeId),
    /// It refuses the request.
    #[error(transparent)]
    Refused(#[from] Fault),
}

/// How long an instance may take before it is asked whether it lives, and how long for that answer, in
/// milliseconds.
const SILENCE_MS: u64 = 1_000;

impl Call {
    /// Whether another replica passed it on: then it must not be passed on again.
    pub fn is_forwarded(&self) -> bool {
        self.passing.as_ref().is_some_and(|passing| passing.is_forwarded)
    }

    /// Passes the request on to another instance and answers with its reply.
    ///
    /// # Errors
    /// [`ForwardError::Gone`] if that instance is gone or silent; what it did with the request is unknown.
    pub async fn forward<C: CallType>(&self, to: &ScopeId) -> Result<C::Reply, ForwardError> {
        let passing =
            self.passing.as_ref().ok_or_else(|| Fault::internal("this service has one instance"))?;
        let subject = self.subject.forward(to);
        let asked =
            passing.bus.request(&subject, passing.headers.clone(), passing.body.clone(), self.deadline());
        tokio::pin!(asked);
        let answer = loop {
            let silence = tokio::time::sleep(Duration::from_millis(SILENCE_MS));
            tokio::select! {
                answer = &mut asked => break answer,
                () = silence => self.is_alive(&passing.bus, to).await?,
            }
        };
        match answer {
            Ok(answer) => Ok(read::<C>(&answer, passing.form)?),
            Err(BusError::NoResponders { .. }) => Err(ForwardError::Gone(to.clone())),
            Err(error) => {
                Err(Fault::unavailable(format!("{}; send the request again", error_chain(&error))).into())
            }
        }
    }

    async fn is_alive(&self, bus: &Bus, instance: &ScopeId) -> Result<(), ForwardError> {
        let subject = ping(self.subject.service, instance);
        let pong = bus.request(&subject, HeaderMap::new(), Bytes::new(), Deadline::in_ms(SILENCE_MS)).await;
        pong.map(drop).map_err(|error| {
            debug!(%instance, error = error_chain(&error), "no sign of life");
            ForwardError::Gone(instance.clone())
        })
    }
}

fn read<C: CallType>(answer: &Message, form: Form) -> Result<C::Reply, Fault> {
    let is_refusal = answer.headers.as_ref().is_some_and(|headers| headers.get(CODE_HEADER).is_some());
    if is_refusal {
        let fault = serde_json::from_slice(&answer.payload);
        return Err(fault.unwrap_or_else(|error| Fault::internal(format!("cannot read the fault: {error}"))));
    }
    let unreadable =
        |error: &dyn std::fmt::Display| Fault::internal(format!("cannot read the reply: {error}"));
    let payload = match form {
        Form::Bare => answer.payload.to_vec(),
        Form::Json => Envelope::from_json(&answer.payload).map_err(|error| unreadable(&error))?.payload,
        Form::Protobuf => {
            Envelope::read(&answer.payload, Some(PROTOBUF)).map_err(|error| unreadable(&error))?.0.payload
        }
    };
    serde_json::from_slice(&payload).map_err(|error| unreadable(&error))
}

impl<S: Send + Sync + 'static> Runtime<S> {
    /// How the message came, for services that pass requests on.
    pub(super) fn passing(&self, message: &Message, form: Form, is_forwarded: bool) -> Option<Passing> {
        self.setup.instance.as_ref()?;
        Some(Passing {
            bus: self.setup.ledger.bus().clone(),
            headers: message.headers.clone().unwrap_or_default(),
            body: message.payload.clone(),
            form,
            is_forwarded,
        })
    }

    /// Subject of what other replicas pass on to this instance, if its service does that.
    pub(super) fn forwards(&self) -> Option<String> {
        self.setup.instance.as_ref().map(|instance| forwards_to(self.setup.service, instance))
    }

    /// Takes what other replicas pass on, until `stop`. Who asks then finds nobody here.
    pub(super) async fn receive_forwarded(
        self: Arc<Self>,
        mut forwards: Subscriber,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) {
        while let Some(Some(mut message)) = stop.run_until_cancelled(forwards.next()).await {
            if message.subject.ends_with(PING) {
                if let Some(reply) = message.reply {
                    self.send(&reply, HeaderMap::new(), Bytes::new()).await;
                }
                continue;
            }
            let Some(subject) = before_forwarding(&message.subject) else { continue };
            message.subject = subject.into();
            self.take(message, &tasks, true).await;
        }
        // What the server sent before it knew that we leave is for the new owner to answer.
        if forwards.unsubscribe().await.is_ok() {
            while let Some(message) = forwards.next().await {
                if let Some(reply) = message.reply {
                    let fault = Fault::new(Code::Unavailable, "this instance stops; ask again");
                    self.refuse(&reply, &fault).await;
                }
            }
        }
    }
}
