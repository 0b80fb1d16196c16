//! Signing and checking `Agent-Sender` headers with nkeys. What is signed stands in
//! `contracts::sender`.

use nkeys::KeyPair;
use selvedge_contracts::{
    id::PublicKey,
    sender::{AgentSender, Malformed, Parsed, WINDOW_MS},
};
use sha2::{Digest as _, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Signs messages with an identity key, as one user of one account.
pub struct Signer {
    key: KeyPair,
    account: String,
    name: Option<String>,
}

/// Why a signature does not count.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The header is not one.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It was made for another subject.
    #[error("the signature is for subject {signed}, not for this one")]
    Subject {
        /// The subject it was made for.
        signed: String,
    },
    /// It was made in another account.
    #[error("the signature is for account {signed}, not for this kluster")]
    Account {
        /// The account it was made in.
        signed: String,
    },
    /// It is too old or from the future.
    #[error("the signature's time {ts} lies more than {} s from the receiver's clock; sign again", WINDOW_MS / 1_000)]
    Time {
        /// The time it names.
        ts: String,
    },
    /// Its user is no public user key.
    #[error("the signature's user is no public user key")]
    Key,
    /// It does not match.
    #[error("the signature does not match the message")]
    Mismatch,
    /// The key cannot sign.
    #[error("the key cannot sign: {0}")]
    CannotSign(String),
}

/// A signature that counts.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The key that made it.
    pub key: PublicKey,
    /// sha256 of the message body.
    pub payload_sha256: [u8; 32],
    /// The nonce, which is never the same twice.
    pub nonce: String,
}

impl Signer {
    /// Signs with `key` as a user of `account`.
    pub fn new(key: KeyPair, account: String, name: Option<String>) -> Self {
        Self { key, account, name }
    }

    /// The public half of the key.
    pub fn public_key(&self) -> String {
        self.key.public_key()
    }

    /// Signs bytes that are no message, as a proof of holding the key.
    ///
    /// # Errors
    /// [`SignatureError::CannotSign`] if the key has no private half.
    pub fn sign_text(&self, text: &str) -> Result<Vec<u8>, SignatureError> {
        self.key.sign(text.as_bytes()).map_err(|error| SignatureError::CannotSign(error.to_string()))
    }

    /// The header for a message to `subject`.
    ///
    /// # Errors
    /// [`SignatureError::CannotSign`] if the key has no private half.
    pub fn sign(&self, subject: &str, body: &[u8], now_ms: u64) -> Result<String, SignatureError> {
        let unsigned = AgentSender {
            v: 1,
            account: self.account.clone(),
            user: self.key.public_key(),
            name: self.name.clone(),
            sub: subject.to_owned(),
            ts: crate::clock::rfc3339(now_ms),
            nonce: uuid::Uuid::now_v7().simple().to_string(),
            sig: String::new(),
        };
        let text = unsigned.signed_text(&sha256(body));
        Ok(unsigned.signed(&self.sign_text(&text)?).to_header())
    }
}

/// Holds a header against the message it came with. A header of another version counts as absent.
///
/// # Errors
/// [`SignatureError`] says why it does not count.
pub fn verify(
    header: &str,
    subject: &str,
    body: &[u8],
    account: &str,
    now_ms: u64,
) -> Result<Option<Verified>, SignatureError> {
    let Parsed::Sender(sender) = AgentSender::parse(header)? else {
        return Ok(None);
    };
    if sender.sub != subject {
        return Err(SignatureError::Subject { signed: sender.sub });
    }
    if sender.account != account {
        return Err(SignatureError::Account { signed: sender.account });
    }
    let in_window = unix_ms(&sender.ts).is_some_and(|at_ms| now_ms.abs_diff(at_ms) <= WINDOW_MS);
    if !in_window {
        return Err(SignatureError::Time { ts: sender.ts });
    }
    let payload_sha256 = sha256(body);
    let key = PublicKey::new(&sender.user).map_err(|_| SignatureError::Key)?;
    verify_text(&key, &sender.signed_text(&payload_sha256), &sender.signature()?)?;
    Ok(Some(Verified { key, payload_sha256, nonce: sender.nonce }))
}

/// Holds a signature against a text.
///
/// # Errors
/// [`SignatureError::Key`] or [`SignatureError::Mismatch`].
pub fn verify_text(key: &PublicKey, text: &str, signature: &[u8]) -> Result<(), SignatureError> {
    let pair = KeyPair::from_public_key(key.as_str()).map_err(|_| SignatureError::Key)?;
    pair.verify(text.as_bytes(), signature).map_err(|_| SignatureError::Mismatch)
}

/// The bytes of an unpadded base64url text.
pub fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

/// Bytes as unpadded base64url.
pub fn encode_base64url(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

fn sha256(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

fn unix_ms(ts: &str) -> Option<u64> {
    let at = OffsetDateTime::parse(ts, &Rfc3339).ok().filter(|at| at.offset().is_utc())?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AABC";
    const NOW_MS: u64 = 1_800_000_000_123;

    fn signed() -> (String, String) {
        let signer = Signer::new(KeyPair::new_user(), ACCOUNT.into(), None);
        (signer.sign("sv.req.a", b"body", NOW_MS).unwrap(), signer.public_key())
    }

    #[test]
    fn a_signature_counts_for_its_own_message() {
        let (header, key) = signed();
        let verified = verify(&header, "sv.req.a", b"body", ACCOUNT, NOW_MS + 29_000).unwrap().unwrap();
        assert_eq!(verified.key.as_str(), key);
    }

    #[test]
    fn a_signature_counts_for_nothing_else() {
        let (header, _) = signed();
        let check =
            |subject: &str, body: &[u8], account: &str, now| verify(&header, subject, body, account, now);
        assert!(matches!(check("sv.req.b", b"body", ACCOUNT, NOW_MS), Err(SignatureError::Subject { .. })));
        assert!(matches!(check("sv.req.a", b"bodY", ACCOUNT, NOW_MS), Err(SignatureError::Mismatch)));
        assert!(matches!(check("sv.req.a", b"body", "AXYZ", NOW_MS), Err(SignatureError::Account { .. })));
        assert!(matches!(
            check("sv.req.a", b"body", ACCOUNT, NOW_MS + 31_000),
            Err(SignatureError::Time { .. })
        ));
        assert!(matches!(
            check("sv.req.a", b"body", ACCOUNT, NOW_MS - 31_000),
            Err(SignatureError::Time { .. })
        ));
    }

    #[test]
    fn another_key_cannot_pass_as_the_user() {
        let (header, key) = signed();
        let (_, other) = signed();
        let forged = header.replace(&key, &other);
        assert!(matches!(
            verify(&forged, "sv.req.a", b"body", ACCOUNT, NOW_MS),
            Err(SignatureError::Mismatch)
        ));
    }
}
