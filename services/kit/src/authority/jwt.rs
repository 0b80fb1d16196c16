//! Tokens of nats-server (JWT version 2): written for operators, accounts and users, read back without
//! checking the signature, which is nats-server's business.
//!
//! Written here because no crate does it: of those published, none knows scoped signing keys with
//! permission templates, and none was changed in the last year.

use std::collections::BTreeMap;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use nkeys::KeyPair;
use selvedge_contracts::{
    id::{Caller, Mission, PublicKey, ScopeId},
    permission::{self, AGENT_TAG, MISSION_TAG, SCOPE_TAG},
    role::Role,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512_256};

use super::Error;

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

/// Whether an account may keep streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JetStream {
    /// As many and as large as the server can.
    Unlimited,
    /// None: nats-server refuses them to its own account.
    Off,
}

/// What an account's token is to say.
#[derive(Debug, Clone)]
pub struct Account<'a> {
    /// Its name, for people.
    pub name: &'a str,
    /// Its public key.
    pub key: &'a str,
    /// Whether it may keep streams.
    pub jetstream: JetStream,
    /// The public signing key of each role; the role's permissions are its template.
    pub signing_keys: BTreeMap<Role, String>,
    /// Users' keys whose tokens, signed until that second, are worth nothing.
    pub revocations: BTreeMap<String, u64>,
}

impl Account<'_> {
    /// The token, signed by the operator at `iat`, in seconds.
    ///
    /// # Errors
    /// [`Error::Signing`] if the key has no seed.
    pub fn sign(&self, operator: &KeyPair, iat: u64) -> Result<String, Error> {
        sign(operator, Subject { name: self.name, key: self.key, exp: 0, iat }, self.claims())
    }

    /// What nats-server reads of the token.
    pub fn claims(&self) -> Value {
        let signing_keys: Vec<Value> = self.signing_keys.iter().map(|(role, key)| scoped(*role, key)).collect();
        json!({
            "type": "account",
            "version": VERSION,
            "limits": limits(self.jetstream),
            "default_permissions": { "pub": {}, "sub": {} },
            "signing_keys": signing_keys,
            "revocations": self.revocations,
        })
    }
}

fn limits(jetstream: JetStream) -> Value {
    let streams = match jetstream {
        JetStream::Unlimited => UNLIMITED,
        JetStream::Off => 0,
    };
    json!({
        "subs": UNLIMITED, "data": UNLIMITED, "payload": UNLIMITED,
        "imports": UNLIMITED, "exports": UNLIMITED, "wildcards": true,
        "conn": UNLIMITED, "leaf": UNLIMITED, "disallow_bearer": true,
        "mem_storage": streams, "disk_storage": streams, "streams": streams, "consumer": streams,
        "max_ack_pending": streams,
    })
}

fn scoped(role: Role, key: &str) -> Value {
    let permission::Permissions { publish, subscribe } = permission::of(role);
    json!({
        "kind": "user_scope",
        "key": key,
        "role": role.name(),
        "template": {
            "pub": { "allow": publish }, "sub": { "allow": subscribe },
            "subs": UNLIMITED, "data": UNLIMITED, "payload": UNLIMITED,
        },
    })
}

/// What fills the tags of a role's template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// The mission it is for; `_` is the kluster itself.
    pub mission: Mission,
    /// Its holder.
    pub agent: Caller,
    /// The session, task, invite or instance it is for.
    pub scope: ScopeId,
}

impl Tags {
    fn claims(&self) -> [String; 3] {
        let Self { mission, agent, scope } = self;
        [format!("{MISSION_TAG}:{mission}"), format!("{AGENT_TAG}:{agent}"), format!("{SCOPE_TAG}:{scope}")]
    }
}

/// How long a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it is signed.
    pub now_ms: u64,
    /// When it ends, rounded down to the second.
    pub expires_at_ms: u64,
}

/// A user's token that may do what the signing key's template says, and nothing else.
///
/// # Errors
/// [`Error::Signing`] if the signing key has no seed.
pub fn scoped_user(
    signer: &KeyPair,
    account: &str,
    role: Role,
    tags: &Tags,
    user: &PublicKey,
    life: Life,
) -> Result<String, Error> {
    let name = user_name(role, tags);
    let nats = json!({
        "type": "user", "version": VERSION, "issuer_account": account, "tags": tags.claims(),
        "pub": {}, "sub": {},
    });
    sign(signer, user_subject(&name, user, life), nats)
}

