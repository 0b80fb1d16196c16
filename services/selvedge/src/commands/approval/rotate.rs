//! `selvedge approval rotate-keys`: what approvals are sealed with, on the machine that seals them.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use selvedge_governance::{KeyIds, forget_key, rotate_keys};

use crate::{connect::Context, exit::Done, output::fields};

/// Seal approvals with a fresh key from now on; what is sealed with the former ones stays good.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge approval rotate-keys
  selvedge approval rotate-keys --forget key_0a1b2c3d4e5f6071

Run it where governance runs, as the owner of the file (governance.keys). After --forget, approvals that
were sealed with that key and are not used yet are void, and are asked for again.")]
pub(crate) struct RotateKeys {
    /// Forget a former key instead.
    #[arg(long, value_name = "KEY")]
    forget: Option<String>,
}

impl RotateKeys {
    pub(super) fn run(self, context: &Context) -> Done {
        let path = file(context);
        let keys = match &self.forget {
            Some(id) => forget_key(&path, id).with_context(|| format!("cannot forget {id}"))?,
            None => rotate_keys(&path).context("cannot rotate the keys of approvals")?,
        };
        context.output.print(&keys, human)?;
        Ok(())
    }
}

/// Where the keys of the kluster meant lie, as `up` and `serve` find them.
fn file(context: &Context) -> PathBuf {
    let folder = context.config.governance.keys.clone();
    let folder = folder.unwrap_or_else(|| context.home.approval_keys());
    folder.join(context.kluster.as_str()).with_extension("keys")
}

fn human(keys: &KeyIds) -> String {
    fields(&[("active", keys.active.clone()), ("kept", keys.keys.join(", "))])
}
