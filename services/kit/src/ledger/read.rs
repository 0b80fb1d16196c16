//! Reading facts. Reads that decide go to the stream's leader; long scans go to any replica and are
//! held against the leader's last revision by whoever asked for them.
//!
//! All facts are read without a filter: with one, nats-server counts with every page what matches beyond it, which
//! for much takes longer than the page.

use std::time::{Duration, Instant};

use async_nats::{HeaderMap, Message, StatusCode, Subscriber, jetstream::message::StreamMessage};
use futures::StreamExt as _;
use selvedge_contracts::{
    stream::LEDGER,
    subject::{EVERY_FACT, Entity},
};
use serde_json::json;
use tokio::sync::watch;

use super::{FactRecord, Ledger, RequestDigest, Stored, Unreadable};
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
const SCAN_BATCH: usize = 1_000;
/// Bytes of facts after which an answer to a scan ends, whatever else was asked for: as many as may wait for their
/// reader.
const SCAN_BYTES: usize = 4 << 20;
/// Longest wait for the next fact of a scan, in milliseconds: with the connection, the rest is lost.
const LONGEST_SILENCE_MS: u64 = 2_000;

/// From where to where the ledger reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Revision of its first fact; what was before has been purged.
    pub(crate) first: u64,
    /// Its last revision, also if that fact was purged; 0 if there never was one.
    pub(crate) last: u64,
}

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
        Ok(self.extent(deadline).await?.last)
    }

    /// From where to where the ledger reaches, by its leader.
    ///
    /// # Errors
    /// [`ReadError`] if the leader does not answer within the deadline.
    pub(crate) async fn extent(&self, deadline: Deadline) -> Result<Extent, ReadError> {
        let State { first_seq: first, last_seq: last } = self.info(deadline).await?.state;
        Ok(Extent { first, last })
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

    /// How many facts match `filter` after revision `after`, by any replica.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] if the stream does not answer within the deadline.
    pub(crate) async fn count_after(
        &self,
        filter: &str,
        after: u64,
        deadline: Deadline,
    ) -> Result<u64, ReadError> {
        let page = self.page(filter, after, 1, &Wait::until(deadline), &mut drop).await?;
        Ok((page.facts as u64).saturating_add(page.more))
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
        let each = |stored: Stored| {
            if let Some(fact) = stored.read_or_warn() {
                each(fact);
            }
        };
        self.scan_stored(filter, after, limit, deadline, each).await
    }

    /// The same, with what is stored as it stands there.
    ///
    /// # Errors
    /// As [`Ledger::scan`].
    pub(crate) async fn scan_stored(
        &self,
        filter: &str,
        after: u64,
        limit: usize,
        deadline: Deadline,
        mut each: impl FnMut(Stored),
    ) -> Result<u64, ReadError> {
        let (mut read, mut last) = (0, after);
        while read < limit {
            let page = self.page(filter, last, limit - read, &Wait::until(deadline), &mut each).await?;
            read += page.facts;
            last = page.last.unwrap_or(last);
            if page.facts == 0 || page.is_end {
                break;
            }
        }
        Ok(last)
    }

    /// One answer of a scan: at most `limit` facts, 1,000 and what fits into 4 MiB, but one if there is one.
    ///
    /// # Errors
    /// As [`Ledger::scan`].
    pub(crate) async fn page(
        &self,
        filter: &str,
        after: u64,
        limit: usize,
        wait: &Wait,
        each: &mut impl FnMut(Stored),
    ) -> Result<Page, ReadError> {
        let Some(first) = after.checked_add(1) else {
            return Ok(Page { facts: 0, last: None, more: 0, is_end: true }); // the end of all revisions
        };
        if filter == EVERY_FACT {
            let page = self.ask_page(None, first, limit, wait, each).await?;
            if page.facts > 0 {
                return Ok(page);
            }
            // Nothing is found either where the very first one asked for is not kept any more.
        }
        self.ask_page(Some(filter), first, limit, wait, each).await
    }

    async fn ask_page(
        &self,
        filter: Option<&str>,
        first: u64,
        limit: usize,
        wait: &Wait,
        each: &mut impl FnMut(Stored),
    ) -> Result<Page, ReadError> {
        let inbox = self.bus.client().new_inbox();
        let mut answers = self.bus.subscribe(&inbox, None).await?;
        let query = json!({
            "seq": first, "batch": SCAN_BATCH.min(limit), "max_bytes": SCAN_BYTES, "next_by_subj": filter
        });
        let subject = format!("$JS.API.DIRECT.GET.{LEDGER}");
        let asked = self.bus.client().publish_with_reply(subject, inbox, query.to_string().into()).await;
        asked.map_err(|error| ReadError::Unavailable(error.to_string()))?;
        read_page(&mut answers, wait, each).await
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
    first_seq: u64,
    #[serde(default)]
    last_seq: u64,
}

/// How long an answer to a scan is waited for: until a deadline, and as long as something is heard now and then, by
/// this scan or by one that shares this wait. On a slow wire one of several stands behind the others.
#[derive(Debug, Clone)]
pub(crate) struct Wait {
    deadline: Deadline,
    heard: watch::Sender<Instant>,
}

impl Wait {
    pub(crate) fn until(deadline: Deadline) -> Self {
        Self { deadline, heard: watch::Sender::new(Instant::now()) }
    }

    /// The next message; nothing if it does not come in time.
    async fn next(&self, answers: &mut Subscriber) -> Option<Message> {
        const SILENCE: Duration = Duration::from_millis(LONGEST_SILENCE_MS);
        let asked = Instant::now();
        loop {
            let since = asked.max(*self.heard.borrow());
            let left = SILENCE.saturating_sub(since.elapsed()).min(self.deadline.remaining());
            if let Ok(message) = tokio::time::timeout(left, answers.next()).await {
                self.heard.send_replace(Instant::now());
                return message;
            }
            let is_silent = asked.max(*self.heard.borrow()).elapsed() >= SILENCE;
            if is_silent || self.deadline.has_passed() {
                return None;
            }
        }
    }
}

/// What one answer of a scan gave.
pub(crate) struct Page {
    pub(crate) facts: usize,
    /// Revision of the last of them.
    pub(crate) last: Option<u64>,
    /// How many more there were, for whoever answered.
    pub(crate) more: u64,
    /// Whoever answered has no more.
    pub(crate) is_end: bool,
}

/// Reads answers up to the end-of-batch message (status 204 `EOB`) or "nothing there" (404). Each names the one
/// before it, so that none can be lost unseen.
async fn read_page(
    answers: &mut Subscriber,
    wait: &Wait,
    each: &mut impl FnMut(Stored),
) -> Result<Page, ReadError> {
    let mut page = Page { facts: 0, last: None, more: 0, is_end: false };
    loop {
        let Some(message) = wait.next(answers).await else {
            return Err(ReadError::Unavailable("a scan got no answer".to_owned()));
        };
        let status = message.status.map(|status: StatusCode| status.as_u16());
        if let (None | Some(200 | 204), Some(before)) =
            (status, header_number(&message, "Nats-Last-Sequence"))
            && before != page.last.unwrap_or(0)
        {
            return Err(ReadError::Unavailable(format!("a scan lost what is before {before}")));
        }
        match status {
            Some(404) => {
                return Ok(Page { is_end: true, ..page });
            }
            Some(204) => {
                let more = header_number(&message, "Nats-Num-Pending");
                return Ok(Page { more: more.unwrap_or(0), is_end: more == Some(0), ..page });
            }
            Some(code) if code != 200 => {
                let words = message.description.map(|words| words.to_string()).unwrap_or_default();
                return Err(ReadError::Unavailable(format!("{code} {words}")));
            }
            _ => {}
        }
        page.facts += 1;
        if let Some(stored) = Stored::of(message) {
            page.last = Some(stored.revision);
            each(stored);
        }
    }
}

fn header_number(message: &Message, name: &str) -> Option<u64> {
    message.headers.as_ref()?.get(name)?.as_str().parse().ok()
}
