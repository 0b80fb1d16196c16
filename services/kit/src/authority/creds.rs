//! Credentials and their `.creds` text: a token and the seed of the key it is bound to, in the form
//! that every NATS client reads.

use std::{fmt, path::Path};

use nkeys::KeyPair;
use selvedge_contracts::{
    id::{Caller, Mission, PublicKey},
    permission::{AGENT_TAG, MISSION_TAG},
    role::Scope,
    subject,
};

use super::{Error, files, jwt, key};

/// What proves who one is: a token, and the seed of the key it is bound to.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The token.
    pub jwt: String,
    /// The seed. A secret.
    pub seed: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = jwt::decode(&self.jwt).map(|claims| claims.name).unwrap_or_default();
        f.debug_struct("Credential").field("name", &name).finish_non_exhaustive()
    }
}

/// Whom a credential makes of its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The mission it is for; `_` is the kluster itself.
    pub mission: Mission,
    /// Its holder.
    pub agent: Caller,
    /// The role and the session, task, invite or instance it is for.
    pub scope: Scope,
}

impl Identity {
    /// The inbox prefix (without its last dot) to give to a NATS client.
    pub fn inbox_prefix(&self) -> String {
        subject::inbox_prefix(&self.agent, &self.scope)
    }
}

const JWT_BEGIN: &str = "-----BEGIN NATS USER JWT-----";
const JWT_END: &str = "------END NATS USER JWT------";
const SEED_BEGIN: &str = "-----BEGIN USER NKEY SEED-----";
const SEED_END: &str = "------END USER NKEY SEED------";

impl Credential {
    /// Binds a token to the key pair it was made for.
    ///
    /// # Errors
    /// [`Error::Signing`] if the key has no seed.
    pub fn new(jwt: String, key: &KeyPair) -> Result<Self, Error> {
        Ok(Self { jwt, seed: key.seed()? })
    }

    /// Reads the text of a `.creds` file.
    ///
    /// # Errors
    /// [`Error::Creds`] names the block that is missing or wrong, or says that token and seed do not
    /// belong together.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let credential =
            Self { jwt: block(text, JWT_BEGIN, JWT_END)?, seed: block(text, SEED_BEGIN, SEED_END)? };
        let wrong = |reason: String| Error::Creds { reason };
        let claims = jwt::decode(&credential.jwt).map_err(|error| wrong(error.to_string()))?;
        let key = credential.key().map_err(|_| wrong("its seed is not that of a key".to_owned()))?;
        if claims.sub == key.public_key() {
            Ok(credential)
        } else {
            Err(wrong(format!("its token is for {}, its seed is that of {}", claims.sub, key.public_key())))
        }
    }

    /// Reads a `.creds` file.
    ///
    /// # Errors
    /// [`Error::File`], or as [`Credential::parse`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&files::read(path)?)
    }

    /// Replaces a `.creds` file, atomically, with mode 0600.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        files::write(path, &self.to_text())
    }

    /// The text of a `.creds` file. A secret.
    pub fn to_text(&self) -> String {
        let Self { jwt, seed } = self;
        format!(
            "{JWT_BEGIN}\n{jwt}\n{JWT_END}\n\n\
             The seed below proves who you are: keep it secret.\n\n\
             {SEED_BEGIN}\n{seed}\n{SEED_END}\n"
        )
    }

    /// The key pair.
    ///
    /// # Errors
    /// [`Error::Signing`] if the seed is not that of a key.
    pub fn key(&self) -> Result<KeyPair, Error> {
        Ok(KeyPair::from_seed(&self.seed)?)
    }

    /// The public half of the key pair.
    ///
    /// # Errors
    /// [`Error::Signing`] or [`Error::Name`] if the seed is not that of a user.
    pub fn public_key(&self) -> Result<PublicKey, Error> {
        key::public(&self.key()?)
    }

    /// What the token says.
    ///
    /// # Errors
    /// [`Error::Token`] if it is none.
    pub fn claims(&self) -> Result<jwt::Claims, Error> {
        jwt::decode(&self.jwt)
    }

    /// Whom it makes of its holder.
    ///
    /// # Errors
    /// [`Error::Token`] if the token is none of a role: those of the system and of provisioning.
    pub fn identity(&self) -> Result<Identity, Error> {
        let claims = self.claims()?;
        let wrong = |reason: String| Error::Token { reason };
        let tag = |name| claims.tag(name).ok_or_else(|| wrong(format!("no tag {name}")));
        let (mission, agent) = (Mission::new(tag(MISSION_TAG)?)?, Caller::new(tag(AGENT_TAG)?)?);
        let scope = claims.name.rsplit_once('.').map_or("", |(_, scope)| scope);
        let scope = Scope::parse(scope).map_err(|error| wrong(error.to_string()))?;
        Ok(Identity { mission, agent, scope })
    }
}

fn block(text: &str, begin: &str, end: &str) -> Result<String, Error> {
    let after = text.split_once(begin).map(|(_, after)| after);
    let inside = after.and_then(|after| after.split_once(end)).map(|(inside, _)| inside.trim());
    match inside {
        Some(inside) if !inside.is_empty() => Ok(inside.to_owned()),
        _ => Err(Error::Creds { reason: format!("there is nothing between {begin:?} and {end:?}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::signer::tests::worker;

    #[test]
    fn a_creds_text_reads_back_as_written() {
        let credential = worker();
        assert_eq!(Credential::parse(&credential.to_text()).unwrap(), credential);
        let identity = credential.identity().unwrap();
        assert_eq!(identity.inbox_prefix(), "_INBOX.ada-1a2b3c4d.worker-session_01");
        assert_eq!(identity.mission.as_str(), "demo");
    }

    #[test]
    fn a_text_with_a_block_missing_or_a_foreign_seed_is_refused() {
        let text = worker().to_text();
        let foreign = Credential { seed: worker().seed, ..worker() }.to_text();
        let cut = text.replace(SEED_END, "");
        for (bad, wanted) in
            [("", "JWT"), (cut.as_str(), "SEED"), (foreign.as_str(), "its seed is that of U")]
        {
            let error = Credential::parse(bad).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_seed_is_never_printed() {
        let credential = worker();
        assert!(!format!("{credential:?}").contains(&credential.seed));
    }

    #[test]
    fn a_creds_file_is_private_and_replaced_whole() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ada.creds");
        for credential in [worker(), worker()] {
            credential.write(&path).unwrap();
            assert_eq!(Credential::read(&path).unwrap(), credential);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no scratch file stays");
    }
}
