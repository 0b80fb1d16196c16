//! Creations as people name them: by their ids, or by what ids start with.

use std::{fmt, str::FromStr};

use selvedge_contracts::{call, fault::Fault, id::CreationId, payload::overlap::CreationList};
use selvedge_kit::client::Client;

use crate::exit::Failure;

/// Fewest hex digits by which a creation may be named.
const FEWEST: usize = 8;
/// Hex digits of a whole id.
const ALL: usize = 32;
/// Hex digits that people are shown.
const SHOWN: usize = 12;

/// The first hex digits of a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named(String);

impl FromStr for Named {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.strip_prefix("creation_").unwrap_or(text);
        let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && (FEWEST..=ALL).contains(&hex.len()) {
            return Ok(Self(hex.to_owned()));
        }
        Err(format!(
            "{text:?} is no creation: expected its id, creation_ and {ALL} hex digits, or the first {FEWEST} or more of these"
        ))
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Named {
    /// Whether a creation may be meant.
    pub(crate) fn fits(&self, id: &CreationId) -> bool {
        id.as_str().strip_prefix("creation_").is_some_and(|hex| hex.starts_with(&self.0))
    }

    /// The one creation that is meant.
    ///
    /// # Errors
    /// `not_found` if there is none, [`Failure::Usage`] if there are several.
    pub(crate) async fn find(&self, client: &Client) -> Result<CreationId, Failure> {
        let number = |digit: char| {
            u128::from_str_radix(&format!("{}{}", self.0, String::from(digit).repeat(ALL - self.0.len())), 16)
        };
        let (Ok(first), Ok(last)) = (number('0'), number('f')) else {
            return Err(Failure::usage(format!("{self} is no creation")));
        };
        if first == last {
            return Ok(CreationId::from_number(first));
        }
        let after = first.checked_sub(1).map(CreationId::from_number);
        let wanted = CreationList { after, limit: Some(2), ..CreationList::default() };
        let found = client.call::<call::OverlapList>(&wanted).await?.reply.creations;
        let mut found = found.into_iter().map(|found| found.creation).filter(|id| id.number() <= last);
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => {
                Err(Failure::usage(format!("several creations start with {self}: give more digits")))
            }
            (None, _) => Err(Fault::not_found(format!("no creation starts with {self}")).into()),
        }
    }
}

/// As people are shown it.
pub(super) fn short(id: &CreationId) -> String {
    let hex = id.as_str().strip_prefix("creation_").unwrap_or(id.as_str());
    hex.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creation_is_named_by_its_id_or_its_first_digits() {
        let id = CreationId::from_number(0x0a1b_2c3d_4e5f_6071_8293_a4b5_c6d7_e8f9);
        assert_eq!(id.as_str().parse::<Named>().unwrap().to_string(), "0a1b2c3d4e5f60718293a4b5c6d7e8f9");
        assert_eq!(short(&id).parse::<Named>().unwrap().to_string(), "0a1b2c3d4e5f");
        for bad in
            ["0a1b2c3", "0A1B2C3D", "creation_", "creation_0a1b2c3d4e5f60718293a4b5c6d7e8f9a", "fix it"]
        {
            assert!(bad.parse::<Named>().is_err(), "{bad}");
        }
    }
}
