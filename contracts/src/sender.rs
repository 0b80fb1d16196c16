//! The `Agent-Sender` header of the Synadia Agent Protocol 0.3: what is signed, and how the header is
//! read and written. Pure text; keys and clocks are the kit's.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};

/// Name of the header.
pub const HEADER: &str = "Agent-Sender";
/// How far the header's time may lie from the receiver's, in milliseconds.
pub const WINDOW_MS: u64 = 30_000;
/// Longest header that is read, in bytes.
pub const MAX_HEADER_BYTES: usize = 2_048;
/// Length of an ed25519 signature in bytes (RFC 8032).
pub const SIGNATURE_BYTES: usize = 64;

/// The header's fields, in their order on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSender {
    /// Version of the header: 1.
    pub v: u32,
    /// Public key of the account.
    pub account: String,
    /// Public key of the user: the identity key.
    pub user: String,
    /// The sender's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The subject it was sent to.
    pub sub: String,
    /// When, as RFC 3339 in UTC.
    pub ts: String,
    /// Never the same twice.
    pub nonce: String,
    /// Unpadded base64url of the signature.
    pub sig: String,
}

/// What a header turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A header of version 1.
    Sender(AgentSender),
    /// A header of a version we do not know: counts as absent.
    OtherVersion,
}

/// A header that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too long.
    #[error("the Agent-Sender header is longer than {MAX_HEADER_BYTES} bytes")]
    TooLong,
    /// Not the JSON it must be.
    #[error("the Agent-Sender header is not the one-line JSON of protocol version 1: {0}")]
    Json(String),
    /// The signature is not base64url of 64 bytes.
    #[error("the Agent-Sender header's sig is not unpadded base64url of {SIGNATURE_BYTES} bytes")]
    Signature,
}

impl AgentSender {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Malformed`] if it is anything but such a header or one of another version.
    pub fn parse(header: &str) -> Result<Parsed, Malformed> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        if header.len() > MAX_HEADER_BYTES {
            return Err(Malformed::TooLong);
        }
        let json = |error: serde_json::Error| Malformed::Json(error.to_string());
        let Version { v } = serde_json::from_str(header).map_err(json)?;
        if v != 1 {
            return Ok(Parsed::OtherVersion);
        }
        let sender: Self = serde_json::from_str(header).map_err(json)?;
        sender.signature()?;
        Ok(Parsed::Sender(sender))
    }

    /// The signature's bytes.
    ///
    /// # Errors
    /// [`Malformed::Signature`] if it is not unpadded base64url of 64 bytes.
    pub fn signature(&self) -> Result<[u8; SIGNATURE_BYTES], Malformed> {
        let bytes = BASE64URL_NOPAD.decode(self.sig.as_bytes()).map_err(|_| Malformed::Signature)?;
        bytes.try_into().map_err(|_| Malformed::Signature)
    }

    /// The same header under this signature.
    #[must_use]
    pub fn signed(mut self, signature: &[u8]) -> Self {
        self.sig = BASE64URL_NOPAD.encode(signature);
        self
    }

    /// The bytes that are signed, given the sha256 of the message body.
    pub fn signed_text(&self, payload_sha256: &[u8; 32]) -> String {
        let Self { account, user, sub, ts, nonce, .. } = self;
        let digest = HEXLOWER.encode(payload_sha256);
        format!("AGENT-SENDER-V1\n{account}\n{user}\n{sub}\n{ts}\n{nonce}\n{digest}\n")
    }

    /// The header's one line, fields in the protocol's order.
    pub fn to_header(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender() -> AgentSender {
        AgentSender {
            v: 1,
            account: "AABC".into(),
            user: "UABC".into(),
            name: None,
            sub: "sv.req.demo.ada.x".into(),
            ts: "2026-01-02T03:04:05Z".into(),
            nonce: "n1".into(),
            sig: String::new(),
        }
        .signed(&[7; SIGNATURE_BYTES])
    }

    #[test]
    fn a_header_reads_back_as_written() {
        let header = serde_json::to_string(&sender()).unwrap();
        assert!(header.starts_with(r#"{"v":1,"account":"AABC","user":"UABC","sub":"#), "{header}");
        assert_eq!(AgentSender::parse(&header), Ok(Parsed::Sender(sender())));
    }

    #[test]
    fn an_unknown_version_counts_as_absent_and_anything_else_is_malformed() {
        assert_eq!(AgentSender::parse(r#"{"v":2,"x":[]}"#), Ok(Parsed::OtherVersion));
        assert!(matches!(AgentSender::parse("hello"), Err(Malformed::Json(_))));
        assert!(matches!(AgentSender::parse(r#"{"v":1}"#), Err(Malformed::Json(_))));
        let short = AgentSender { sig: "AAAA".into(), ..sender() };
        assert_eq!(AgentSender::parse(&serde_json::to_string(&short).unwrap()), Err(Malformed::Signature));
        assert_eq!(AgentSender::parse(&"x".repeat(3_000)), Err(Malformed::TooLong));
    }

    #[test]
    fn the_signed_text_ends_every_line() {
        let text = sender().signed_text(&[0; 32]);
        let digest = "0".repeat(64);
        assert_eq!(
            text,
            format!("AGENT-SENDER-V1\nAABC\nUABC\nsv.req.demo.ada.x\n2026-01-02T03:04:05Z\nn1\n{digest}\n")
        );
    }
}
