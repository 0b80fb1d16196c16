//! An effector, as short as one can be: a stock NATS client, plain JSON, and a note of what was done.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures::StreamExt as _;
use selvedge_contracts::{
    id::EffectorName,
    payload::intent::{Effect, ExternalEffect, Repeat},
};
use selvedge_tests::{Bus, now_ms};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// What the effector knows: how often each key was done, and what is to be refused.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) done: BTreeMap<String, usize>,
    /// In the order in which they were done: operation and key.
    pub(crate) log: Vec<(String, String)>,
    pub(crate) refused: Vec<&'static str>,
    pub(crate) asked: usize,
}

pub(crate) struct Effector {
    pub(crate) notes: Arc<Mutex<Notes>>,
    serving: JoinHandle<()>,
}

impl Effector {
    /// Serves the orders to `mailer`.
    pub(crate) async fn start(bus: &Bus) -> Self {
        let name = EffectorName::new("mailer").unwrap();
        let credential = bus.kluster().effector_credential(&name, now_ms()).unwrap();
        let client = bus.connect_as(&credential).await;
        let mut orders = client.queue_subscribe("sv.effect.mailer.*", "mailer".into()).await.unwrap();
        client.flush().await.unwrap();
        let notes = Arc::<Mutex<Notes>>::default();
        let known = Arc::clone(&notes);
        let serving = tokio::spawn(async move {
            while let Some(order) = orders.next().await {
                let body: Value = serde_json::from_slice(&order.payload).unwrap();
                let verb = order.subject.rsplit('.').next().unwrap().to_owned();
                let answer = answer(&mut known.lock().unwrap(), &verb, &body);
                client.publish(order.reply.unwrap(), answer.to_string().into()).await.unwrap();
            }
        });
        Self { notes, serving }
    }

    pub(crate) fn done(&self, key: &str) -> usize {
        self.notes.lock().unwrap().done.get(key).copied().unwrap_or(0)
    }
}

fn answer(notes: &mut Notes, verb: &str, order: &Value) -> Value {
    let text = |field: &str| order[field].as_str().unwrap().to_owned();
    let (key, operation) = (text("key"), text("operation"));
    notes.asked += 1;
    if verb == "probe" {
        let is_done = notes.done.contains_key(&key);
        return if is_done {
            json!({ "outcome": "done", "result": { "probed": true } })
        } else {
            json!({ "outcome": "absent" })
        };
    }
    if notes.refused.contains(&operation.as_str()) {
        return json!({ "outcome": "refused", "reasons": [{ "at": "/operation", "message": "not today" }] });
    }
    if order["arguments"]["known_by_key"] == true && notes.done.contains_key(&key) {
        return json!({ "outcome": "done", "result": { "again": true } });
    }
    *notes.done.entry(key.clone()).or_default() += 1;
    notes.log.push((operation, key));
    json!({ "outcome": "done", "result": { "first": true } })
}

impl Drop for Effector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An effect of the effector.
pub(crate) fn order(operation: &str, repeat: Repeat) -> Effect {
    Effect::External(ExternalEffect {
        effector: EffectorName::new("mailer").unwrap(),
        operation: operation.to_owned(),
        arguments: json!({ "known_by_key": repeat == Repeat::ByKey }),
        repeat,
        timeout_ms: Some(250),
    })
}
