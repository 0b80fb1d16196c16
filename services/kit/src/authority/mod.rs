//! Decentralised authority of nats-server: operator → account (one per kluster) → scoped signing key
//! (one per role) → credential.
//!
//! Owns the key folder, the tokens and the `.creds` files. What a role may do is decided in
//! `selvedge_contracts::permission` and nowhere here. Never reads a clock: time is an argument.

pub mod creds;
mod error;
pub mod files;
pub mod jwt;
mod key;
pub mod keyring;
pub mod kluster;
pub mod push;
pub mod server_config;
pub mod signer;
mod user_key;

pub use creds::{Credential, Identity};
pub use error::Error;
pub use keyring::Keyring;
pub use kluster::{Kluster, Revoked};
pub use signer::RoleSigner;
pub use user_key::UserKey;

/// Life of what an operator's own command mints: a year.
pub const LONGEST_LIFE_MS: u64 = 365 * 24 * 60 * 60 * 1_000;
