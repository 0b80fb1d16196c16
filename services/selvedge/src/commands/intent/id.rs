//! Intents and sagas as people name them: by their ids, or by what ids start with.

use std::{fmt, str::FromStr};

use selvedge_contracts::{
    call,
    fault::Fault,
    id::{IntentId, SagaId},
    payload::intent::{IntentList, IntentReply},
};
use selvedge_kit::client::Client;

use crate::{exit::Failure, paging};

/// Fewest hex digits by which an id may be named.
const FEWEST: usize = 8;
/// Hex digits of a whole id.
const ALL: usize = 64;
/// Hex digits that people are shown.
const SHOWN: usize = 12;

/// The first hex digits of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Prefix(String);

impl Prefix {
    fn read(text: &str, sort: &str) -> Result<Self, String> {
        let hex = text.strip_prefix(sort).and_then(|rest| rest.strip_prefix('_')).unwrap_or(text);
        let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && (FEWEST..=ALL).contains(&hex.len()) {
            return Ok(Self(hex.to_owned()));
        }
        Err(format!(
            "{text:?} is no {sort}: expected its id, {sort}_ and 64 hex digits, or the first {FEWEST} or more of these"
        ))
    }

    /// The last id before all that start so; `None` if there is none before them.
    fn before(&self) -> Option<String> {
        let first = format!("{:0<ALL$}", self.0);
        let kept = first.trim_end_matches('0');
        let digit = kept.chars().last()?.to_digit(16)?;
        let lower = char::from_digit(digit - 1, 16)?;
        let head: String = kept.chars().take(kept.len() - 1).chain([lower]).collect();
        Some(format!("{head:f<ALL$}"))
    }
}

/// An intent as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct Named(Prefix);

impl FromStr for Named {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Prefix::read(text, "intent").map(Self)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.0)
    }
}

impl Named {
    /// The one intent that is meant.
    ///
    /// # Errors
    /// `not_found` if there is none, [`Failure::Usage`] if there are several.
    pub(in crate::commands) async fn find(&self, client: &Client) -> Result<IntentId, Failure> {
        if let Ok(id) = IntentId::new(&format!("intent_{self}")) {
            return Ok(id);
        }
        let after = self.0.before().and_then(|before| IntentId::new(&format!("intent_{before}")).ok());
        let wanted = IntentList { after, limit: Some(2), ..IntentList::default() };
        let found = client.call::<call::IntentList>(&wanted).await?.reply.intents;
        let found = found.into_iter().map(|reply| reply.intent.id);
        one_of(found.filter(|id| is_of(id.as_str(), "intent", &self.0)), "intent", &self.0)
    }
}

/// A saga as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct SagaNamed(Prefix);

impl FromStr for SagaNamed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Prefix::read(text, "saga").map(Self)
    }
}

impl SagaNamed {
    /// The one saga that is meant: as its steps name it.
    ///
    /// # Errors
    /// As [`Named::find`].
    pub(in crate::commands) async fn find(&self, client: &Client) -> Result<SagaId, Failure> {
        if let Ok(id) = SagaId::new(&format!("saga_{}", self.0.0)) {
            return Ok(id);
        }
        let ask = async |after| {
            let wanted = IntentList { after, ..IntentList::default() };
            let reply = client.call::<call::IntentList>(&wanted).await?.reply;
            Ok((reply.intents, reply.more))
        };
        let all = paging::all(|reply: &IntentReply| reply.intent.id.clone(), ask).await?;
        let sagas = all.into_iter().filter_map(|reply| reply.intent.saga.map(|step| step.saga));
        let mut found: Vec<SagaId> = sagas.filter(|id| is_of(id.as_str(), "saga", &self.0)).collect();
        found.sort();
        found.dedup();
        one_of(found.into_iter(), "saga", &self.0)
    }
}

fn is_of(id: &str, sort: &str, prefix: &Prefix) -> bool {
    let hex = id.strip_prefix(sort).and_then(|rest| rest.strip_prefix('_'));
    hex.is_some_and(|hex| hex.starts_with(&prefix.0))
}

fn one_of<T: fmt::Display>(
    mut found: impl Iterator<Item = T>,
    sort: &str,
    prefix: &Prefix,
) -> Result<T, Failure> {
    let first = found.next().ok_or_else(|| Fault::not_found(format!("there is no {sort} {}…", prefix.0)))?;
    match found.next() {
        None => Ok(first),
        Some(second) => {
            Err(Failure::usage(format!("{} may mean {first} or {second}: say more of it", prefix.0)))
        }
    }
}

/// Enough of an id for people: they may type it.
pub(in crate::commands) fn short(id: &impl fmt::Display) -> String {
    let id = id.to_string();
    id.rsplit('_').next().unwrap_or_default().chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_named_by_eight_digits_or_more_with_or_without_its_sort() {
        let id = format!("intent_{}", "0a1b2c3d".repeat(8));
        for good in ["0a1b2c3d", "intent_0a1b2c3d4", id.as_str(), id.strip_prefix("intent_").unwrap()] {
            good.parse::<Named>().unwrap();
        }
        for bad in ["", "0a1b2c3", "intent_", "0A1B2C3D", "saga_0a1b2c3d", "0a1b2c3x", &format!("{id}0")] {
            assert!(bad.parse::<Named>().unwrap_err().contains("the first 8"), "{bad}");
        }
        "saga_0a1b2c3d".parse::<SagaNamed>().unwrap();
        assert_eq!(short(&id), "0a1b2c3d0a1b");
    }

    #[test]
    fn nothing_lies_between_the_id_before_and_the_first_that_starts_so() {
        let before = |text: &str| Prefix(text.to_owned()).before();
        for text in ["0a1b2c3d", "10000000", "00000001", "ffffffff"] {
            let before = before(text).unwrap();
            assert!(before.len() == ALL && before.as_str() < format!("{text:0<64}").as_str(), "{before}");
            let next = format!("{:0<64}", text);
            let trimmed = before.trim_end_matches('f');
            let up = char::from_digit(trimmed.chars().last().unwrap().to_digit(16).unwrap() + 1, 16).unwrap();
            let head: String = trimmed.chars().take(trimmed.len() - 1).chain([up]).collect();
            assert_eq!(format!("{head:0<64}"), next, "one more is the first");
        }
        assert_eq!(before("00000000"), None);
    }

    #[test]
    fn what_may_mean_two_is_refused_with_both() {
        let prefix = Prefix("0a1b2c3d".to_owned());
        let one = |found: &[&'static str]| one_of(found.iter().copied(), "intent", &prefix);
        assert_eq!(one(&["a"]).unwrap(), "a");
        assert!(matches!(one(&[]), Err(Failure::Fault(fault)) if fault.message.contains("0a1b2c3d")));
        assert!(one(&["a", "b"]).unwrap_err().to_string().contains("a or b"));
    }
}
