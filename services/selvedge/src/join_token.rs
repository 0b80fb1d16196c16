//! A join token: an invite as one line of text, with which an agent on another machine registers
//! itself. `svjoin1.` and the unpadded base64url of a JSON object. A secret, good once: it goes through
//! files, pipes and the environment, never through a command line.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use selvedge_contracts::{
    id::{KlusterName, Mission},
    role::Role,
};
use selvedge_kit::authority::Credential;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// Variable that may hold a token.
pub(crate) const VARIABLE: &str = "SELVEDGE_JOIN_TOKEN";
const PREFIX: &str = "svjoin1.";
const VERSION: u32 = 1;
/// Longest token that is read, in bytes.
const MAX_BYTES: usize = 16_384;

/// What a join token says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinToken {
    /// Version of this object: 1.
    pub v: u32,
    /// Where to connect.
    pub url: String,
    /// The kluster that the invite leads to.
    pub kluster: KlusterName,
    /// Public key of its account, which a signature names.
    pub account: String,
    /// Token of the credential that may join, once.
    pub jwt: String,
    /// Seed of the credential. A secret.
    pub seed: String,
    /// The mission that the invite leads to.
    pub mission: Mission,
    /// The role it gives there.
    pub role: Role,
    /// Unix time at which it ends, in milliseconds.
    pub expires_at_ms: u64,
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kluster, mission, role, .. } = self;
        write!(f, "JoinToken({kluster}, {mission}, {role})")
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Text fields only, so it always is JSON.
        let json = serde_json::to_vec(self).unwrap_or_default();
        write!(f, "{PREFIX}{}", BASE64URL_NOPAD.encode(&json))
    }
}

impl JoinToken {
    /// The current version of the object.
    pub(crate) const VERSION: u32 = VERSION;

    /// Reads a token; blanks around it do not matter.
    ///
    /// # Errors
    /// [`Failure::Usage`] says what is wrong, and never repeats the token.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!("this is no join token: {why}; `selvedge agent invite` makes one"))
        };
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(wrong("it is too long"));
        }
        let encoded = text.strip_prefix(PREFIX).ok_or_else(|| wrong("it does not start with svjoin1."))?;
        let json =
            BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| wrong("it is cut or not base64url"))?;
        let token: Self = serde_json::from_slice(&json)
            .map_err(|error| wrong(&format!("its content is wrong: {error}")))?;
        if token.v == VERSION { Ok(token) } else { Err(wrong(&format!("version {} is not known", token.v))) }
    }

    /// Whether a text that came on a command line is a token.
    pub(crate) fn is_token(text: &str) -> bool {
        text.trim_start().starts_with(PREFIX)
    }

    /// The credential that may join.
    pub(crate) fn credential(&self) -> Credential {
        Credential { jwt: self.jwt.clone(), seed: self.seed.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken {
            v: VERSION,
            url: "nats://10.0.0.1:4222".to_owned(),
            kluster: KlusterName::new("main").unwrap(),
            account: "AACCOUNT".to_owned(),
            jwt: "a.b.c".to_owned(),
            seed: "SUSEED".to_owned(),
            mission: Mission::new("demo").unwrap(),
            role: Role::Worker,
            expires_at_ms: 1_700_000_000_000,
        }
    }

    #[test]
    fn a_token_reads_back_as_written() {
        let text = token().to_string();
        assert!(text.starts_with("svjoin1.") && !text.contains(char::is_whitespace), "{text}");
        assert_eq!(JoinToken::parse(&format!("{text}\n")).unwrap(), token());
    }

    #[test]
    fn a_token_is_never_shown_when_it_is_refused_or_debugged() {
        let text = token().to_string();
        let (cut, _) = text.split_at(text.len() - 3);
        let other = JoinToken { v: 2, ..token() }.to_string();
        for bad in ["", "svjoin1.", "svjoin2.abc", cut, &other, &"svjoin1.".repeat(10_000)] {
            let error = JoinToken::parse(bad).unwrap_err().to_string();
            assert!(error.contains("selvedge agent invite") && !error.contains("SUSEED"), "{error}");
        }
        assert!(!format!("{:?}", token()).contains("SUSEED"));
    }
}
