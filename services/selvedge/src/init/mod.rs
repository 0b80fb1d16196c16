//! `selvedge init`: what a cluster that somebody else runs needs to become a fabric. Two steps, since
//! its nats-servers must know our operator before they let us in: keys and `nats-auth.conf` first, then,
//! once they run with it, accounts, streams, operator and the services' credentials.

mod files;
mod report;

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use selvedge_contracts::fault::Fault;
use selvedge_kit::{
    authority::{Keyring, Kluster},
    clock::now_ms,
    metrics::Metrics,
};

use crate::{connect::Context, exit::Failure, foundation, lock::Lock, services::Place};
use files::{AUTH_FILE, auth_text, write_settings};
use report::{Prepared, Provisioned, Reached, human_prepared, human_provisioned};

/// What `init` was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Servers, if not those of the settings.
    pub(crate) url: Option<String>,
    /// Copies of every stream.
    pub(crate) replicas: u8,
    /// Where `nats-auth.conf` goes, if not into the folder.
    pub(crate) out: Option<PathBuf>,
}

/// The first step: keys, and the file for the servers.
///
/// # Errors
/// An `up` runs on the folder, or a file cannot be written.
pub(crate) async fn prepare(context: &Context, wanted: &Wanted) -> Result<(), Failure> {
    let _lock = Lock::take(&context.home).await?;
    let keyring = open(context)?;
    let out = wanted.out.clone().unwrap_or_else(|| context.home.path().to_owned());
    let auth_file = out.join(AUTH_FILE);
    let text = auth_text(&keyring).context("cannot read the keys")?;
    fs::create_dir_all(&out)
        .and_then(|()| fs::write(&auth_file, text))
        .with_context(|| format!("cannot write {}", auth_file.display()))?;
    write_settings(context, wanted)?;
    let prepared = Prepared {
        step: "prepared",
        folder: context.home.path().to_owned(),
        auth_file,
        klusters: names(&keyring)?,
        next: "selvedge init --provision".to_owned(),
    };
    Ok(context.output.print(&prepared, human_prepared).context("cannot print")?)
}

/// The second step: accounts, streams, operator, the services' credentials.
///
/// # Errors
/// The servers cannot be reached or do not know our operator yet.
pub(crate) async fn provision(context: &Context, wanted: &Wanted) -> Result<(), Failure> {
    if Lock::is_held(&context.home) {
        return Err(Fault::conflict(format!(
            "`selvedge up` runs on {}; a cluster has a folder of its own: --home",
            context.home.path().display()
        ))
        .into());
    }
    let keyring = open(context)?;
    let url = wanted.url.clone().map_or_else(|| context.url(), Ok)?;
    let place = Place::new(url.clone(), context, Metrics::default());
    write_settings(context, wanted)?;
    let mut klusters = Vec::new();
    for name in keyring.klusters().context("cannot list the klusters")? {
        let kluster = keyring.kluster(&name).context("cannot open the kluster's keys")?;
        klusters.push(reach(context, &place, &keyring, &kluster, wanted.replicas).await?);
    }
    let provisioned = Provisioned { step: "provisioned", url, klusters };
    Ok(context.output.print(&provisioned, human_provisioned).context("cannot print")?)
}

async fn reach(
    context: &Context,
    place: &Place,
    keyring: &Keyring,
    kluster: &Kluster,
    replicas: u8,
) -> Result<Reached, Failure> {
    let servers = foundation::push_account(&place.url, keyring, kluster).await?;
    let laid = foundation::lay(context, place, kluster, replicas).await?;
    Ok(Reached {
        kluster: kluster.name().to_string(),
        servers,
        streams_created: laid.report.created,
        operator_creds: context.home.operator_creds(kluster.name()),
        service_creds: foundation::service_creds(context, kluster)?,
        signers: kluster.registry_folder(),
    })
}

fn open(context: &Context) -> Result<Keyring, Failure> {
    let now_ms = now_ms();
    let keyring =
        Keyring::open_or_create(&context.home.authority(), now_ms).context("cannot open the keys")?;
    let names = keyring.klusters().context("cannot list the klusters")?;
    if !names.contains(&context.kluster) {
        keyring.create_kluster(&context.kluster, now_ms).context("cannot make the kluster's keys")?;
    }
    Ok(keyring)
}

fn names(keyring: &Keyring) -> Result<Vec<String>, Failure> {
    Ok(keyring.klusters().context("cannot list the klusters")?.iter().map(ToString::to_string).collect())
}
