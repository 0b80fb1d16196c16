//! The key folder of one installation. Whoever can read it is the operator.
//!
//! ```text
//! keys/operator.nk            signs accounts
//! keys/operator.jwt
//! keys/system.nk              nats-server's own account
//! keys/system.jwt
//! klusters/<name>/…           see [`super::kluster`]
//! ```
//! Files have mode 0600, folders 0700; each is made whole or not at all.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use nkeys::KeyPair;
use selvedge_contracts::id::{Caller, KlusterName, Mission, PublicKey, ScopeId};

use super::{
    Credential, Error, Kluster, Revoked, files,
    jwt::{self, JetStream, Life, Tags},
    key::{self, Sort},
    kluster,
};

const OPERATOR_NAME: &str = "selvedge";
const SYSTEM_NAME: &str = "SYS";

/// The operator's and the system account's keys, and the folder with the klusters.
pub struct Keyring {
    folder: PathBuf,
    operator: KeyPair,
    system: KeyPair,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Opens the folder; makes it, with fresh keys, if it holds none.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Key`] if a file cannot be used.
    pub fn open_or_create(folder: &Path, now_ms: u64) -> Result<Self, Error> {
        if !folder.join("keys").exists() {
            create(folder, now_ms)?;
        }
        Self::open(folder)
    }

    /// Opens a folder that was made before.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Key`] if a file is missing or cannot be used.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let keys = folder.join("keys");
        Ok(Self {
            folder: folder.to_owned(),
            operator: key::read(&keys.join("operator.nk"), Sort::Operator)?,
            system: key::read(&keys.join("system.nk"), Sort::Account)?,
        })
    }

    /// Makes a kluster: an account, and one scoped signing key for each role.
    ///
    /// # Errors
    /// [`Error::KlusterExists`], or [`Error::File`].
    pub fn create_kluster(&self, name: &KlusterName, now_ms: u64) -> Result<Kluster, Error> {
        let folder = self.kluster_folder(name);
        if folder.exists() {
            return Err(Error::KlusterExists { name: name.to_string() });
        }
        files::make_folder(&self.folder.join("klusters"))?;
        let scratch = files::scratch(&folder);
        kluster::create(&scratch, name, &self.operator, now_ms)?;
        files::move_to(&scratch, &folder)?;
        self.kluster(name)
    }

    /// Opens a kluster.
    ///
    /// # Errors
    /// [`Error::NoKluster`] names those there are; [`Error::File`] or [`Error::Key`].
    pub fn kluster(&self, name: &KlusterName) -> Result<Kluster, Error> {
        let folder = self.kluster_folder(name);
        if !folder.exists() {
            let known: Vec<String> = self.klusters()?.iter().map(ToString::to_string).collect();
            return Err(Error::NoKluster { name: name.to_string(), known: known.join(", ") });
        }
        Kluster::open(&folder, name.clone())
    }

    /// Names of the klusters, in order.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be read, [`Error::Name`] if it holds something else.
    pub fn klusters(&self) -> Result<Vec<KlusterName>, Error> {
        let names = files::names(&self.folder.join("klusters"))?;
        names.iter().map(|name| Ok(KlusterName::new(name)?)).collect()
    }

    /// Writes the account's token anew where this program's roles or permissions are not those in it,
    /// as after an upgrade; makes the signing keys of new roles. Gives the token.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Key`] or [`Error::Token`].
    pub fn refresh(&self, kluster: &Kluster, now_ms: u64) -> Result<String, Error> {
        kluster.refresh(&self.operator, now_ms)
    }

    /// Takes credentials back: all that were signed for these keys until now. Gives the account's new
    /// token, which nats-server must be told ([`super::push`]).
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Key`] or [`Error::Token`].
    pub fn revoke(&self, kluster: &Kluster, keys: &[PublicKey], now_ms: u64) -> Result<String, Error> {
        kluster.revoke(&self.operator, keys, now_ms)
    }

    /// Takes credentials back until each ends by itself, at the Unix time (in milliseconds) beside its
    /// key. Bounded: once the token holds `most` keys, those it has no room for are left out, and counted.
    /// Where none is taken, the token stays.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Key`] or [`Error::Token`].
    pub fn revoke_until(
        &self,
        kluster: &Kluster,
        keys: &BTreeMap<PublicKey, u64>,
        most: usize,
        now_ms: u64,
    ) -> Result<Revoked, Error> {
        kluster.revoke_until(&self.operator, keys, most, now_ms)
    }

    /// A credential of nats-server's own account, which may tell it of accounts.
    ///
    /// # Errors
    /// [`Error::Signing`] if the key cannot be used.
    pub fn system_credential(&self, life: Life) -> Result<Credential, Error> {
        let user = KeyPair::new_user();
        let tags =
            Tags { mission: Mission::kluster(), agent: Caller::new("system")?, scope: ScopeId::new("key")? };
        Credential::new(jwt::full_user(&self.system, &tags, &key::public(&user)?, life)?, &user)
    }

    /// Public key of nats-server's own account.
    pub fn system_account(&self) -> String {
        self.system.public_key()
    }

    /// The operator's token.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read.
    pub fn operator_jwt(&self) -> Result<String, Error> {
        self.token("operator.jwt")
    }

    /// Every account's public key and token: nats-server's own, and one for each kluster.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Key`] if a file cannot be used.
    pub fn accounts(&self) -> Result<Vec<(String, String)>, Error> {
        let mut accounts = vec![(self.system_account(), self.token("system.jwt")?)];
        for name in self.klusters()? {
            let kluster = self.kluster(&name)?;
            accounts.push((kluster.account(), kluster.jwt()?));
        }
        Ok(accounts)
    }

    fn token(&self, name: &str) -> Result<String, Error> {
        Ok(files::read(&self.folder.join("keys").join(name))?.trim().to_owned())
    }

    fn kluster_folder(&self, name: &KlusterName) -> PathBuf {
        self.folder.join("klusters").join(name.as_str())
    }
}

fn create(folder: &Path, now_ms: u64) -> Result<(), Error> {
    let (operator, system) = (KeyPair::new_operator(), KeyPair::new_account());
    let system_account = jwt::Account {
        name: SYSTEM_NAME,
        key: &system.public_key(),
        jetstream: JetStream::Off,
        signing_keys: [].into(),
        revocations: [].into(),
    };
    let keys = folder.join("keys");
    let scratch = files::scratch(&keys);
    files::make_folder(&scratch)?;
    key::write(&scratch.join("operator.nk"), &operator)?;
    key::write(&scratch.join("system.nk"), &system)?;
    let token = jwt::operator(&operator, OPERATOR_NAME, &system.public_key(), now_ms)?;
    files::write(&scratch.join("operator.jwt"), &token)?;
    let token = system_account.sign(&operator, jwt::seconds(now_ms))?;
    files::write(&scratch.join("system.jwt"), &token)?;
    files::move_to(&scratch, &keys)
}
