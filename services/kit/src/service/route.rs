//! Routes: which handler serves which call. A read is a function of the views; a write waits.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use selvedge_contracts::{
    call::{Call as CallRow, CallType},
    fault::Fault,
};
use serde::Serialize;
use serde_json::Value;

use super::Call;

/// A handler's answer.
pub type Answer<T> = Result<T, Fault>;

/// A reply's payload, and the bytes beside it.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) payload: Bytes,
    pub(super) attachment: Bytes,
}

pub(super) type Pending<'a> = Pin<Box<dyn Future<Output = Answer<Reply>> + Send + 'a>>;
type ReadHandler<S> = Box<dyn Fn(&S, &Call, Value) -> Answer<Reply> + Send + Sync>;
type WaitHandler<S> = Box<dyn Fn(Arc<S>, Arc<Call>, Value) -> Pending<'static> + Send + Sync>;

/// How a call is handled.
pub(super) enum Handler<S> {
    /// From memory, at once.
    Read(ReadHandler<S>),
    /// With waiting.
    Wait(WaitHandler<S>),
}

/// One call and its handler.
pub struct Route<S> {
    pub(super) row: CallRow,
    pub(super) handler: Handler<S>,
}

/// The routes of a service whose handlers share `S`.
pub type Routes<S> = Vec<Route<S>>;

impl<S: Send + Sync + 'static> Route<S> {
    /// A call answered from the views, without waiting.
    pub fn read<C: CallType>(handler: fn(&S, &Call, C::Request) -> Answer<C::Reply>) -> Self {
        let handler: ReadHandler<S> = Box::new(move |state, call, payload| {
            let reply = handler(state, call, typed::<C>(payload)?)?;
            without_bytes(&reply)
        });
        Self { row: C::CALL, handler: Handler::Read(handler) }
    }

    /// A call that records, or waits for something else.
    pub fn wait<C, F>(handler: fn(Arc<S>, Arc<Call>, C::Request) -> F) -> Self
    where
        C: CallType,
        F: Future<Output = Answer<C::Reply>> + Send + 'static,
    {
        let handler: WaitHandler<S> = Box::new(move |state, call, payload| {
            Box::pin(async move {
                let reply = handler(state, call, typed::<C>(payload)?).await?;
                without_bytes(&reply)
            })
        });
        Self { row: C::CALL, handler: Handler::Wait(handler) }
    }

    /// The same, with bytes beside the reply: at most
    /// [`MAX_ATTACHMENT_BYTES`](selvedge_contracts::envelope::MAX_ATTACHMENT_BYTES) of them.
    pub fn bytes<C, F>(handler: fn(Arc<S>, Arc<Call>, C::Request) -> F) -> Self
    where
        C: CallType,
        F: Future<Output = Answer<(C::Reply, Bytes)>> + Send + 'static,
    {
        let handler: WaitHandler<S> = Box::new(move |state, call, payload| {
            Box::pin(async move {
                let (reply, attachment) = handler(state, call, typed::<C>(payload)?).await?;
                Ok(Reply { payload: to_bytes(&reply)?, attachment })
            })
        });
        Self { row: C::CALL, handler: Handler::Wait(handler) }
    }
}

fn typed<C: CallType>(payload: Value) -> Answer<C::Request> {
    serde_json::from_value(payload)
        .map_err(|error| Fault::invalid("the payload does not fit its type").at("", error.to_string()))
}

fn without_bytes<T: Serialize>(reply: &T) -> Answer<Reply> {
    Ok(Reply { payload: to_bytes(reply)?, attachment: Bytes::new() })
}

fn to_bytes<T: Serialize>(reply: &T) -> Answer<Bytes> {
    serde_json::to_vec(reply)
        .map(Bytes::from)
        .map_err(|error| Fault::internal(format!("cannot write the reply: {error}")))
}
