//! The files that `init` writes besides keys and credentials.

use std::{fs, path::Path};

use anyhow::Context as _;
use selvedge_kit::authority::{
    Keyring,
    server_config::{MAX_PAYLOAD_BYTES, authority},
};

use super::Wanted;
use crate::{connect::Context, exit::Failure};

/// Name of the file for the cluster's operators.
pub(super) const AUTH_FILE: &str = "nats-auth.conf";

pub(super) fn auth_text(keyring: &Keyring) -> Result<String, selvedge_kit::authority::Error> {
    let lines = [
        "# Made by `selvedge init`; it holds no secret. In the configuration of every nats-server (2.12 or newer):".to_owned(),
        "#     include \"nats-auth.conf\"".to_owned(),
        "#     jetstream: { store_dir: \"...\", sync_interval: always }".to_owned(),
        "# `dir` below is a folder that nats-server may write, for accounts it is told of later.".to_owned(),
        format!("max_payload: {MAX_PAYLOAD_BYTES}"),
    ];
    let lines = lines.into_iter().chain(authority(keyring, Path::new("./selvedge-accounts"))?);
    Ok(lines.collect::<Vec<_>>().join("\n") + "\n")
}

/// Keeps where the cluster is, for the other commands, unless a person has written settings already.
pub(super) fn write_settings(context: &Context, wanted: &Wanted) -> Result<(), Failure> {
    let path = context.home.settings();
    let Some(url) = wanted.url.as_deref().filter(|_| !path.exists()) else {
        return Ok(());
    };
    let url = toml::Value::from(url);
    let text = format!("[nats]\nurl = {url}\n\n[server]\nreplicas = {}\n", wanted.replicas);
    Ok(fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?)
}
