//! Makes and updates the streams, buckets and consumers of a kluster, as `up` and `init` do.
//!
//! Never takes anything away: where an existing stream differs in a way that would lose data, it is
//! left as it is and the difference is an error. What each stream looks like stands in `streams.rs`.

mod api;
mod consumers;
mod judge;
mod streams;

use std::time::Duration;

use async_nats::jetstream::{self, stream::Config};
use selvedge_contracts::stream::FOLLOWERS;
use tokio::time::Instant;

use crate::authority::{Credential, push::connect_options};
pub use api::CallError;
use api::{Api, Intent};
use judge::Judgement;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one attempt may take. A cluster without a leader does not answer at all; making the same
/// thing twice does no harm.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);

/// What provisioning is to make.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Copies of every stream: 1, or 3 on a cluster.
    pub replicas: usize,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// What provisioning did, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Streams that were not there.
    pub created: Vec<String>,
    /// Streams that were there and differed.
    pub updated: Vec<String>,
    /// Consumers that were not there or differed.
    pub consumers: Vec<String>,
}

impl Report {
    /// Whether nothing had to be done.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// Why provisioning stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The credential cannot be used.
    #[error("the provisioning credential cannot be used")]
    Credential(#[from] crate::authority::Error),
    /// No server could be reached.
    #[error("cannot connect to nats-server at {servers}")]
    Connect {
        /// Where it was tried.
        servers: String,
        /// Why not.
        source: async_nats::ConnectError,
    },
    /// A stream that is there would lose data.
    #[error("stream {stream} was left as it is: {reason}; change it by hand, after taking a copy")]
    WouldLose {
        /// Which stream.
        stream: String,
        /// What would be lost.
        reason: String,
    },
    /// A stream could not be made, changed or looked up.
    #[error("cannot provision stream {stream}")]
    Stream {
        /// Which stream.
        stream: String,
        /// Why not.
        source: CallError,
    },
    /// A consumer could not be made or changed.
    #[error("cannot provision consumer {consumer}")]
    Consumer {
        /// Which consumer.
        consumer: String,
        /// Why not.
        source: CallError,
    },
}

/// Makes what is missing and updates what differs; a second run does nothing.
///
/// # Errors
/// [`Error`] names the stream or consumer. What was made before stays: run it again.
pub async fn provision(servers: &str, credential: &Credential, options: Options) -> Result<Report, Error> {
    compare(servers, credential, options, Intent::Make).await
}

/// What [`provision`] would do, without doing it.
///
/// # Errors
/// As [`provision`].
pub async fn review(servers: &str, credential: &Credential, options: Options) -> Result<Report, Error> {
    compare(servers, credential, options, Intent::Look).await
}

async fn compare(
    servers: &str,
    credential: &Credential,
    options: Options,
    intent: Intent,
) -> Result<Report, Error> {
    let addresses: Vec<&str> = servers.split(',').collect();
    let connecting = connect_options(credential)?
        .name("selvedge provision")
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(ATTEMPT_TIMEOUT))
        .connect(addresses);
    let client = connecting.await.map_err(|source| Error::Connect { servers: servers.to_owned(), source })?;
    let mut jetstream = jetstream::new(client);
    jetstream.set_timeout(ATTEMPT_TIMEOUT);
    let api = Api::new(jetstream, Instant::now() + options.timeout, intent);
    let mut report = Report::default();
    for wanted in streams::all(options.replicas) {
        ensure_stream(&api, wanted, &mut report).await?;
    }
    for follower in FOLLOWERS {
        if consumers::ensure(&api, follower, options.replicas).await? {
            report.consumers.push(follower.consumer());
        }
    }
    Ok(report)
}

async fn ensure_stream(api: &Api, wanted: Config, report: &mut Report) -> Result<(), Error> {
    let stream = wanted.name.clone();
    let failed = |source| Error::Stream { stream: stream.clone(), source };
    let Some(found) = api.stream(&stream).await.map_err(failed)? else {
        api.create_stream(&wanted).await.map_err(failed)?;
        report.created.push(stream);
        return Ok(());
    };
    match judge::compare(&found, &wanted) {
        Judgement::Same => {}
        Judgement::Loses(reason) => return Err(Error::WouldLose { stream, reason }),
        Judgement::Differs(merged) => {
            api.update_stream(&merged).await.map_err(failed)?;
            report.updated.push(stream);
        }
    }
    Ok(())
}
