//! What a person may want to know of a running fabric: the services that answer, the streams, the
//! server. Reads only; never on the path of a request.

use std::{collections::BTreeMap, time::Duration};

use async_nats::HeaderMap;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    bus::{Bus, BusError},
    clock::Deadline,
    service::{LAST_SKIPPED, SKIPPED_FACTS},
};

/// One instance of a service, as it answers `$SRV.STATS` (NATS ADR-32).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The service.
    pub name: String,
    /// Which instance.
    pub id: String,
    /// Its version.
    pub version: String,
    /// When it started, in RFC 3339.
    #[serde(default)]
    pub started: String,
    /// Facts of the ledger that it could not read since it started: what they say is missing from its views.
    #[serde(default, rename = "metadata", deserialize_with = "skipped")]
    pub skipped: Option<Skipped>,
    /// What it answered, by call.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

/// Facts that an instance could not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many.
    pub facts: u64,
    /// Ledger revision of the last.
    pub last_revision: u64,
}

fn skipped<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Skipped>, D::Error> {
    let metadata = BTreeMap::<String, String>::deserialize(from)?;
    let number = |name: &str| metadata.get(name)?.parse().ok();
    Ok(number(SKIPPED_FACTS)
        .zip(number(LAST_SKIPPED))
        .map(|(facts, last_revision)| Skipped { facts, last_revision }))
}

/// What an instance answered on one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The call.
    pub name: String,
    /// Requests answered.
    #[serde(default)]
    pub num_requests: u64,
    /// Of these, with a fault.
    #[serde(default)]
    pub num_errors: u64,
    /// Time spent on them, in nanoseconds.
    #[serde(default, rename = "processing_time")]
    pub processing_ns: u64,
}

/// What the server says of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// Messages in it.
    pub messages: u64,
    /// Their size.
    pub bytes: u64,
    /// Sequence of the last one.
    pub last_revision: u64,
    /// Copies of it.
    pub replicas: u64,
    /// When the server answered: Unix time in milliseconds, by its own clock.
    #[serde(skip)]
    pub server_time_ms: Option<u64>,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answered, or the server refused.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The answer is not what it must be.
    #[error("cannot read the answer on {subject}")]
    Unreadable {
        /// Where.
        subject: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// JetStream refused.
    #[error("JetStream refused {subject}: {description}")]
    Refused {
        /// What was asked.
        subject: String,
        /// Its words.
        description: String,
    },
}

/// After the last answer, how long to wait for one more.
const QUIET: Duration = Duration::from_millis(150);

/// Every instance of every service that answers until it is quiet, or the deadline passes.
///
/// # Errors
/// [`Error::Bus`] if the question cannot be asked.
pub async fn instances(bus: &Bus, deadline: Deadline) -> Result<Vec<Instance>, Error> {
    let subject = "$SRV.STATS";
    let inbox = bus.client().new_inbox();
    let mut answers = bus.subscribe(&inbox, None).await?;
    let asked = bus.client().publish_with_reply(subject, inbox, "".into()).await;
    asked.map_err(|error| BusError::Failed { subject: subject.to_owned(), reason: error.to_string() })?;
    let mut found = Vec::new();
    let mut wait = deadline.remaining();
    while let Ok(Some(answer)) = tokio::time::timeout(wait, answers.next()).await {
        if answer.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
            break;
        }
        found.push(read(subject, &answer.payload)?);
        wait = QUIET.min(deadline.remaining());
    }
    found.sort_by(|a: &Instance, b: &Instance| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(found)
}

/// What the server says of a stream.
///
/// # Errors
/// [`Error`]; `Denied` if the credential may not ask.
pub async fn stream(bus: &Bus, name: &str, deadline: Deadline) -> Result<Stream, Error> {
    #[derive(Deserialize)]
    struct Info {
        config: Config,
        state: State,
        #[serde(default)]
        ts: Option<String>,
    }
    #[derive(Deserialize)]
    struct Config {
        num_replicas: u64,
    }
    #[derive(Deserialize)]
    struct State {
        messages: u64,
        bytes: u64,
        last_seq: u64,
    }
    let Info { config, state, ts } =
        jetstream(bus, &format!("STREAM.INFO.{name}"), &Value::Null, deadline).await?;
    Ok(Stream {
        name: name.to_owned(),
        messages: state.messages,
        bytes: state.bytes,
        last_revision: state.last_seq,
        replicas: config.num_replicas,
        server_time_ms: ts.and_then(|at| crate::clock::from_rfc3339(&at)),
    })
}

/// The messages of a stream that match `filter`: how many, and the body of the last one.
///
/// # Errors
/// [`Error`]; `Denied` if the credential may not ask.
pub async fn matching(
    bus: &Bus,
    stream: &str,
    filter: &str,
    deadline: Deadline,
) -> Result<Option<(u64, Vec<u8>)>, Error> {
    #[derive(Deserialize)]
    struct Info {
        state: State,
    }
    #[derive(Deserialize)]
    struct State {
        #[serde(default)]
        subjects: Option<BTreeMap<String, u64>>,
    }
    let wanted = json!({ "subjects_filter": filter });
    let Info { state } = jetstream(bus, &format!("STREAM.INFO.{stream}"), &wanted, deadline).await?;
    let count: u64 = state.subjects.unwrap_or_default().values().sum();
    if count == 0 {
        return Ok(None);
    }
    let query = json!({ "last_by_subj": filter });
    let last = crate::jetstream::get(bus, stream, &query, deadline).await;
    let last = last.map_err(|description| Error::Refused { subject: stream.to_owned(), description })?;
    Ok(last.map(|message| (count, message.payload.to_vec())))
}

/// Asks the JetStream API.
async fn jetstream<T: DeserializeOwned>(
    bus: &Bus,
    call: &str,
    question: &Value,
    deadline: Deadline,
) -> Result<T, Error> {
    let subject = format!("$JS.API.{call}");
    let question = if question.is_null() { String::new() } else { question.to_string() };
    let answer = bus.request(&subject, HeaderMap::new(), question.into(), deadline).await?;
    let answer: Value = read(&subject, &answer.payload)?;
    if let Some(error) = answer.get("error") {
        let description =
            error.get("description").and_then(Value::as_str).unwrap_or("no reason given").to_owned();
        return Err(Error::Refused { subject, description });
    }
    serde_json::from_value(answer).map_err(|source| Error::Unreadable { subject, source })
}

fn read<T: DeserializeOwned>(subject: &str, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|source| Error::Unreadable { subject: subject.to_owned(), source })
}

/// The version of the server we are connected to: `2.15.1`.
pub fn server_version(bus: &Bus) -> String {
    bus.client().server_info().version
}

/// Whether the server we are connected to keeps streams.
pub fn has_jetstream(bus: &Bus) -> bool {
    bus.client().server_info().jetstream
}
