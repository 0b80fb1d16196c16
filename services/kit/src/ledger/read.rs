//! Reading facts. Reads that decide go to the stream's leader; long scans go to any replica and are
//! held against the leader's last revision by whoever asked for them.

use async_nats::{HeaderMap, Message, StatusCode, Subscriber, jetstream::message::StreamMessage};
use futures::StreamExt as _;
use selvedge_contracts::{
    stream::LEDGER,
    subject::{Entity, FACT_PREFIX},
};
use serde_json::json;

use super::{FactRecord, Ledger, RequestDigest, Unreadable};
use crate::{bus::BusError, clock::Deadline};

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream does not answer.
    #[error("the ledger did not answer: {0}")]
    Unavailable(String),
    /// What stands there is no fact.
    #[error("the ledger holds what is no fact")]
    Unreadable(#[from] Unreadable),
}

impl From<BusError> for ReadError {
    fn from(error: BusError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Facts that one request for a scan asks for.
const SCAN_BATCH: usize = 500;
/// Longest wait for the next fact of a scan, in milliseconds: with the connection, the rest is lost.
const LONGEST_SILENCE_MS: u64 = 2_000;

impl Ledger {
    /// The first fact of the entity after revision `after`, from the stream's leader.
    ///
    /// # Errors
    /// [`ReadError`] if the leader does not answer within the deadline.
    pub async fn next(
        &self,
        entity: &Entity,
        after: u64,
        deadline: Deadline,
    ) -> Result<Option<FactRecord>, ReadError> {
        let Some(first) = after.checked_add(1) else {
            return Ok(None); // the end of all revisions
        };
        self.get(json!({ "seq": first, "next_by_subj": entity.filter() }), deadline).await
    }

    /// The entity's last fact, from the stream's leader.
    ///
    /// # Errors
    /// [`ReadError`] if the leader does not answer within the deadline.
    pub async fn latest(&self, entity: &Entity, deadline: Deadline) -> Result<Option<FactRecord>, ReadError> {
        self.get(json!({ "last_by_subj": entity.filter() }), deadline).await
    }

    /// Revision of the last fact that matches `filter`, by the stream's leader; 0 if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if the leader does not answer within the deadline.
    pub async fn last_matching(&self, filter: &str, deadline: Deadline) -> Result<u64, ReadError> {
        let last = self.get(json!({ "last_by_subj": filter }), deadline).await?;
        Ok(last.map_or(0, |fact| fact.revision))
    }

    async fn get(
        &self,
        query: serde_json::Value,
        deadline: Deadline,
    ) -> Result<Option<FactRecord>, ReadError> {
        let message = crate::jetstream::get(&self.bus, LEDGER, &query, deadline)
            .await
            .map_err(ReadError::Unavailable)?;
        let read =
            |m: StreamMessage| FactRecord::of(&m.subject, m.sequence, Some(m.time), &m.headers, &m.payload);
        Ok(message.map(read).transpose()?)
    }

    /// The fact at a revision, from the stream's leader; nothing if there is none, or no fact of ours.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] if the leader does not answer within the deadline.
    pub async fn at(&self, revision: u64, deadline: Deadline) -> Result<Option<FactRecord>, ReadError> {
        match self.get(json!({ "seq": revision }), deadline).await {
            Err(error @ ReadError::Unavailable(_)) => Err(error),
            read => Ok(read.unwrap_or_default()),
        }
    }

    /// When the ledger was made, as its leader says it: another ledger in its place was made at another time.
    ///
    /// # Errors
    /// [`ReadError`] if the leader does not answer within the deadline.
    pub async fn made_at(&self, deadline: Deadline) -> Result<String, ReadError> {
        self.info(deadline).await.map(|info| info.created)
    }

    /// The ledger's last revision, by its leader.
    ///
    /// # Errors
    /// [`ReadError`] if the leader does not answer within the deadline.
    pub async fn last_revision(&self, deadline: Deadline) -> Result<u64, ReadError> {
        self.info(deadline).await.map(|info| info.state.last_seq)
    }

    async fn info(&self, deadline: Deadline) -> Result<Info, ReadError> {
        let subject = format!("$JS.API.STREAM.INFO.{LEDGER}");
        let answer = self.bus.request(&subject, HeaderMap::new(), "".into(), deadline).await?;
        match serde_json::from_slice(&answer.payload) {
            Ok(info @ Info { error: None, .. }) => Ok(info),
            Ok(Info { error: Some(error), .. }) => Err(ReadError::Unavailable(error.to_string())),
            Err(error) => Err(ReadError::Unavailable(error.to_string())),
        }
    }

    /// The facts of the entity after revision `after`, at most `limit` of them: all that the leader had
    /// when it was asked. A replica that lags is asked again.
    ///
    /// # Errors
    /// [`ReadError`] if the stream does not answer within the deadline.
    pub async fn history(
        &self,
        entity: &Entity,
        after: u64,
        limit: usize,
        deadline: Deadline,
    ) -> Result<Vec<FactRecord>, ReadError> {
        let newest = self.last_matching(&entity.filter(), deadline).await?;
        let mut attempt = 0;
        loop {
            let mut facts = Vec::new();
            let last = self.scan(&entity.filter(), after, limit, deadline, |fact| facts.push(fact)).await?;
            if last >= newest || facts.len() >= limit {
                return Ok(facts);
            }
            if deadline.has_passed() {
                return Err(ReadError::Unavailable("replicas lag behind the leader".to_owned()));
            }
            deadline.back_off(attempt).await;
            attempt += 1;
        }
    }

    /// The entity's last fact that a request of this caller, call and key led to, if one did. Its payload
    /// may have been another one.
    ///
    /// # Errors
    /// [`ReadError`] if the stream does not answer within the deadline.
    pub(crate) async fn find(
        &self,
        entity: &Entity,
        request: RequestDigest,
        deadline: Deadline,
    ) -> Result<Option<FactRecord>, ReadError> {
        let history = self.history(entity, 0, usize::MAX, deadline).await?;
        Ok(history.into_iter().rev().find(|fact| fact.request.is_some_and(|led| led.has_key_of(request))))
    }

    /// Reads the facts that match `filter` after revision `after`, at most `limit`, in order, from any
    /// replica, and answers with the revision of the last one read (`after` if there is none). A
    /// message that is no fact is skipped with a warning: it must not stop the rest.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] if the stream does not answer within the deadline.
    pub async fn scan(
        &self,
        filter: &str,
        after: u64,
        limit: usize,
        deadline: Deadline,
        mut each: impl FnMut(FactRecord),
    ) -> Result<u64, ReadError> {
        // With a filter, nats-server counts with every page what matches beyond it: of all facts, that takes long.
        // Without one, it finds nothing where the first one asked for is not kept any more: then it is asked with one.
        let mut is_of_all = filter == format!("{FACT_PREFIX}.>");
        let (mut read, mut last) = (0, after);
        while read < limit {
            let Some(first) = last.checked_add(1) else {
                break; // the end of all revisions
            };
            let count = SCAN_BATCH.min(limit - read);
            let inbox = self.bus.client().new_inbox();
            let mut answers = self.bus.subscribe(&inbox, None).await?;
            let next = (!is_of_all).then_some(filter);
            let query = json!({ "seq": first, "batch": count, "next_by_subj": next }).to_string();
            let subject = format!("$JS.API.DIRECT.GET.{LEDGER}");
            let asked = self.bus.client().publish_with_reply(subject, inbox, query.into()).await;
            asked.map_err(|error| ReadError::Unavailable(error.to_string()))?;
            let page = read_page(&mut answers, deadline, &mut each).await?;
            if is_of_all && page.facts == 0 {
                is_of_all = false;
                continue;
            }
            read += page.facts;
            last = page.last.unwrap_or(last);
            if page.facts < count || page.is_end {
                break;
            }
        }
        Ok(last)
    }
}

/// What the server says of the stream.
#[derive(serde::Deserialize)]
struct Info {
    #[serde(default)]
    created: String,
    #[serde(default)]
    state: State,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Default, serde::Deserialize)]
struct State {
    #[serde(default)]
    last_seq: u64,
}

struct Page {
    facts: usize,
    last: Option<u64>,
    is_end: bool,
}

/// Reads answers up to the end-of-batch message (status 204 `EOB`) or "nothing there" (404).
async fn read_page(
    answers: &mut Subscriber,
    deadline: Deadline,
    each: &mut impl FnMut(FactRecord),
) -> Result<Page, ReadError> {
    let mut page = Page { facts: 0, last: None, is_end: false };
    loop {
        let silence = deadline.at_most_ms(LONGEST_SILENCE_MS).remaining();
        let Ok(Some(message)) = tokio::time::timeout(silence, answers.next()).await else {
            return Err(ReadError::Unavailable("a scan got no answer".to_owned()));
        };
        let status = message.status.map(|status: StatusCode| status.as_u16());
        match status {
            Some(404) => {
                return Ok(Page { is_end: true, ..page });
            }
            Some(204) => {
                page.is_end = header_number(&message, "Nats-Num-Pending") == Some(0);
                return Ok(page);
            }
            Some(code) if code != 200 => {
                let words = message.description.map(|words| words.to_string()).unwrap_or_default();
                return Err(ReadError::Unavailable(format!("{code} {words}")));
            }
            _ => {}
        }
        let headers = message.headers.as_ref();
        page.last = headers.and_then(super::record::sequence).or(page.last);
        page.facts += 1;
        match FactRecord::read(&message.subject, headers.unwrap_or(&HeaderMap::new()), &message.payload) {
            Ok(fact) => each(fact),
            Err(error) => tracing::warn!(error = crate::bus::error_chain(&error), "skipped what is no fact"),
        }
    }
}

fn header_number(message: &Message, name: &str) -> Option<u64> {
    message.headers.as_ref()?.get(name)?.as_str().parse().ok()
}
