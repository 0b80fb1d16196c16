//! What the committer orders of an effector, and what that answers. Plain JSON in both directions, so that an
//! effector is a few lines over any NATS client.
//!
//! An effector named `mailer` subscribes to `sv.effect.mailer.*` under its own credential (several instances in
//! one queue group) and answers each message on its reply subject:
//!
//! | order | what it asks | answers |
//! |---|---|---|
//! | `execute` | do it, once for this key | `done`, `refused` |
//! | `undo` | do what takes it back, once for this key | `done`, `refused` |
//! | `probe` | was it done under this key? nothing may be done now | `done`, `absent`, `unknown` |
//!
//! The key is the same for every attempt at one effect: an effector that keeps the keys it has seen may declare
//! its effects `by_key`, and is then asked again after a lost answer. One that does not is asked at most once,
//! then probed. Whatever is begun after `deadline_at_ms` may be done twice: such an order is to be left alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{fault::Detail, id::IntentId};

/// What the committer orders, on `sv.effect.<effector>.<execute, probe or undo>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// By what this effect is known: the same for every attempt at it, another for its undo.
    pub key: String,
    /// The intent it is for.
    pub intent: IntentId,
    /// What it is called at the effector.
    pub operation: String,
    /// What it is done with.
    pub arguments: Value,
    /// Unix time, in milliseconds, after which it must not be begun any more.
    pub deadline_at_ms: u64,
}

/// What an effector answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum OrderReply {
    /// It is done, now or at an earlier order with this key.
    Done {
        /// What came of it, at most 64 KiB of JSON; it stands in the receipt.
        #[serde(default)]
        result: Value,
    },
    /// It is not done, and will not be.
    Refused {
        /// Every reason.
        #[serde(default)]
        reasons: Vec<Detail>,
    },
    /// To a probe: nothing was done under this key.
    Absent,
    /// To a probe: nobody knows.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_as_the_protocol_says() {
        let read = |text: &str| serde_json::from_str::<OrderReply>(text).unwrap();
        assert_eq!(read(r#"{"outcome":"done"}"#), OrderReply::Done { result: Value::Null });
        assert_eq!(read(r#"{"outcome":"absent"}"#), OrderReply::Absent);
        assert_eq!(read(r#"{"outcome":"unknown"}"#), OrderReply::Unknown);
        let refused = read(r#"{"outcome":"refused","reasons":[{"at":"/to","message":"no such address"}]}"#);
        let reason = Detail { at: "/to".into(), message: "no such address".into() };
        assert_eq!(refused, OrderReply::Refused { reasons: vec![reason] });
        assert!(serde_json::from_str::<OrderReply>(r#"{"outcome":"maybe"}"#).is_err());
    }
}
