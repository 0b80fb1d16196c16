//! What can go wrong with keys, tokens and their files.

use std::{io, path::PathBuf};

use selvedge_contracts::{id::InvalidToken, role::Role};

/// A failure of the key folder, a token or a `.creds` text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried: "read", "write", "create", "open", "lock".
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file holds no key of the wanted sort.
    #[error("{} holds no {wanted} key", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Sort of key that was wanted: "operator", "account".
        wanted: &'static str,
        /// What the key library says, if the text is no key at all.
        source: Option<nkeys::error::Error>,
    },
    /// A key could not sign or give its seed.
    #[error("a key could not be used")]
    Signing(#[from] nkeys::error::Error),
    /// A text is not a token of nats-server.
    #[error("not a nats token: {reason}")]
    Token {
        /// What is wrong with it.
        reason: String,
    },
    /// A text is not that of a `.creds` file.
    #[error("not a .creds text: {reason}")]
    Creds {
        /// What is missing or wrong.
        reason: String,
    },
    /// A name in a token or a file is not one of ours.
    #[error(transparent)]
    Name(#[from] InvalidToken),
    /// There is no such kluster in the key folder.
    #[error("no kluster {name}; there are: {known}")]
    NoKluster {
        /// Which one was asked for.
        name: String,
        /// Those there are, joined by commas.
        known: String,
    },
    /// The kluster is there already.
    #[error("kluster {name} exists already")]
    KlusterExists {
        /// Its name.
        name: String,
    },
    /// The registry's folder may hold no key of this role.
    #[error("the registry may not sign for {role}: remove its key from {}", path.display())]
    ForbiddenSigner {
        /// The role found.
        role: Role,
        /// Where its key lies.
        path: PathBuf,
    },
}
