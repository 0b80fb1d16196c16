//! Tokens of users.

use nkeys::KeyPair;
use selvedge_contracts::{
    id::{Caller, Mission, PublicKey, ScopeId},
    permission::{AGENT_TAG, MISSION_TAG, SCOPE_TAG},
    role::Role,
};
use serde_json::json;

use super::{Subject, UNLIMITED, VERSION, seconds, sign};
use crate::authority::Error;

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

#[cfg(test)]
pub(super) mod tests {
    use super::{super::decode, *};

    fn tags() -> Tags {
        Tags {
            mission: Mission::new("demo").unwrap(),
            agent: Caller::new("ada-1a2b3c4d").unwrap(),
            scope: ScopeId::new("session_01").unwrap(),
        }
    }

    pub(in super::super) fn user_token(life: Life) -> (KeyPair, String) {
        let (signer, user) = (KeyPair::new_account(), KeyPair::new_user());
        let user = PublicKey::new(&user.public_key()).unwrap();
        let token = scoped_user(&signer, "AACCOUNT", Role::Worker, &tags(), &user, life).unwrap();
        (signer, token)
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
    fn no_life_makes_a_token_that_never_ends() {
        let (_, token) = user_token(Life { now_ms: 0, expires_at_ms: 0 });
        assert_eq!(decode(&token).unwrap().expires_at_ms(), Some(1_000));
    }
}
