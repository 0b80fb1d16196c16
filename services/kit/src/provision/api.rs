//! The few calls of the JetStream API that provisioning makes, each tried again until the deadline while
//! a cluster has no leader yet.

use std::time::Duration;

use async_nats::jetstream::{
    self, ErrorCode,
    consumer::Config as ConsumerConfig,
    context::{RequestError, RequestErrorKind},
    response::Response,
    stream::Config as StreamConfig,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a call of the JetStream API failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It was not answered.
    #[error("the JetStream API did not answer")]
    Request(#[from] RequestError),
    /// It was refused.
    #[error("the JetStream API refused")]
    Refused(#[from] jetstream::Error),
}

impl CallError {
    /// Whether it may pass by itself: no leader, no peers, not started yet.
    fn is_passing(&self) -> bool {
        match self {
            Self::Request(error) => {
                matches!(error.kind(), RequestErrorKind::TimedOut | RequestErrorKind::NoResponders)
            }
            Self::Refused(error) => matches!(
                error.error_code(),
                ErrorCode::CLUSTER_NOT_AVAILABLE
                    | ErrorCode::CLUSTER_NOT_LEADER
                    | ErrorCode::CLUSTER_NOT_ACTIVE
                    | ErrorCode::CLUSTER_NO_PEERS
                    | ErrorCode::INSUFFICIENT_RESOURCES
                    | ErrorCode::STREAM_OFFLINE
                    | ErrorCode::CONSUMER_OFFLINE
                    | ErrorCode::JETSTREAM_NOT_ENABLED
                    | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT
            ),
        }
    }

    fn is(&self, code: ErrorCode) -> bool {
        matches!(self, Self::Refused(error) if error.error_code() == code)
    }
}

/// Whether what is missing is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// It is.
    Make,
    /// Nothing is changed.
    Look,
}

pub(super) struct Api {
    jetstream: jetstream::Context,
    deadline: Instant,
    intent: Intent,
}

#[derive(Deserialize)]
struct Info<C> {
    config: C,
}

impl Api {
    pub(super) fn new(jetstream: jetstream::Context, deadline: Instant, intent: Intent) -> Self {
        Self { jetstream, deadline, intent }
    }

    pub(super) async fn stream(&self, name: &str) -> Result<Option<StreamConfig>, CallError> {
        self.find(format!("STREAM.INFO.{name}"), ErrorCode::STREAM_NOT_FOUND).await
    }

    pub(super) async fn create_stream(&self, config: &StreamConfig) -> Result<(), CallError> {
        self.change(format!("STREAM.CREATE.{}", config.name), config).await
    }

    pub(super) async fn update_stream(&self, config: &StreamConfig) -> Result<(), CallError> {
        self.change(format!("STREAM.UPDATE.{}", config.name), config).await
    }

    pub(super) async fn consumer(
        &self,
        stream: &str,
        name: &str,
    ) -> Result<Option<ConsumerConfig>, CallError> {
        self.find(format!("CONSUMER.INFO.{stream}.{name}"), ErrorCode::CONSUMER_NOT_FOUND).await
    }

    /// Makes the consumer, or updates it.
    pub(super) async fn put_consumer(
        &self,
        stream: &str,
        name: &str,
        config: &ConsumerConfig,
    ) -> Result<(), CallError> {
        let body = json!({ "stream_name": stream, "config": config });
        self.change(format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"), &body).await
    }

    async fn change(&self, subject: String, body: &impl Serialize) -> Result<(), CallError> {
        match self.intent {
            Intent::Make => self.call::<Value>(subject, body).await.map(drop),
            Intent::Look => Ok(()),
        }
    }

    async fn find<C: DeserializeOwned>(
        &self,
        subject: String,
        absent: ErrorCode,
    ) -> Result<Option<C>, CallError> {
        match self.call::<Info<C>>(subject, &json!({})).await {
            Ok(info) => Ok(Some(info.config)),
            // A consumer is absent, too, where its stream is.
            Err(error) if error.is(absent) || error.is(ErrorCode::STREAM_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn call<V: DeserializeOwned>(
        &self,
        subject: String,
        body: &impl Serialize,
    ) -> Result<V, CallError> {
        loop {
            match self.attempt(subject.clone(), body).await {
                Err(error) if error.is_passing() && Instant::now() < self.deadline => sleep(PAUSE).await,
                outcome => return outcome,
            }
        }
    }

    async fn attempt<V: DeserializeOwned>(
        &self,
        subject: String,
        body: &impl Serialize,
    ) -> Result<V, CallError> {
        match self.jetstream.request(subject, body).await? {
            Response::Ok(answer) => Ok(answer),
            Response::Err { error } => Err(error.into()),
        }
    }
}
