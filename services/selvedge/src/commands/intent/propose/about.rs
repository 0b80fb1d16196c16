//! What every proposal may say beside its effect.

use std::{path::PathBuf, str::FromStr};

use clap::Args;
use selvedge_contracts::{
    id::{ArtifactRef, LeaseId, SpaceId},
    payload::intent::{Effect, FencingToken, MAX_INTENT_TTL_MS, MAX_TITLE_BYTES, MIN_INTENT_TTL_MS, Propose},
};

use crate::{commands::artifact::reference, exit::Failure, input};

/// What every proposal may say.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::commands) struct About {
    /// In a line, for whoever has to approve it.
    #[arg(long)]
    title: Option<String>,
    /// Which of several wanted repetitions it is; without, the same content is the same intent.
    #[arg(long, value_name = "TEXT")]
    occurrence: Option<String>,
    /// A lease that must be held until it is executed; repeat for more.
    #[arg(long = "lease", value_name = "SPACE:LEASE=TOKEN")]
    tokens: Vec<Token>,
    /// An artifact that it rests on; repeat for more.
    #[arg(long = "input", value_name = "ARTIFACT", value_parser = reference)]
    inputs: Vec<ArtifactRef>,
    /// Longest time before it is executed: 1s to 30d.
    #[arg(long, value_name = "TIME", value_parser = life)]
    expires: Option<u64>,
    /// File with the effect that takes it back, as JSON.
    #[arg(long, value_name = "FILE")]
    undo: Option<PathBuf>,
}

fn life(text: &str) -> Result<u64, String> {
    match input::milliseconds(text)? {
        ttl_ms @ MIN_INTENT_TTL_MS..=MAX_INTENT_TTL_MS => Ok(ttl_ms),
        _ => Err("expected 1s to 30d".to_owned()),
    }
}

/// A lease by its fencing token.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token(FencingToken);

impl FromStr for Token {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':').and_then(|(space, rest)| Some((space, rest.split_once('=')?)));
        let (space, (lease, token)) =
            parts.ok_or("expected SPACE:LEASE=TOKEN, as `selvedge lease acquire` prints them")?;
        Ok(Self(FencingToken {
            space: SpaceId::new(space).map_err(|error| error.to_string())?,
            lease: LeaseId::new(lease).map_err(|error| error.to_string())?,
            token: token.parse().map_err(|_| format!("{token:?} is no token: expected a number"))?,
        }))
    }
}

impl About {
    /// The proposal of an effect; `otherwise` is its title if none was said.
    pub(in crate::commands) fn proposal(self, effect: Effect, otherwise: &str) -> Result<Propose, Failure> {
        let undo = self.undo.map(|file| super::read(&file)).transpose()?;
        Ok(Propose {
            title: self.title.unwrap_or_else(|| cut(otherwise)),
            effect,
            undo,
            occurrence: self.occurrence,
            inputs: self.inputs,
            preconditions: Vec::new(),
            tokens: self.tokens.into_iter().map(|token| token.0).collect(),
            expires_after_ms: self.expires,
        })
    }
}

/// The first line, as long as a title may be.
fn cut(text: &str) -> String {
    let mut title = String::new();
    for c in text.trim_start().lines().next().unwrap_or_default().chars() {
        if title.len() + c.len_utf8() > MAX_TITLE_BYTES {
            break;
        }
        title.push(c);
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_named_by_its_space_and_its_token() {
        let Token(token) = "shop:lease_01=42".parse().unwrap();
        assert_eq!((token.space.as_str(), token.lease.as_str(), token.token), ("shop", "lease_01", 42));
        for bad in ["lease_01=42", "shop:lease_01", "shop:01=42", "shop:lease_01=x", ":="] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_title_is_the_first_line_and_no_longer_than_it_may_be() {
        assert_eq!(cut("\nFix it\n\nbecause"), "Fix it");
        let long = cut(&"ä".repeat(150));
        assert_eq!(long, "ä".repeat(100));
        assert_eq!(cut(""), "");
    }
}
