//! A user's key pair: an agent's identity, or the key of one credential. Its file holds the seed alone.

use std::{fmt, path::Path};

use nkeys::{KeyPair, KeyPairType};
use selvedge_contracts::id::PublicKey;

use super::{Credential, Error, files, key};
use crate::signature::{Signer, encode_base64url};

/// A key pair whose private half never leaves its holder.
pub struct UserKey(KeyPair);

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UserKey").field(&self.0.public_key()).finish()
    }
}

impl UserKey {
    /// A fresh one.
    pub fn generate() -> Self {
        Self(KeyPair::new_user())
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`Error::File`], or [`Error::Key`] if it holds no user's seed.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |source| Error::Key { path: path.to_owned(), wanted: "user", source };
        let key = KeyPair::from_seed(files::read(path)?.trim()).map_err(|source| wrong(Some(source)))?;
        if key.key_pair_type() == KeyPairType::User { Ok(Self(key)) } else { Err(wrong(None)) }
    }

    /// Writes a key file with mode 0600, whole or not at all, and the folder it lies in.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        make_folder_of(path)?;
        files::write(path, &self.text()?)
    }

    /// The key of the file; a fresh one, written there, if there is no file. All who ask at once get the
    /// same key: that of the file.
    ///
    /// # Errors
    /// As [`UserKey::read`] and [`UserKey::write`].
    pub fn read_or_create(path: &Path) -> Result<Self, Error> {
        if path.exists() {
            return Self::read(path);
        }
        make_folder_of(path)?;
        let key = Self::generate();
        if files::create(path, &key.text()?)? { Ok(key) } else { Self::read(path) }
    }

    fn text(&self) -> Result<String, Error> {
        Ok(format!("{}\n", self.0.seed()?))
    }

    /// The public half.
    ///
    /// # Errors
    /// [`Error::Name`] if it is none of a user, which no such key is.
    pub fn public(&self) -> Result<PublicKey, Error> {
        key::public(&self.0)
    }

    /// The credential that a token makes of this key.
    ///
    /// # Errors
    /// [`Error::Signing`] if the key has no private half.
    pub fn credential(&self, jwt: String) -> Result<Credential, Error> {
        Credential::new(jwt, &self.0)
    }

    /// Signs messages with this key, as a user of `account`.
    ///
    /// # Errors
    /// [`Error::Signing`] if the key has no private half.
    pub fn signer(&self, account: &str) -> Result<Signer, Error> {
        Ok(Signer::new(KeyPair::from_seed(&self.0.seed()?)?, account.to_owned(), None))
    }

    /// The signature over a text that is no message, as unpadded base64url.
    ///
    /// # Errors
    /// [`Error::Signing`] if the key has no private half.
    pub fn prove(&self, text: &str) -> Result<String, Error> {
        Ok(encode_base64url(&self.0.sign(text.as_bytes())?))
    }
}

fn make_folder_of(path: &Path) -> Result<(), Error> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(Ok(()), files::make_folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::signature::{decode_base64url, verify_text};

    #[test]
    fn a_key_file_is_private_and_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ada/identity.nk");
        let made = UserKey::read_or_create(&path).unwrap().public().unwrap();
        assert_eq!(UserKey::read_or_create(&path).unwrap().public().unwrap(), made);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn who_makes_a_key_file_at_once_gets_the_key_that_is_in_it() {
        const RACERS: usize = 4;
        let folder = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let path = folder.path().join(format!("{round}/identity.nk"));
            let barrier = std::sync::Barrier::new(RACERS);
            let race = || {
                barrier.wait();
                UserKey::read_or_create(&path).unwrap().public().unwrap()
            };
            let keys: std::collections::BTreeSet<_> = std::thread::scope(|scope| {
                let racers: Vec<_> = (0..RACERS).map(|_| scope.spawn(race)).collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).collect()
            });
            let kept = UserKey::read(&path).unwrap().public().unwrap();
            assert_eq!(keys, [kept].into(), "round {round}: somebody holds a key that no file holds");
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let beside = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
            assert_eq!(beside, 1, "a scratch file was left");
        }
    }

    #[test]
    fn a_proof_holds_for_its_text_alone() {
        let key = UserKey::generate();
        let proof = decode_base64url(&key.prove("text").unwrap()).unwrap();
        verify_text(&key.public().unwrap(), "text", &proof).unwrap();
        verify_text(&key.public().unwrap(), "other", &proof).unwrap_err();
    }

    #[test]
    fn a_file_without_a_users_seed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.nk");
        files::write(&path, &KeyPair::new_account().seed().unwrap()).unwrap();
        let error = UserKey::read(&path).unwrap_err();
        assert!(error.to_string().contains("holds no user key"), "{error}");
    }
}
