//! Reading all of a bucket's stream: pages from any replica, its end from the leader.

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::json;

use crate::{bus::Bus, clock::Deadline, jetstream::get, ledger::sequence};

/// One message as it stands in the stream.
pub(super) struct Stored {
    pub(super) subject: String,
    pub(super) sequence: u64,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Messages that one request asks for.
const PAGE: usize = 500;
/// Longest wait for the next message of a page, in milliseconds.
const SILENCE_MS: u64 = 2_000;

/// The last sequence of the stream, by its leader.
pub(super) async fn last_sequence(bus: &Bus, stream: &str, deadline: Deadline) -> Result<u64, String> {
    #[derive(Deserialize)]
    struct Info {
        #[serde(default)]
        state: State,
        #[serde(default)]
        error: Option<serde_json::Value>,
    }
    #[derive(Default, Deserialize)]
    struct State {
        #[serde(default)]
        last_seq: u64,
    }
    let subject = format!("$JS.API.STREAM.INFO.{stream}");
    let answer = bus.request(&subject, HeaderMap::new(), "".into(), deadline).await;
    let answer = answer.map_err(|error| error.to_string())?;
    match serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())? {
        Info { error: None, state } => Ok(state.last_seq),
        Info { error: Some(error), .. } => Err(error.to_string()),
    }
}

/// Sequence of the newest message that matches `filter`, by the leader; 0 if there is none.
pub(super) async fn newest(bus: &Bus, stream: &str, filter: &str, deadline: Deadline) -> Result<u64, String> {
    let found = get(bus, stream, &json!({ "last_by_subj": filter }), deadline).await?;
    Ok(found.map_or(0, |message| message.sequence))
}

/// Reads everything that matches `filter`, in order, from any replica, and answers with the last
/// sequence read, 0 if there is nothing.
pub(super) async fn all(
    bus: &Bus,
    stream: &str,
    filter: &str,
    deadline: Deadline,
    each: &mut impl FnMut(Stored),
) -> Result<u64, String> {
    let mut last = 0;
    loop {
        let inbox = bus.client().new_inbox();
        let mut answers = bus.subscribe(&inbox, None).await.map_err(|error| error.to_string())?;
        let query = json!({ "seq": last + 1, "batch": PAGE, "next_by_subj": filter }).to_string();
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let asked = bus.client().publish_with_reply(subject, inbox, query.into()).await;
        asked.map_err(|error| error.to_string())?;
        let mut read = 0;
        loop {
            let silence = deadline.at_most_ms(SILENCE_MS).remaining();
            let Ok(Some(message)) = tokio::time::timeout(silence, answers.next()).await else {
                return Err("a scan got no answer".to_owned());
            };
            match message.status.map(|status| status.as_u16()) {
                Some(404) => return Ok(last),
                Some(204) => break,
                Some(code) if code != 200 => return Err(format!("a scan was answered with {code}")),
                _ => {}
            }
            if let Some(stored) = stored(message) {
                last = stored.sequence;
                read += 1;
                each(stored);
            }
        }
        if read < PAGE {
            return Ok(last);
        }
    }
}

fn stored(message: Message) -> Option<Stored> {
    let headers = message.headers?;
    let subject = headers.get("Nats-Subject")?.as_str().to_owned();
    Some(Stored { sequence: sequence(&headers)?, subject, headers, body: message.payload })
}
