//! JetStream, as far as the kit uses it: a publish that waits for its acknowledgement, and reading one
//! message from a stream's leader. Plain requests, so that a denied one is told as such.

use async_nats::{
    HeaderMap,
    jetstream::{message::StreamMessage, stream::RawMessage},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    bus::{Bus, BusError},
    clock::Deadline,
};

/// Why a message was not stored, as far as we know.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// What is guarded is not at the expected revision, or another write of it is in flight.
    #[error("the entity has moved on")]
    Contended,
    /// Our credential may not publish this subject.
    #[error("may not publish {subject}")]
    Denied {
        /// The subject.
        subject: String,
    },
    /// No answer: the message may or may not be stored. Read again before deciding.
    #[error("the stream did not answer")]
    Unavailable(#[source] BusError),
    /// The stream cannot take it now. Read again before deciding.
    #[error("the stream cannot take it now: {description} ({code})")]
    Passing {
        /// JetStream's error code.
        code: u64,
        /// JetStream's words.
        description: String,
    },
    /// The stream refuses it.
    #[error("the stream refused it: {description} ({code})")]
    Rejected {
        /// JetStream's error code.
        code: u64,
        /// JetStream's words.
        description: String,
    },
    /// It cannot be written as JSON.
    #[error("it cannot be written")]
    Unwritable(#[from] selvedge_contracts::envelope::Unreadable),
}

/// JetStream: wrong last sequence.
const WRONG_LAST_SEQUENCE: u64 = 10_071;
/// JetStream: a message of the batch was lost on its way, as when the stream changed its leader.
const BATCH_INCOMPLETE: u64 = 10_176;
/// Classes of what may pass (after HTTP): too much at once, as open batches; no leader or no quorum.
const PASSING_CLASSES: [u64; 2] = [429, 503];
/// JetStream: wrong last sequence, seen while another write is in flight.
const WRONG_LAST_SEQUENCE_IN_FLIGHT: u64 = 10_164;
const EXPECTED_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
const EXPECTED_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";

#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    error: Option<AckError>,
}

#[derive(Deserialize)]
struct AckError {
    #[serde(default)]
    code: u64,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// Headers that guard a publish: the last message that matches `filter` must be at `expected`.
pub(crate) fn guard(filter: &str, expected: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(EXPECTED_SEQUENCE, expected.to_string().as_str());
    headers.insert(EXPECTED_SUBJECT, filter);
    headers
}

/// Publishes into a stream and answers with the sequence of the stored message.
///
/// # Errors
/// [`AppendError`]; after [`AppendError::Unavailable`] the outcome is unknown.
pub(crate) async fn publish(
    bus: &Bus,
    subject: &str,
    headers: HeaderMap,
    body: Bytes,
    deadline: Deadline,
) -> Result<u64, AppendError> {
    let answer = bus.request(subject, headers, body, deadline).await?;
    read_ack(answer.payload.as_ref())
}

pub(crate) fn read_ack(body: &[u8]) -> Result<u64, AppendError> {
    match serde_json::from_slice(body) {
        Ok(Ack { error: None, seq }) => Ok(seq),
        Ok(Ack { error: Some(error), .. }) => match error.err_code {
            WRONG_LAST_SEQUENCE | WRONG_LAST_SEQUENCE_IN_FLIGHT => Err(AppendError::Contended),
            code if code == BATCH_INCOMPLETE || PASSING_CLASSES.contains(&error.code) => {
                Err(AppendError::Passing { code, description: error.description })
            }
            code => Err(AppendError::Rejected { code, description: error.description }),
        },
        Err(error) => Err(AppendError::Rejected { code: 0, description: error.to_string() }),
    }
}

/// Reads one message from the leader of `stream`, as `query` says (`last_by_subj`, `seq`,
/// `next_by_subj`); nothing if there is none.
///
/// # Errors
/// A sentence, if the leader does not answer within the deadline.
pub(crate) async fn get(
    bus: &Bus,
    stream: &str,
    query: &Value,
    deadline: Deadline,
) -> Result<Option<StreamMessage>, String> {
    const NO_MESSAGE: u64 = 10_037;
    #[derive(Deserialize)]
    struct Got {
        #[serde(default)]
        error: Option<AckError>,
        #[serde(default)]
        message: Option<RawMessage>,
    }
    let subject = format!("$JS.API.STREAM.MSG.GET.{stream}");
    let answer = bus.request(&subject, HeaderMap::new(), query.to_string().into(), deadline).await;
    let answer = answer.map_err(|error| error.to_string())?;
    match serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())? {
        Got { message: Some(raw), .. } => {
            StreamMessage::try_from(raw).map(Some).map_err(|error| error.to_string())
        }
        Got { error: Some(error), .. } if error.err_code == NO_MESSAGE => Ok(None),
        Got { error, .. } => {
            Err(error.map_or_else(|| "no message and no error".to_owned(), |error| error.description))
        }
    }
}