/// A user's token, signed by the account's own key, that may do everything in that account. It speaks
/// as an operator.
///
/// # Errors
/// [`Error::Signing`] if the account's key has no seed.
pub fn full_user(account: &KeyPair, tags: &Tags, user: &PublicKey, life: Life) -> Result<String, Error> {
    let nats = json!({
        "type": "user", "version": VERSION, "tags": tags.claims(), "pub": {}, "sub": {},
        "subs": UNLIMITED, "data": UNLIMITED, "payload": UNLIMITED,
    });
    sign(account, user_subject(&user_name(Role::Operator, tags), user, life), nats)
}

/// Holder, role and scope in one name, from which a holder reads its role.
fn user_name(role: Role, tags: &Tags) -> String {
    format!("{}.{role}-{}", tags.agent, tags.scope)
}

fn user_subject<'a>(name: &'a str, user: &'a PublicKey, life: Life) -> Subject<'a> {
    // 0 would mean "for ever".
    let exp = seconds(life.expires_at_ms).max(1);
    Subject { name, key: user.as_str(), exp, iat: seconds(life.now_ms) }
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
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(wrong("expected three parts joined by dots".to_owned()));
    };
    if claims.len() > MAX_TOKEN_BYTES {
        return Err(wrong(format!("longer than {MAX_TOKEN_BYTES} bytes")));
    }
    let claims = BASE64URL_NOPAD
        .decode(claims.as_bytes())
        .map_err(|error| wrong(format!("its claims are not base64url: {error}")))?;
    serde_json::from_slice(&claims).map_err(|error| wrong(format!("its claims are not what they must be: {error}")))
}

/// Whole seconds, rounded down.
pub(super) const fn seconds(ms: u64) -> u64 {
    ms / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> Tags {
        Tags {
            mission: Mission::new("demo").unwrap(),
            agent: Caller::new("ada-1a2b3c4d").unwrap(),
            scope: ScopeId::new("session_01").unwrap(),
        }
    }

    fn user_token(life: Life) -> (KeyPair, String) {
        let (signer, user) = (KeyPair::new_account(), KeyPair::new_user());
        let user = PublicKey::new(&user.public_key()).unwrap();
        let token = scoped_user(&signer, "AACCOUNT", Role::Worker, &tags(), &user, life).unwrap();
        (signer, token)
    }

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
    fn no_life_makes_a_token_that_never_ends() {
        let (_, token) = user_token(Life { now_ms: 0, expires_at_ms: 0 });
        assert_eq!(decode(&token).unwrap().expires_at_ms(), Some(1_000));
    }

    #[test]
    fn a_scoped_user_brings_no_rights_of_its_own() {
        let (_, token) = user_token(Life { now_ms: 1_000, expires_at_ms: 2_000 });
        let nats = decode(&token).unwrap().nats;
        assert_eq!(nats["pub"], json!({}));
        assert_eq!(nats["sub"], json!({}));
        assert_eq!(nats.get("resp"), None);
        assert_eq!(nats.get("subs"), None);
    }

    #[test]
    fn an_accounts_templates_are_the_permissions_of_the_roles() {
        let account = Account {
            name: "main",
            key: "A",
            jetstream: JetStream::Unlimited,
            signing_keys: [(Role::Worker, "AWORKER".to_owned())].into(),
            revocations: BTreeMap::new(),
        };
        let claims = account.claims();
        let template = &claims["signing_keys"][0]["template"];
        assert_eq!(template["pub"]["allow"], json!(permission::of(Role::Worker).publish));
        assert_eq!(template["sub"]["allow"], json!(permission::of(Role::Worker).subscribe));
        assert_eq!(claims["limits"]["disk_storage"], json!(-1));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for bad in ["", "a.b", "a.b.c.d", "a.!.c", "a.e30.c"] {
            assert!(matches!(decode(bad), Err(Error::Token { .. })), "{bad}");
        }
    }
}
