//! Buckets: keys that die by themselves. The server expires them and leaves a marker, which followers
//! of the bucket see ([`crate::follow::Delivery::is_expiry`]).
//!
//! Layout: stream `KV_<bucket>`, subjects `$KV.<bucket>.<key>`, one message a key. Every put carries
//! its TTL: the client's own `update` would drop it for ever.

use async_nats::HeaderMap;
use bytes::Bytes;
use selvedge_contracts::stream::{bucket_stream, bucket_subject};
use serde_json::json;

use crate::{
    bus::Bus,
    clock::Deadline,
    jetstream::{get, guard, publish},
};

pub use crate::jetstream::AppendError;

/// One bucket.
#[derive(Clone)]
pub struct Bucket {
    bus: Bus,
    name: &'static str,
}

/// What a put expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Whatever is there.
    Anything,
    /// The key at this revision; 0: no key.
    Revision(u64),
}

impl Expect {
    fn headers(self, subject: &str) -> HeaderMap {
        match self {
            Self::Anything => HeaderMap::new(),
            Self::Revision(revision) => guard(subject, revision),
        }
    }
}

/// A key's value and its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Sequence of the message in the bucket's stream.
    pub revision: u64,
    /// The bytes put.
    pub bytes: Bytes,
}

impl Bucket {
    /// The bucket `name`.
    pub fn new(bus: Bus, name: &'static str) -> Self {
        Self { bus, name }
    }

    /// Puts a key that dies `ttl_ms` from now (whole seconds on the bus, rounded up, at least one), and
    /// answers with its revision.
    ///
    /// # Errors
    /// [`AppendError::Contended`] if the key is not as expected; others as they say.
    pub async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        ttl_ms: u64,
        expect: Expect,
        deadline: Deadline,
    ) -> Result<u64, AppendError> {
        let subject = bucket_subject(self.name, key);
        let mut headers = expect.headers(&subject);
        headers.insert("Nats-TTL", format!("{}s", ttl_ms.div_ceil(1_000).max(1)).as_str());
        publish(&self.bus, &subject, headers, bytes, deadline).await
    }

    /// Puts a key that does not die, and answers with its revision.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub async fn keep(
        &self,
        key: &str,
        bytes: Bytes,
        expect: Expect,
        deadline: Deadline,
    ) -> Result<u64, AppendError> {
        let subject = bucket_subject(self.name, key);
        publish(&self.bus, &subject, expect.headers(&subject), bytes, deadline).await
    }

    /// How many copies the bucket's stream has.
    ///
    /// # Errors
    /// A sentence, if the stream is not there or does not answer within the deadline.
    pub async fn replicas(&self, deadline: Deadline) -> Result<usize, String> {
        crate::jetstream::replicas(&self.bus, &bucket_stream(self.name), deadline).await
    }

    /// Deletes a key; its marker dies after a second.
    ///
    /// # Errors
    /// [`AppendError`] if the bucket does not answer within the deadline.
    pub async fn delete(&self, key: &str, deadline: Deadline) -> Result<(), AppendError> {
        self.delete_at(key, Expect::Anything, deadline).await
    }

    /// Deletes a key that is as expected.
    ///
    /// # Errors
    /// [`AppendError::Contended`] if it is not; others as they say.
    pub async fn delete_at(&self, key: &str, expect: Expect, deadline: Deadline) -> Result<(), AppendError> {
        let subject = bucket_subject(self.name, key);
        let mut headers = expect.headers(&subject);
        headers.insert("KV-Operation", "DEL");
        headers.insert("Nats-TTL", "1s");
        publish(&self.bus, &subject, headers, Bytes::new(), deadline).await?;
        Ok(())
    }

    /// Removes a key and what it held before; its marker dies after a second.
    ///
    /// # Errors
    /// [`AppendError::Contended`] if the key is not as expected; others as they say.
    pub async fn remove(&self, key: &str, expect: Expect, deadline: Deadline) -> Result<(), AppendError> {
        let subject = bucket_subject(self.name, key);
        let mut headers = expect.headers(&subject);
        // A purge counts as a marker: unlike a delete, it leaves none of its own when it expires.
        headers.insert("KV-Operation", "PURGE");
        headers.insert("Nats-TTL", "1s");
        publish(&self.bus, &subject, headers, Bytes::new(), deadline).await?;
        Ok(())
    }

    /// The key's value, from the leader of the bucket's stream; nothing if it is deleted, expired or was
    /// never put.
    ///
    /// # Errors
    /// A sentence, if the leader does not answer within the deadline.
    pub async fn get(&self, key: &str, deadline: Deadline) -> Result<Option<Value>, String> {
        Ok(self.look(key, deadline).await?.0)
    }

    /// The same, and the revision that a put in its place has to expect: that of the value, or of the marker of
    /// one that is gone; 0 if there is neither.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub async fn look(&self, key: &str, deadline: Deadline) -> Result<(Option<Value>, u64), String> {
        let query = json!({ "last_by_subj": bucket_subject(self.name, key) });
        let message = get(&self.bus, &bucket_stream(self.name), &query, deadline).await?;
        let at = message.as_ref().map_or(0, |message| message.sequence);
        let live = message.filter(|message| is_live(&message.headers));
        Ok((live.map(|message| Value { revision: message.sequence, bytes: message.payload }), at))
    }

    /// How many keys start with `prefix` and a dot, by the bucket's stream; those that ended within the
    /// time that their markers are kept (ten minutes) are among them.
    ///
    /// # Errors
    /// A sentence, if the stream does not answer within the deadline.
    pub async fn count_under(&self, prefix: &str, deadline: Deadline) -> Result<usize, String> {
        let filter = bucket_subject(self.name, &format!("{prefix}.>"));
        crate::jetstream::count_subjects(&self.bus, &bucket_stream(self.name), &filter, deadline).await
    }

    /// Whether a key lives that starts with `prefix` and a dot, by the leader of the bucket's stream.
    ///
    /// # Errors
    /// A sentence, if the leader does not answer within the deadline.
    pub async fn has_under(&self, prefix: &str, deadline: Deadline) -> Result<bool, String> {
        let filter = bucket_subject(self.name, &format!("{prefix}.>"));
        let mut first = 1;
        loop {
            let query = json!({ "seq": first, "next_by_subj": filter });
            match get(&self.bus, &bucket_stream(self.name), &query, deadline).await? {
                None => return Ok(false),
                Some(message) if is_live(&message.headers) => return Ok(true),
                Some(marker) => first = marker.sequence + 1,
            }
        }
    }
}

/// Whether a message is a value, and not the marker of one that is gone.
fn is_live(headers: &HeaderMap) -> bool {
    headers.get("KV-Operation").is_none() && headers.get("Nats-Marker-Reason").is_none()
}