/// How many copies a stream has, by its leader.
///
/// # Errors
/// A sentence, if it is not there or does not answer within the deadline.
pub(crate) async fn replicas(bus: &Bus, stream: &str, deadline: Deadline) -> Result<usize, String> {
    #[derive(Deserialize)]
    struct Info {
        config: Option<Config>,
        error: Option<AckError>,
    }
    #[derive(Deserialize)]
    struct Config {
        num_replicas: usize,
    }
    let subject = format!("$JS.API.STREAM.INFO.{stream}");
    let answer = bus.request(&subject, HeaderMap::new(), Bytes::new(), deadline).await;
    let answer = answer.map_err(|error| error.to_string())?;
    match serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())? {
        Info { config: Some(config), .. } => Ok(config.num_replicas),
        Info { error, .. } => Err(error.map_or_else(|| "no answer".to_owned(), |error| error.description)),
    }
}

/// How many subjects of a stream match `filter`, by its leader.
///
/// # Errors
/// A sentence, if it is not there or does not answer within the deadline.
pub(crate) async fn count_subjects(
    bus: &Bus,
    stream: &str,
    filter: &str,
    deadline: Deadline,
) -> Result<usize, String> {
    #[derive(Deserialize)]
    struct Page {
        total: Option<usize>,
        state: Option<State>,
        error: Option<AckError>,
    }
    #[derive(Deserialize)]
    struct State {
        #[serde(default)]
        subjects: std::collections::BTreeMap<String, u64>,
    }
    let subject = format!("$JS.API.STREAM.INFO.{stream}");
    let query = serde_json::json!({ "subjects_filter": filter }).to_string();
    let answer = bus.request(&subject, HeaderMap::new(), query.into(), deadline).await;
    let answer = answer.map_err(|error| error.to_string())?;
    match serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())? {
        // The names come in pages; their number is told with every page.
        Page { state: Some(state), total, .. } => Ok(total.unwrap_or(0).max(state.subjects.len())),
        Page { error, .. } => Err(error.map_or_else(|| "no answer".to_owned(), |error| error.description)),
    }
}

impl From<BusError> for AppendError {
    fn from(error: BusError) -> Self {
        match error {
            BusError::Denied { subject } => Self::Denied { subject },
            BusError::TooLarge { subject } => Self::Rejected {
                code: 0,
                description: format!("the message on {subject} is larger than a message may be"),
            },
            other => Self::Unavailable(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_wrong_sequence_mean_contention() {
        for code in [10_071, 10_164] {
            let body = format!(
                r#"{{"error":{{"code":400,"err_code":{code},"description":"wrong last sequence"}}}}"#
            );
            assert!(matches!(read_ack(body.as_bytes()), Err(AppendError::Contended)), "{code}");
        }
        for error in [
            r#""code":503,"err_code":10008"#,
            r#""code":429,"err_code":10210"#,
            r#""code":400,"err_code":10176"#,
        ] {
            let body = format!(r#"{{"error":{{{error}}}}}"#);
            assert!(matches!(read_ack(body.as_bytes()), Err(AppendError::Passing { .. })), "{error}");
        }
        assert!(matches!(read_ack(br#"{"stream":"LEDGER","seq":7}"#), Ok(7)));
        assert!(matches!(
            read_ack(br#"{"error":{"err_code":10077}}"#),
            Err(AppendError::Rejected { code: 10_077, .. })
        ));
    }
}
