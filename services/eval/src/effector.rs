//! An effector of the run's own: it does nothing, and writes down what it was told to do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use selvedge_contracts::{
    fault::Detail,
    id::EffectorName,
    payload::effector::{Order, OrderReply},
    subject::EFFECT_PREFIX,
};
use selvedge_kit::{
    bus::Bus,
    clock::{Deadline, now_ms},
    credential::Login,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    arena::{Deployment, connect},
    error::Error,
};

/// How an operation starts that is refused.
pub(crate) const REFUSED: &str = "refuse";
/// Acts that are kept: more than any run orders.
const MAX_ACTS: usize = 1_000_000;

/// One order that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    /// `execute` or `undo`.
    pub(crate) verb: String,
    pub(crate) operation: String,
    key: String,
}

/// Serves orders until it is dropped.
pub(crate) struct Effector {
    name: EffectorName,
    acts: Arc<Mutex<Vec<Act>>>,
    serving: JoinHandle<()>,
}

impl Effector {
    /// Serves the orders to this name.
    pub(crate) async fn start(deployment: &Deployment, name: &str) -> Result<Self, Error> {
        let name = EffectorName::new(name)?;
        let credential = deployment.kluster.effector_credential(&name, now_ms())?;
        let bus = connect(deployment, Login::held(credential)).await?;
        let acts = Arc::<Mutex<Vec<Act>>>::default();
        let unable = |error: selvedge_kit::bus::BusError| Error::Over(error.to_string());
        let mut orders = bus.subscribe(&format!("{EFFECT_PREFIX}.{name}.*"), None).await.map_err(unable)?;
        bus.flush(Deadline::in_ms(deployment.connect_timeout_ms)).await;
        let known = Arc::clone(&acts);
        let serving = tokio::spawn(async move {
            while let Some(order) = orders.next().await {
                let verb = order.subject.rsplit('.').next().unwrap_or_default().to_owned();
                let Ok(body) = serde_json::from_slice::<Order>(&order.payload) else { continue };
                // Whoever gave it has stopped waiting, and may have asked somebody else.
                let is_late = verb != "probe" && body.deadline_at_ms < now_ms();
                if let (false, Some(reply)) = (is_late, order.reply) {
                    reply_to(&bus, reply.to_string(), &answer(&known, &verb, &body)).await;
                }
            }
        });
        Ok(Self { name, acts, serving })
    }

    /// An effect of this effector. Done twice, it is done twice: it knows no keys.
    pub(crate) fn effect(&self, operation: &str) -> Value {
        json!({ "kind": "external", "effector": self.name, "operation": operation, "repeat": "unsafe" })
    }

    /// What was done whose operation starts so, in order.
    pub(crate) fn acts(&self, prefix: &str) -> Vec<Act> {
        lock(&self.acts).iter().filter(|act| act.operation.starts_with(prefix)).cloned().collect()
    }
}

impl Drop for Effector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn reply_to(bus: &Bus, subject: String, answer: &OrderReply) {
    let body = serde_json::to_vec(answer).unwrap_or_default();
    // Whoever asked finds out by a probe.
    let _ = bus.publish(subject, Default::default(), body.into()).await;
}

fn answer(acts: &Mutex<Vec<Act>>, verb: &str, order: &Order) -> OrderReply {
    let mut acts = lock(acts);
    let is_done = |act: &Act| act.key == order.key;
    match verb {
        "probe" if acts.iter().any(is_done) => OrderReply::Done { result: Value::Null },
        "probe" => OrderReply::Absent,
        _ if order.operation.rsplit('/').next().is_some_and(|last| last.starts_with(REFUSED)) => {
            let reason = Detail { at: "/operation".to_owned(), message: "not today".to_owned() };
            OrderReply::Refused { reasons: vec![reason] }
        }
        _ => {
            let (operation, key) = (order.operation.clone(), order.key.clone());
            if acts.len() < MAX_ACTS {
                acts.push(Act { verb: verb.to_owned(), operation, key });
            }
            OrderReply::Done { result: Value::Null }
        }
    }
}

fn lock(acts: &Mutex<Vec<Act>>) -> MutexGuard<'_, Vec<Act>> {
    acts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(operation: &str, key: &str) -> Order {
        serde_json::from_value(json!({
            "key": key, "intent": format!("intent_{}", "0".repeat(64)), "operation": operation,
            "arguments": null, "deadline_at_ms": 0,
        }))
        .unwrap()
    }

    #[test]
    fn it_does_as_it_is_told_however_often_and_tells_what_it_did() {
        let acts = Mutex::default();
        assert_eq!(answer(&acts, "probe", &order("t/a", "k")), OrderReply::Absent);
        for _ in 0..2 {
            assert_eq!(
                answer(&acts, "execute", &order("t/a", "k")),
                OrderReply::Done { result: Value::Null }
            );
        }
        assert!(matches!(answer(&acts, "execute", &order("t/refuse", "l")), OrderReply::Refused { .. }));
        assert_eq!(answer(&acts, "probe", &order("t/a", "k")), OrderReply::Done { result: Value::Null });
        assert_eq!(lock(&acts).len(), 2);
    }
}
