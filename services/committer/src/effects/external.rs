//! Effects that an effector on the bus carries out; the protocol stands in `contracts::payload::effector`.

use bytes::Bytes;
use selvedge_contracts::{
    payload::{
        effector::{Order, OrderReply},
        intent::{DEFAULT_EFFECT_MS, ExternalEffect, MAX_VALUE_BYTES, Receipt, Repeat},
    },
    subject::EFFECT_PREFIX,
};
use selvedge_kit::{
    bus::{BusError, error_chain},
    clock::now_ms,
};
use serde_json::Value;
use tracing::warn;

use super::{
    Outcome, Side, Work,
    world::{self, Lost, Seen},
};

/// Most reasons of a refusal that are kept.
const MAX_REASONS: usize = 32;

pub(crate) async fn carry_out(work: &Work<'_>, effect: &ExternalEffect) -> Outcome {
    if world::must_look(effect.repeat, work.earlier) {
        let seen = probe(work, effect).await;
        work.reached("external:probed");
        if let Some(outcome) = world::before(seen) {
            return outcome;
        }
    }
    if let Err(outcome) = work.may_act().await {
        return outcome;
    }
    work.reached("external:asked");
    let order = match work.side {
        Side::Do => "execute",
        Side::Undo => "undo",
    };
    let answer = ask(work, effect, order).await;
    work.reached("external:answered");
    match judge(answer) {
        Judged::Settled(outcome) => outcome,
        Judged::Lost(why) if effect.repeat == Repeat::Unsafe => {
            world::after(Lost::Silent(why), probe(work, effect).await)
        }
        Judged::Lost(why) => Outcome::Again(why),
    }
}

/// Why an effector did not answer, or its answer.
type Asked = Result<Bytes, BusError>;

async fn ask(work: &Work<'_>, effect: &ExternalEffect, order: &str) -> Asked {
    let deadline = work.deadline.at_most_ms(effect.timeout_ms.unwrap_or(DEFAULT_EFFECT_MS));
    let remaining_ms = u64::try_from(deadline.remaining().as_millis()).unwrap_or(u64::MAX);
    let body = Order {
        key: work.key(),
        intent: work.intent.id.clone(),
        operation: effect.operation.clone(),
        arguments: effect.arguments.clone(),
        deadline_at_ms: now_ms().saturating_add(remaining_ms),
    };
    let body = serde_json::to_vec(&body).unwrap_or_default(); // of texts, numbers and JSON alone
    let subject = format!("{EFFECT_PREFIX}.{}.{order}", effect.effector);
    let answer = work.state.client.bus().request(&subject, Default::default(), body.into(), deadline).await;
    answer.map(|message| message.payload)
}

/// What an answer to `execute` or `undo` means.
#[derive(Debug, PartialEq)]
enum Judged {
    Settled(Outcome),
    Lost(String),
}

fn judge(answer: Asked) -> Judged {
    match read(answer) {
        Ok(OrderReply::Done { result }) => Judged::Settled(Outcome::Done(receipt(result))),
        Ok(OrderReply::Refused { mut reasons }) => {
            reasons.truncate(MAX_REASONS);
            if reasons.is_empty() {
                return Judged::Settled(Outcome::refused("", "the effector refused it and did not say why"));
            }
            Judged::Settled(Outcome::Refused(reasons))
        }
        Ok(OrderReply::Absent | OrderReply::Unknown) => {
            Judged::Lost("the effector answered an order as if it were a probe".to_owned())
        }
        Err(Unread::Nobody(why)) => Judged::Settled(Outcome::Later(why)),
        Err(Unread::Never(why)) => Judged::Settled(Outcome::refused("/effector", why)),
        Err(Unread::Lost(why)) => Judged::Lost(why),
    }
}

/// Asks whether it was done.
async fn probe(work: &Work<'_>, effect: &ExternalEffect) -> Seen {
    match read(ask(work, effect, "probe").await) {
        Ok(OrderReply::Done { result }) => Seen::Done(receipt(result)),
        Ok(OrderReply::Absent) => Seen::Absent,
        Ok(OrderReply::Unknown) => Seen::Unclear("the effector does not know".to_owned()),
        Ok(OrderReply::Refused { .. }) => Seen::Unclear("the effector refuses to be probed".to_owned()),
        Err(Unread::Nobody(why) | Unread::Never(why) | Unread::Lost(why)) => Seen::Unreachable(why),
    }
}

/// Why there is no answer.
enum Unread {
    /// Nobody heard the order.
    Nobody(String),
    /// It cannot be sent at all.
    Never(String),
    /// It was sent, and what came of it is not known.
    Lost(String),
}

fn read(answer: Asked) -> Result<OrderReply, Unread> {
    let body = answer.map_err(|error| match error {
        BusError::NoResponders { .. } => Unread::Nobody("no effector of this name is on the bus".to_owned()),
        BusError::Denied { .. } | BusError::TooLarge { .. } => Unread::Never(error_chain(&error)),
        BusError::TimedOut { .. } | BusError::Failed { .. } => Unread::Lost(error_chain(&error)),
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| Unread::Lost(format!("the effector's answer cannot be read: {error}")))
}

fn receipt(result: Value) -> Receipt {
    let is_bounded = result.to_string().len() <= MAX_VALUE_BYTES;
    if !is_bounded {
        warn!("an effector's result is larger than a receipt may hold, left out");
    }
    Receipt::External { result: if is_bounded { result } else { Value::Null } }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(body: &Value) -> Judged {
        judge(Ok(body.to_string().into()))
    }

    #[test]
    fn an_answer_means_what_the_protocol_says() {
        let done = Judged::Settled(Outcome::Done(Receipt::External { result: json!({ "id": 7 }) }));
        assert_eq!(answered(&json!({ "outcome": "done", "result": { "id": 7 } })), done);
        let refused =
            answered(&json!({ "outcome": "refused", "reasons": [{ "at": "/to", "message": "no" }] }));
        assert_eq!(refused, Judged::Settled(Outcome::refused("/to", "no")));
        for strange in [json!({ "outcome": "absent" }), json!({ "outcome": "maybe" }), json!("done")] {
            assert!(matches!(answered(&strange), Judged::Lost(_)), "{strange}");
        }
    }

    #[test]
    fn an_order_that_nobody_heard_was_not_carried_out_and_a_lost_answer_may_have_been() {
        let subject = || "sv.effect.mailer.execute".to_owned();
        let nobody = judge(Err(BusError::NoResponders { subject: subject() }));
        assert!(matches!(nobody, Judged::Settled(Outcome::Later(_))), "{nobody:?}");
        let silent = judge(Err(BusError::TimedOut { subject: subject() }));
        assert!(matches!(silent, Judged::Lost(_)), "{silent:?}");
        let large = judge(Err(BusError::TooLarge { subject: subject() }));
        assert!(matches!(large, Judged::Settled(Outcome::Refused(_))), "{large:?}");
    }

    #[test]
    fn a_receipt_is_bounded() {
        let large = Value::String("x".repeat(MAX_VALUE_BYTES));
        assert_eq!(receipt(large), Receipt::External { result: Value::Null });
    }
}
