//! One role's signing key: what a service holds that may give out credentials of that role and of no
//! other.

use std::{fmt, path::Path};

use nkeys::KeyPair;
use selvedge_contracts::{id::PublicKey, role::Role};

use super::{
    Credential, Error, files,
    jwt::{self, Life, Tags},
    key,
};

/// Signs credentials of one role in one kluster.
pub struct RoleSigner {
    role: Role,
    account: String,
    key: KeyPair,
}

impl fmt::Debug for RoleSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleSigner").field("role", &self.role).finish_non_exhaustive()
    }
}

impl RoleSigner {
    pub(super) fn new(role: Role, account: String, key: KeyPair) -> Self {
        Self { role, account, key }
    }

    /// The role it signs for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Public key of the kluster's account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// A token for somebody else's key pair: the seed stays with its owner.
    ///
    /// # Errors
    /// [`Error::Signing`] if the signing key cannot be used.
    pub fn mint(&self, tags: &Tags, user: &PublicKey, life: Life) -> Result<String, Error> {
        jwt::scoped_user(&self.key, &self.account, self.role, tags, user, life)
    }

    /// A token for a fresh key pair, and its seed.
    ///
    /// # Errors
    /// [`Error::Signing`] if the signing key cannot be used.
    pub fn credential(&self, tags: &Tags, life: Life) -> Result<Credential, Error> {
        let user = KeyPair::new_user();
        Credential::new(self.mint(tags, &key::public(&user)?, life)?, &user)
    }

    /// The signers in a registry's folder: `account.pub` and one `<role>.nk` for each role.
    ///
    /// # Errors
    /// [`Error::ForbiddenSigner`] if a role is among them that the registry may not sign for, else
    /// [`Error::File`] or [`Error::Key`].
    pub fn load_folder(folder: &Path) -> Result<Vec<Self>, Error> {
        let account = files::read(&folder.join(ACCOUNT_FILE))?.trim().to_owned();
        let mut signers = Vec::new();
        for name in files::names(folder)? {
            let Some(role) = name.strip_suffix(".nk").and_then(|role| role.parse::<Role>().ok()) else {
                continue;
            };
            let path = folder.join(name);
            if !role.is_signed_by_registry() {
                return Err(Error::ForbiddenSigner { role, path });
            }
            signers.push(Self::new(role, account.clone(), key::read(&path, key::Sort::Account)?));
        }
        Ok(signers)
    }
}

/// File of the account's public key in a registry's folder.
pub(super) const ACCOUNT_FILE: &str = "account.pub";

#[cfg(test)]
pub(super) mod tests {
    use selvedge_contracts::id::{Caller, Mission, ScopeId};

    use super::*;

    pub(in crate::authority) fn tags() -> Tags {
        Tags {
            mission: Mission::new("demo").unwrap(),
            agent: Caller::new("ada-1a2b3c4d").unwrap(),
            scope: ScopeId::new("session_01").unwrap(),
        }
    }

    pub(in crate::authority) fn worker() -> Credential {
        let signer = RoleSigner::new(Role::Worker, "AACCOUNT".to_owned(), KeyPair::new_account());
        signer.credential(&tags(), Life { now_ms: 1_000, expires_at_ms: 60_000 }).unwrap()
    }

    #[test]
    fn every_credential_has_a_key_pair_of_its_own() {
        assert_ne!(worker().public_key().unwrap(), worker().public_key().unwrap());
    }
}
