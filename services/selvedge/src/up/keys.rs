//! The keys of the folder: made at the first start, brought up to date at every other.

use anyhow::Context as _;
use selvedge_kit::{
    authority::{Keyring, Kluster},
    clock::now_ms,
};

use crate::{connect::Context, exit::Failure};

/// The keyring, and whether its first kluster was made just now.
pub(super) struct Keys {
    pub(super) keyring: Keyring,
    pub(super) is_fresh: bool,
}

/// Opens the keyring and sees to it that the kluster meant is there.
pub(super) fn open(context: &Context) -> Result<Keys, Failure> {
    let (folder, now_ms) = (context.home.authority(), now_ms());
    let keyring = Keyring::open_or_create(&folder, now_ms).context("cannot open the keys")?;
    let names = keyring.klusters().context("cannot list the klusters")?;
    let is_fresh = !names.contains(&context.kluster);
    if is_fresh {
        keyring.create_kluster(&context.kluster, now_ms).context("cannot make the kluster's keys")?;
    }
    for kluster in klusters(&keyring)? {
        // The configuration carries the newest tokens, so that nats-server knows what this program's roles may do.
        keyring
            .refresh(&kluster, now_ms)
            .with_context(|| format!("cannot renew the token of kluster {}", kluster.name()))?;
    }
    Ok(Keys { keyring, is_fresh })
}

/// Every kluster of the keyring.
pub(super) fn klusters(keyring: &Keyring) -> Result<Vec<Kluster>, Failure> {
    let names = keyring.klusters().context("cannot list the klusters")?;
    let open = |name| keyring.kluster(name).with_context(|| format!("cannot open kluster {name}"));
    Ok(names.iter().map(open).collect::<Result<_, _>>()?)
}
