//! Tokens of nats-server (JWT version 2): written for operators, accounts and users, read back without
//! checking the signature, which is nats-server's business.
//!
//! Written here, since the published crates stamp a token with the clock as they sign it (nats-jwt-rs,
//! nats-io-jwt) or know no scoped signing keys (nats-jwt): nats-server orders an account's tokens by
//! that stamp, in seconds, so two made in one second would have no order.

mod account;
mod user;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use nkeys::KeyPair;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512_256};

use super::Error;

pub use account::{Account, JetStream};
pub use user::{Life, Tags, full_user, scoped_user};

const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
const VERSION: u8 = 2;
/// nats-server's word for "as much as it likes".
const UNLIMITED: i64 = -1;
/// Longest token that is read, in bytes.
const MAX_TOKEN_BYTES: usize = 1 << 20;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// Digest of the other claims.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub jti: String,
    /// When it was signed, in seconds.
    pub iat: u64,
    /// Public key that signed it.
    pub iss: String,
    /// Name, for people.
    #[serde(default)]
    pub name: String,
    /// Public key it is for.
    pub sub: String,
    /// When it ends, in seconds; 0 is never.
    #[serde(default, skip_serializing_if = "is_never")]
    pub exp: u64,
    /// What nats-server reads of it.
    pub nats: Value,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_never(exp: &u64) -> bool {
    *exp == 0
}

impl Claims {
    /// When it ends, in milliseconds; `None` is never.
    pub fn expires_at_ms(&self) -> Option<u64> {
        (self.exp > 0).then(|| self.exp.saturating_mul(1_000))
    }

    /// Public key of the account that a user's token belongs to.
    pub fn account(&self) -> &str {
        self.nats.get("issuer_account").and_then(Value::as_str).unwrap_or(&self.iss)
    }

    /// The value of a tag, if there is exactly one.
    pub fn tag(&self, name: &str) -> Option<&str> {
        let tags = self.nats.get("tags")?.as_array()?;
        let mut values = tags.iter().filter_map(|tag| tag.as_str()?.strip_prefix(name)?.strip_prefix(':'));
        values.next().filter(|_| values.next().is_none())
    }
}

/// The token of an operator.
///
/// # Errors
/// [`Error::Signing`] if the key has no seed.
pub fn operator(key: &KeyPair, name: &str, system_account: &str, now_ms: u64) -> Result<String, Error> {
    let nats = json!({ "type": "operator", "version": VERSION, "system_account": system_account });
    sign(key, Subject { name, key: &key.public_key(), exp: 0, iat: seconds(now_ms) }, nats)
}

struct Subject<'a> {
    name: &'a str,
    key: &'a str,
    exp: u64,
    iat: u64,
}

fn sign(signer: &KeyPair, subject: Subject<'_>, nats: Value) -> Result<String, Error> {
    let Subject { name, key, exp, iat } = subject;
    let (name, sub) = (name.to_owned(), key.to_owned());
    let mut claims = Claims { jti: String::new(), iat, iss: signer.public_key(), name, sub, exp, nats };
    claims.jti = BASE32_NOPAD.encode(&Sha512_256::digest(json(&claims)));
    let signed =
        format!("{}.{}", BASE64URL_NOPAD.encode(HEADER.as_bytes()), BASE64URL_NOPAD.encode(&json(&claims)));
    let signature = BASE64URL_NOPAD.encode(&signer.sign(signed.as_bytes())?);
    Ok(format!("{signed}.{signature}"))
}

fn json(claims: &Claims) -> Vec<u8> {
    // Text keys only, so it always is JSON.
    serde_json::to_vec(claims).unwrap_or_default()
}

/// What a token says. Its signature is not checked.
///
/// # Errors
/// [`Error::Token`] if it is no token.
pub fn decode(token: &str) -> Result<Claims, Error> {
    let wrong = |reason: String| Error::Token { reason };
    let mut parts = token.trim().split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong("expected three parts joined by dots".to_owned()));
    };
    if claims.len() > MAX_TOKEN_BYTES {
        return Err(wrong(format!("longer than {MAX_TOKEN_BYTES} bytes")));
    }
    let claims = BASE64URL_NOPAD
        .decode(claims.as_bytes())
        .map_err(|error| wrong(format!("its claims are not base64url: {error}")))?;
    serde_json::from_slice(&claims)
        .map_err(|error| wrong(format!("its claims are not what they must be: {error}")))
}

/// Whole seconds, rounded down.
pub(super) const fn seconds(ms: u64) -> u64 {
    ms / 1_000
}

#[cfg(test)]
mod tests {
    use super::{user::tests::user_token, *};

    #[test]
    fn a_token_reads_back_as_written() {
        let (signer, token) = user_token(Life { now_ms: 5_999, expires_at_ms: 9_999 });
        let claims = decode(&token).unwrap();
        assert_eq!((claims.iat, claims.exp, claims.expires_at_ms()), (5, 9, Some(9_000)));
        assert_eq!(claims.iss, signer.public_key());
        assert_eq!(claims.account(), "AACCOUNT");
        assert_eq!(claims.tag("agent"), Some("ada-1a2b3c4d"));
        assert_eq!(claims.name, "ada-1a2b3c4d.worker-session_01");
        assert_eq!(claims.tag("nothing"), None);
    }

    #[test]
    fn the_signature_covers_header_and_claims() {
        let (signer, token) = user_token(Life { now_ms: 1_000, expires_at_ms: 2_000 });
        let (signed, signature) = token.rsplit_once('.').unwrap();
        signer.verify(signed.as_bytes(), &BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap()).unwrap();
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for bad in ["", "a.b", "a.b.c.d", "a.!.c", "a.e30.c"] {
            assert!(matches!(decode(bad), Err(Error::Token { .. })), "{bad}");
        }
    }
}
