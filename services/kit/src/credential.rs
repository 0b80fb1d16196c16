//! How a connection logs in: with a credential that is read anew each time the server asks, so that a
//! renewed one is used without losing a request. Never signs a credential (that is `authority`'s).

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use crate::authority::{Credential, Error, Identity};

/// Where a credential comes from, each time the server asks.
#[derive(Clone)]
pub enum Login {
    /// A `.creds` file, read anew at every connection: a keeper may have renewed it.
    File(PathBuf),
    /// One in memory, which may be replaced while connected.
    Held(Arc<RwLock<Credential>>),
}

impl Login {
    /// Holds a credential that [`Login::replace`] may renew.
    pub fn held(credential: Credential) -> Self {
        Self::Held(Arc::new(RwLock::new(credential)))
    }

    /// Replaces a held credential; the next connection uses it.
    pub fn replace(&self, credential: Credential) {
        if let Self::Held(held) = self {
            *held.write().unwrap_or_else(PoisonError::into_inner) = credential;
        }
    }

    /// The credential now.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be read or is no credential.
    pub fn credential(&self) -> Result<Credential, Error> {
        match self {
            Self::File(path) => Credential::read(path),
            Self::Held(held) => Ok(held.read().unwrap_or_else(PoisonError::into_inner).clone()),
        }
    }

    /// Whom the credential makes of us.
    ///
    /// # Errors
    /// [`Error`] if it cannot be read or was not made for the fabric.
    pub fn identity(&self) -> Result<Identity, Error> {
        self.credential()?.identity()
    }

    /// Signs the server's nonce.
    pub(crate) fn answer(&self, nonce: &[u8]) -> Result<async_nats::Auth, Error> {
        let credential = self.credential()?;
        let mut auth = async_nats::Auth::new();
        auth.signature = Some(credential.key()?.sign(nonce)?);
        auth.jwt = Some(credential.jwt);
        Ok(auth)
    }
}
