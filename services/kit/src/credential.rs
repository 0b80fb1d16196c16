//! Credentials on the holder's side: reading `.creds`, answering the server's nonce, and who the
//! credential makes us. Never signs a credential (that is `authority`'s), never logs one.

use std::{
    path::PathBuf,
    sync::{Arc, RwLock},
};

use nkeys::KeyPair;
use selvedge_contracts::{
    id::{Caller, Mission, ScopeId},
    permission::{AGENT_TAG, MISSION_TAG, SCOPE_TAG},
    role::Scope,
};
use serde::Deserialize;

use crate::bus::Me;

/// Tag that names the credential's role, for its holder; the server takes the role from the signing key.
pub const ROLE_TAG: &str = "role";

/// Where a credential comes from, each time the server asks.
#[derive(Clone)]
pub enum Login {
    /// A `.creds` file, read anew at every connection: a keeper may have renewed it.
    File(PathBuf),
    /// One that may be replaced while connected.
    Held(Arc<RwLock<Held>>),
}

/// A credential in memory.
pub struct Held {
    /// NATS user JWT.
    pub jwt: String,
    /// The key pair it is bound to.
    pub key: KeyPair,
}

/// A credential that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The text is not a `.creds` file.
    #[error("not a NATS .creds file: it has no {missing}")]
    Malformed {
        /// The block that is missing or broken.
        missing: &'static str,
    },
    /// The JWT lacks one of our tags.
    #[error("the credential has no valid `{tag}` tag: it was not made for Selvedge; make one with `selvedge agent register`")]
    Tag {
        /// The tag.
        tag: &'static str,
    },
    /// The key does not sign.
    #[error("the credential's key cannot sign: {0}")]
    Key(String),
}

/// What a user JWT says of its holder.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Mission of the credential; the kluster's own for operators and services.
    pub mission: Mission,
    /// Who.
    pub caller: Caller,
    /// Role and scope.
    pub scope: Scope,
    /// Unix time at which it ends, in seconds; 0 for never.
    pub expires_at_s: u64,
    /// Public key of the account, which is the kluster.
    pub account: String,
}

impl Login {
    /// Holds a credential that [`Login::replace`] may renew.
    pub fn held(jwt: String, key: KeyPair) -> Self {
        Self::Held(Arc::new(RwLock::new(Held { jwt, key })))
    }

    /// Replaces a held credential; the next connection uses it.
    pub fn replace(&self, jwt: String, key: KeyPair) {
        if let Self::Held(held) = self {
            *held.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Held { jwt, key };
        }
    }

    /// What the credential says of us now.
    ///
    /// # Errors
    /// [`CredentialError`] if it cannot be read or is not one of ours.
    pub fn holder(&self) -> Result<Holder, CredentialError> {
        self.with(|jwt, _| Holder::of_jwt(jwt))?
    }

    pub(crate) fn me(&self) -> Result<Me, CredentialError> {
        let Holder { caller, scope, .. } = self.holder()?;
        Ok(Me { caller, scope })
    }

    /// Signs the server's nonce.
    pub(crate) fn answer(&self, nonce: &[u8]) -> Result<async_nats::Auth, CredentialError> {
        self.with(|jwt, key| {
            let mut auth = async_nats::Auth::new();
            auth.jwt = Some(jwt.to_owned());
            auth.signature = Some(key.sign(nonce).map_err(|error| CredentialError::Key(error.to_string()))?);
            Ok(auth)
        })?
    }

    fn with<T>(&self, use_it: impl FnOnce(&str, &KeyPair) -> T) -> Result<T, CredentialError> {
        match self {
            Self::Held(held) => {
                let held = held.read().unwrap_or_else(std::sync::PoisonError::into_inner);
                Ok(use_it(&held.jwt, &held.key))
            }
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| CredentialError::Unreadable {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                let Held { jwt, key } = Held::parse(&text)?;
                Ok(use_it(&jwt, &key))
            }
        }
    }
}

impl Held {
    /// Reads the text of a `.creds` file.
    ///
    /// # Errors
    /// [`CredentialError::Malformed`] names the block that is missing.
    pub fn parse(text: &str) -> Result<Self, CredentialError> {
        let block = |header: &str, missing| {
            let mut lines = text.lines().skip_while(|line| !line.contains(header)).skip(1);
            let found = lines.by_ref().map(str::trim).find(|line| !line.is_empty());
            found.map(str::to_owned).ok_or(CredentialError::Malformed { missing })
        };
        let jwt = block("BEGIN NATS USER JWT", "user JWT")?;
        let seed = block("BEGIN USER NKEY SEED", "user seed")?;
        let key = KeyPair::from_seed(&seed).map_err(|_| CredentialError::Malformed { missing: "valid user seed" })?;
        Ok(Self { jwt, key })
    }
}

impl Holder {
    /// Reads a user JWT; its signature is the server's to check.
    ///
    /// # Errors
    /// [`CredentialError`] if it is no JWT or lacks one of our tags.
    pub fn of_jwt(jwt: &str) -> Result<Self, CredentialError> {
        #[derive(Deserialize)]
        struct Claims {
            #[serde(default)]
            exp: u64,
            iss: String,
            nats: Nats,
        }
        #[derive(Deserialize)]
        struct Nats {
            #[serde(default)]
            tags: Vec<String>,
            #[serde(default)]
            issuer_account: String,
        }
        let malformed = CredentialError::Malformed { missing: "valid user JWT" };
        let claims = jwt.split('.').nth(1).and_then(|part| data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok());
        let claims: Option<Claims> = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(Claims { exp, iss, nats }) = claims else { return Err(malformed) };
        let tag = |tag: &'static str| {
            let value = nats.tags.iter().find_map(|text| text.strip_prefix(tag)?.strip_prefix(':'));
            value.ok_or(CredentialError::Tag { tag })
        };
        let role = tag(ROLE_TAG)?.parse().map_err(|_| CredentialError::Tag { tag: ROLE_TAG })?;
        let id = ScopeId::new(tag(SCOPE_TAG)?).map_err(|_| CredentialError::Tag { tag: SCOPE_TAG })?;
        Ok(Self {
            mission: Mission::new(tag(MISSION_TAG)?).map_err(|_| CredentialError::Tag { tag: MISSION_TAG })?,
            caller: Caller::new(tag(AGENT_TAG)?).map_err(|_| CredentialError::Tag { tag: AGENT_TAG })?,
            scope: Scope { role, id },
            expires_at_s: exp,
            account: if nats.issuer_account.is_empty() { iss } else { nats.issuer_account },
        })
    }
}
