//! The keys that approvals are sealed with: one active, former ones kept so that what they sealed still
//! counts. A file of JSON, mode 0600, `{"active": "<key id>", "keys": {"<key id>": "<64 hex digits>"}}`.
//!
//! It is made once, whole, by whoever is first, and read again when it has changed: replicas on one machine
//! share it, and a rotation needs no restart. A key that is taken out voids what it sealed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use selvedge_contracts::{id::Digest, payload::intent::ApprovalToken};
use sha2::Sha256;

use crate::GovernanceError;

mod file;

pub(crate) use file::Ring;
use file::Stamp;
pub use file::{KeyIds, forget_key, rotate_keys};

/// The keys of approvals.
pub(crate) struct Keys {
    path: PathBuf,
    loaded: Mutex<(Stamp, Arc<Ring>)>,
}

/// What a token is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It was made here, over these bytes.
    Holds,
    /// It was not, or over others.
    Forged,
    /// The key that it names is not held, or no longer.
    NoKey,
}

impl Keys {
    /// Reads the file, or makes it with a fresh key.
    ///
    /// # Errors
    /// It cannot be made or read, or does not hold keys.
    pub(crate) fn open(path: &Path) -> Result<Self, GovernanceError> {
        file::make_if_missing(path)?;
        let loaded = file::read(path)?;
        Ok(Self { path: path.to_owned(), loaded: Mutex::new(loaded) })
    }

    /// The keys as the file has them now.
    ///
    /// # Errors
    /// It has changed and cannot be read.
    pub(crate) fn ring(&self) -> Result<Arc<Ring>, GovernanceError> {
        let metadata = fs::metadata(&self.path)
            .map_err(|source| GovernanceError::Keys { path: self.path.clone(), source })?;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.0 != Stamp::of(&metadata) {
            *loaded = file::read(&self.path)?;
        }
        Ok(Arc::clone(&loaded.1))
    }
}

impl Ring {
    /// Seals bytes with the active key.
    pub(crate) fn seal(&self, bytes: &[u8]) -> ApprovalToken {
        let tag = mac(self.active_key(), bytes).finalize().into_bytes();
        let hex = data_encoding::HEXLOWER.encode(&tag);
        // 32 bytes are 64 digits, which always are a digest.
        let mac = Digest::new(&hex).unwrap_or_else(|_| Digest::from(&blake3::hash(b"")));
        ApprovalToken { key_id: self.active().to_owned(), mac }
    }

    /// What a token is worth for these bytes. Takes the same time wherever it differs.
    pub(crate) fn judge(&self, token: &ApprovalToken, bytes: &[u8]) -> Proof {
        let Some(key) = self.key(&token.key_id) else {
            return Proof::NoKey;
        };
        let Ok(tag) = data_encoding::HEXLOWER.decode(token.mac.as_str().as_bytes()) else {
            return Proof::Forged;
        };
        match mac(key, bytes).verify_slice(&tag) {
            Ok(()) => Proof::Holds,
            Err(_) => Proof::Forged,
        }
    }
}

fn mac(key: &[u8; 32], bytes: &[u8]) -> Hmac<Sha256> {
    // A key shorter than a block of SHA-256 is filled up with zeros (RFC 2104, 2).
    let mut block = [0; 64];
    block.split_at_mut(key.len()).0.copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(bytes);
    mac
}

#[cfg(test)]
mod tests;
