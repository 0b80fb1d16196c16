//! Watching: facts as they are stored, requests as they are made, refusals as they are recorded.
//!
//! Sees only what the credential may subscribe to (an operator's may see all). Never writes, and
//! promises no completeness: what passes while the connection is down is not shown. Followers and
//! views are for that.

use async_nats::{Message, Subscriber};
use futures::{StreamExt as _, stream::SelectAll};
use selvedge_contracts::{
    envelope::{Envelope, MAX_ATTACHED_BODY_BYTES, header},
    id::Mission,
    sender,
    subject::{self, Request},
};
use serde::{Deserialize, Serialize};

use crate::{
    bus::{Bus, BusError},
    clock::now_ms,
    ledger::FactRecord,
};

/// What can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Facts, once they are stored.
    Facts,
    /// Requests, whether or not they will be granted.
    Requests,
    /// Refused requests.
    Audit,
}

impl Source {
    fn filter(self, mission: Option<&Mission>) -> String {
        match self {
            Self::Facts => subject::live_in(mission),
            Self::Requests => subject::requests_in(mission),
            Self::Audit => subject::audit_in(mission),
        }
    }
}

/// One thing that was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Subject of the message.
    pub subject: String,
    /// Unix time in milliseconds: of a fact by the server's clock, else when it was seen.
    pub at_ms: u64,
    /// What it is.
    pub what: What,
}

/// What was seen.
#[derive(Debug, Clone)]
pub enum What {
    /// A fact.
    Fact(Box<FactRecord>),
    /// A request; a bare payload has an envelope that holds nothing else.
    Request {
        /// Who asks whom for what.
        request: Box<Request>,
        /// What was sent.
        envelope: Box<Envelope>,
        /// Whether it bears a signature; nobody checked it here.
        is_signed: bool,
    },
    /// A refused request.
    Refusal(Refusal),
    /// A message that is none of ours.
    Unreadable {
        /// Why not.
        reason: String,
    },
}

/// A record of the audit stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Unix time of the refusal, in milliseconds.
    pub at_ms: u64,
    /// Code of the fault.
    pub code: String,
    /// Its message.
    pub message: String,
    /// Subject of the request, or of the message that was left behind.
    pub subject: String,
    /// Where that message lies, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_behind: Option<LeftBehind>,
}

/// A message on which nothing follows, since its follower cannot work on it. It stays in its stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// The consumer that passed over it.
    pub consumer: String,
    /// Its stream.
    pub stream: String,
    /// Its place there.
    pub sequence: u64,
    /// How often it was tried.
    pub attempts: i64,
}

/// Watches until it is dropped.
pub struct Tap(SelectAll<Subscriber>);

impl Tap {
    /// Watches these sources, in one mission or in all.
    ///
    /// # Errors
    /// [`BusError::Failed`] if the connection is closed.
    pub async fn open(bus: &Bus, sources: &[Source], mission: Option<&Mission>) -> Result<Self, BusError> {
        let mut heard = SelectAll::new();
        for source in sources {
            heard.push(bus.subscribe(&source.filter(mission), None).await?);
        }
        Ok(Self(heard))
    }

    /// The next thing seen; nothing once the connection is closed for good.
    pub async fn next(&mut self) -> Option<Seen> {
        self.0.next().await.map(|message| read(&message))
    }
}

fn read(message: &Message) -> Seen {
    let subject = message.subject.to_string();
    let what = match subject.split('.').nth(1) {
        Some("live") => read_fact(message),
        Some("req") => read_request(message),
        _ => serde_json::from_slice(&message.payload).map(What::Refusal).map_err(|error| error.to_string()),
    };
    let what = what.unwrap_or_else(|reason| What::Unreadable { reason });
    let at_ms = match &what {
        What::Fact(fact) if fact.at_ms > 0 => fact.at_ms,
        What::Refusal(refusal) => refusal.at_ms,
        _ => now_ms(),
    };
    Seen { subject, at_ms, what }
}

fn read_fact(message: &Message) -> Result<What, String> {
    let headers = message.headers.clone().unwrap_or_default();
    let fact = FactRecord::read(&message.subject, &headers, &message.payload);
    fact.map(|fact| What::Fact(Box::new(fact))).map_err(|error| error.to_string())
}

fn read_request(message: &Message) -> Result<What, String> {
    let request = Request::parse(&message.subject).map_err(|error| error.to_string())?;
    let header = |name: &str| message.headers.as_ref()?.get(name).map(|value| value.as_str());
    let envelope =
        Envelope::read_shared(&message.payload, header(header::CONTENT_TYPE), MAX_ATTACHED_BODY_BYTES);
    let (envelope, _) = envelope.map_err(|error| error.to_string())?;
    let is_signed = header(sender::HEADER).is_some();
    Ok(What::Request { request: Box::new(request), envelope: Box::new(envelope), is_signed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(subject: &str, payload: &str) -> Message {
        Message {
            subject: subject.into(),
            reply: None,
            payload: payload.to_owned().into(),
            headers: None,
            status: None,
            description: None,
            length: payload.len(),
        }
    }

    #[test]
    fn a_bare_request_is_read_with_who_asks_for_what() {
        let subject = "sv.req.demo.ada-1a2b3c4d.worker-session_01.registry.whoami";
        let What::Request { request, envelope, is_signed } = read(&message(subject, "{}")).what else {
            panic!("no request");
        };
        assert_eq!((request.call.as_str(), request.caller.as_str()), ("whoami", "ada-1a2b3c4d"));
        assert_eq!((envelope.payload.as_slice(), is_signed), (b"{}".as_slice(), false));
    }

    #[test]
    fn a_refusal_is_read_as_the_audit_writes_it() {
        let text = r#"{"at_ms":5,"code":"denied","message":"no","subject":"sv.req.x"}"#;
        let seen = read(&message("sv.audit.registry.demo.ada-1a2b3c4d.whoami", text));
        assert!(matches!(seen.what, What::Refusal(Refusal { at_ms: 5, ref code, .. }) if code == "denied"));
    }

    #[test]
    fn what_is_none_of_ours_is_shown_as_such() {
        for subject in ["sv.live.demo.agent", "sv.req.demo", "sv.audit.registry.demo.x.y"] {
            assert!(matches!(read(&message(subject, "{")).what, What::Unreadable { .. }), "{subject}");
        }
    }
}
