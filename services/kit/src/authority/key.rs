//! Key files: one seed each.

use std::path::Path;

use nkeys::{KeyPair, KeyPairType};
use selvedge_contracts::id::PublicKey;

use super::{Error, files};

/// The sorts of keys that we keep in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Operator,
    Account,
}

impl Sort {
    const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Account => "account",
        }
    }

    fn fits(self, found: &KeyPairType) -> bool {
        matches!(
            (self, found),
            (Self::Operator, KeyPairType::Operator) | (Self::Account, KeyPairType::Account)
        )
    }
}

pub(super) fn read(path: &Path, sort: Sort) -> Result<KeyPair, Error> {
    let wrong = |source| Error::Key { path: path.to_owned(), wanted: sort.name(), source };
    let key = KeyPair::from_seed(files::read(path)?.trim()).map_err(|source| wrong(Some(source)))?;
    if sort.fits(&key.key_pair_type()) { Ok(key) } else { Err(wrong(None)) }
}

pub(super) fn write(path: &Path, key: &KeyPair) -> Result<(), Error> {
    files::write(path, &format!("{}\n", key.seed()?))
}

/// The public half of a user's key pair.
pub(super) fn public(key: &KeyPair) -> Result<PublicKey, Error> {
    Ok(PublicKey::new(&key.public_key())?)
}
