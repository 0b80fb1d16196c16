//! Asking without the kit's client: whatever bytes and headers a test wants, from any credential; and
//! reading the ledger as who may read all of it.

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use selvedge_contracts::fault::{CODE_HEADER, Fault};
use selvedge_kit::{
    authority::Identity,
    clock::Deadline,
    credential::Login,
    ledger::{FactRecord, Ledger},
};
use serde_json::Value;

use crate::{Bus, Credential, Life, fabric::connect_bus, now_ms, wait::PATIENCE};

/// A plain NATS client under a credential of the fabric.
#[derive(Debug, Clone)]
pub struct Raw {
    /// The client.
    pub client: async_nats::Client,
    /// Whom the credential makes of it.
    pub me: Identity,
}

/// What came back.
#[derive(Debug)]
pub struct Answer(pub Message);

impl Raw {
    /// Connects.
    pub async fn connect(bus: &Bus, credential: &Credential) -> Self {
        Self { client: bus.connect_as(credential).await, me: credential.identity().expect("an identity") }
    }

    /// Subject of its own request for `call` (`whoami`) of the registry, in its own mission.
    pub fn subject(&self, call: &str) -> String {
        self.subject_in(self.me.mission.as_str(), call)
    }

    /// The same in another mission.
    pub fn subject_in(&self, mission: &str, call: &str) -> String {
        format!("sv.req.{mission}.{}.{}.registry.{call}", self.me.agent, self.me.scope)
    }

    /// Asks for `call`.
    pub async fn ask(&self, call: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.ask_on(&self.subject(call), headers, body).await
    }

    /// Asks for `call` with a bare JSON payload.
    pub async fn bare(&self, call: &str, payload: &Value) -> Answer {
        self.ask(call, &[], payload.to_string()).await
    }

    /// Asks on any subject.
    pub async fn ask_on(&self, subject: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let request = async_nats::Request::new()
            .headers(header_map(headers))
            .payload(body.into())
            .timeout(Some(PATIENCE));
        Answer(self.client.send_request(subject.to_owned(), request).await.expect("an answer"))
    }
}

/// Headers from names and values.
pub fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, *value);
    }
    map
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.as_ref()?.get(name).map(|value| value.as_str())
    }

    /// The body as JSON; fails if the answer is a refusal.
    pub fn json(&self) -> Value {
        assert_eq!(self.header(CODE_HEADER), None, "{:?}", self.0.payload);
        serde_json::from_slice(&self.0.payload).expect("JSON")
    }

    /// The refusal; fails if the answer is none.
    pub fn fault(&self) -> Fault {
        let code = self
            .header(CODE_HEADER)
            .unwrap_or_else(|| panic!("no refusal but {:?}", self.0.payload))
            .to_owned();
        let fault: Fault = serde_json::from_slice(&self.0.payload).expect("a fault");
        assert_eq!(fault.code.number().to_string(), code, "{fault:?}");
        fault
    }
}

/// The ledger of the kluster `main`, read as who may do everything.
pub async fn ledger(bus: &Bus) -> Ledger {
    let life = Life { now_ms: now_ms(), expires_at_ms: now_ms() + 3_600_000 };
    let root = bus.kluster().provision_credential(life).expect("a credential");
    Ledger::new(connect_bus(bus, Login::held(root)).await)
}

/// The facts that match `filter` (`*.session.>` means `sv.fact.*.session.>`), in order.
pub async fn facts(ledger: &Ledger, filter: &str) -> Vec<FactRecord> {
    try_facts(ledger, filter).await.expect("the ledger")
}

/// The same, or why they cannot be read now.
pub async fn try_facts(ledger: &Ledger, filter: &str) -> Result<Vec<FactRecord>, String> {
    let (mut facts, filter) = (Vec::new(), format!("sv.fact.{filter}"));
    let read = ledger.scan(&filter, 0, usize::MAX, Deadline::in_ms(5_000), |fact| facts.push(fact)).await;
    read.map(|_| facts).map_err(|error| error.to_string())
}

/// How many facts match `filter`.
pub async fn count(ledger: &Ledger, filter: &str) -> usize {
    facts(ledger, filter).await.len()
}
