//! Tokens of accounts: limits, scoped signing keys with the roles' permissions as templates, revocations.

use std::collections::BTreeMap;

use nkeys::KeyPair;
use selvedge_contracts::{permission, role::Role};
use serde_json::{Value, json};

use super::{Subject, UNLIMITED, VERSION, sign};
use crate::{
    authority::Error,
    sabotage::{Guard, is_broken},
};

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
        let signing_keys: Vec<Value> =
            self.signing_keys.iter().map(|(role, key)| scoped(*role, key)).collect();
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
    let permission::Permissions { mut publish, subscribe } = permission::of(role);
    if is_broken(Guard::Permissions) && role.is_member() {
        publish = vec![">".to_owned()];
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
