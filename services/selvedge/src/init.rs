//! `selvedge init`: what a cluster that somebody else runs needs to become a fabric. Two steps, since
//! its nats-servers must know our operator before they let us in: keys and `nats-auth.conf` first, then,
//! once they run with it, accounts, streams, operator and the services' credentials.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use selvedge_contracts::{fault::Fault, id::ScopeId};
use selvedge_kit::{
    authority::{
        Credential, Keyring, Kluster,
        jwt::Life,
        push,
        server_config::{MAX_PAYLOAD_BYTES, authority},
    },
    clock::now_ms,
    metrics::Metrics,
};
use serde::Serialize;

use crate::{
    connect::Context,
    exit::Failure,
    foundation,
    lock::Lock,
    services::{BUILT, Place},
};

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

/// Name of the file for the cluster's operators.
const AUTH_FILE: &str = "nats-auth.conf";
/// How long the servers may take to say that they took a token.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// Life of the credential that tells them, in milliseconds.
const PUSH_MS: u64 = 60_000;
/// A service's credential with less than this left is replaced, in milliseconds: 30 days.
const RENEW_BEFORE_MS: u64 = 30 * 86_400_000;

#[derive(Serialize)]
struct Prepared {
    step: &'static str,
    folder: PathBuf,
    auth_file: PathBuf,
    klusters: Vec<String>,
    next: String,
}

#[derive(Serialize)]
struct Provisioned {
    step: &'static str,
    url: String,
    klusters: Vec<Reached>,
}

#[derive(Serialize)]
struct Reached {
    kluster: String,
    servers: Vec<String>,
    streams_created: Vec<String>,
    operator_creds: PathBuf,
    service_creds: Vec<PathBuf>,
    signers: PathBuf,
}

/// The first step: keys, and the file for the servers.
///
/// # Errors
/// An `up` runs on the folder, or a file cannot be written.
pub(crate) async fn prepare(context: &Context, wanted: &Wanted) -> Result<(), Failure> {
    let _lock = Lock::take(&context.home).await?;
    let keyring = open(context)?;
    let out = wanted
        .out
        .clone()
        .unwrap_or_else(|| context.home.path().to_owned());
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
    Ok(context
        .output
        .print(&prepared, human_prepared)
        .context("cannot print")?)
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
    let place = Place::new(url.clone(), &context.config, Metrics::default());
    write_settings(context, wanted)?;
    let mut klusters = Vec::new();
    for name in keyring.klusters().context("cannot list the klusters")? {
        let kluster = keyring
            .kluster(&name)
            .context("cannot open the kluster's keys")?;
        klusters.push(reach(context, &place, &keyring, &kluster, wanted.replicas).await?);
    }
    let provisioned = Provisioned {
        step: "provisioned",
        url,
        klusters,
    };
    Ok(context
        .output
        .print(&provisioned, human_provisioned)
        .context("cannot print")?)
}

async fn reach(
    context: &Context,
    place: &Place,
    keyring: &Keyring,
    kluster: &Kluster,
    replicas: u8,
) -> Result<Reached, Failure> {
    let servers = push_account(&place.url, keyring, kluster).await?;
    let laid = foundation::lay(context, place, kluster, replicas).await?;
    Ok(Reached {
        kluster: kluster.name().to_string(),
        servers,
        streams_created: laid.report.created,
        operator_creds: context.home.operator_creds(kluster.name()),
        service_creds: service_creds(context, kluster)?,
        signers: kluster.registry_folder(),
    })
}

/// Tells the servers of a kluster's account; gives their names.
///
/// # Errors
/// They cannot be reached or refuse.
pub(crate) async fn push_account(
    url: &str,
    keyring: &Keyring,
    kluster: &Kluster,
) -> Result<Vec<String>, Failure> {
    let now_ms = now_ms();
    let token = keyring
        .refresh(kluster, now_ms)
        .context("cannot renew the account's token")?;
    let life = Life {
        now_ms,
        expires_at_ms: now_ms + PUSH_MS,
    };
    let system = keyring
        .system_credential(life)
        .context("cannot make a credential of the system account")?;
    let pushed = push::account(url, &system, &token, PUSH_TIMEOUT).await;
    let hint = || {
        format!(
            "the servers at {url} did not take kluster {}; do they run with {AUTH_FILE} of this folder?",
            kluster.name()
        )
    };
    Ok(pushed.with_context(hint)?)
}

/// Sees to it that every service has a credential on file; gives the files.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn service_creds(context: &Context, kluster: &Kluster) -> Result<Vec<PathBuf>, Failure> {
    let now_ms = now_ms();
    let mut paths = Vec::new();
    for service in BUILT {
        let path = context.home.service_creds(kluster.name(), service.name());
        if !lasts(&path, now_ms) {
            // Replicas share it, and name themselves anew.
            let instance = ScopeId::new("shared").context("cannot name the instance")?;
            let credential = kluster
                .service_credential(*service, instance, now_ms)
                .context("cannot make the service's credential")?;
            credential
                .write(&path)
                .context("cannot keep the service's credential")?;
        }
        paths.push(path);
    }
    Ok(paths)
}

fn lasts(path: &Path, now_ms: u64) -> bool {
    let claims = Credential::read(path).and_then(|credential| credential.claims());
    claims.is_ok_and(|claims| {
        claims
            .expires_at_ms()
            .is_none_or(|at| at > now_ms + RENEW_BEFORE_MS)
    })
}

fn open(context: &Context) -> Result<Keyring, Failure> {
    let now_ms = now_ms();
    let keyring = Keyring::open_or_create(&context.home.authority(), now_ms)
        .context("cannot open the keys")?;
    let names = keyring.klusters().context("cannot list the klusters")?;
    if !names.contains(&context.kluster) {
        keyring
            .create_kluster(&context.kluster, now_ms)
            .context("cannot make the kluster's keys")?;
    }
    Ok(keyring)
}

fn names(keyring: &Keyring) -> Result<Vec<String>, Failure> {
    Ok(keyring
        .klusters()
        .context("cannot list the klusters")?
        .iter()
        .map(ToString::to_string)
        .collect())
}

fn auth_text(keyring: &Keyring) -> Result<String, selvedge_kit::authority::Error> {
    let lines = [
        "# Made by `selvedge init`; it holds no secret. In the configuration of every nats-server (2.12 or newer):".to_owned(),
        "#     include \"nats-auth.conf\"".to_owned(),
        "#     jetstream: { store_dir: \"...\", sync_interval: always }".to_owned(),
        "# `dir` below is a folder that nats-server may write, for accounts it is told of later.".to_owned(),
        format!("max_payload: {MAX_PAYLOAD_BYTES}"),
    ];
    let lines = lines
        .into_iter()
        .chain(authority(keyring, Path::new("./selvedge-accounts"))?);
    Ok(lines.collect::<Vec<_>>().join("\n") + "\n")
}

/// Keeps where the cluster is, for the other commands, unless a person has written settings already.
fn write_settings(context: &Context, wanted: &Wanted) -> Result<(), Failure> {
    let path = context.home.settings();
    let Some(url) = wanted.url.as_deref().filter(|_| !path.exists()) else {
        return Ok(());
    };
    let url = toml::Value::from(url);
    let text = format!(
        "[nats]\nurl = {url}\n\n[server]\nreplicas = {}\n",
        wanted.replicas
    );
    Ok(fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?)
}

fn human_prepared(prepared: &Prepared) -> String {
    format!(
        "step 1 of 2 is done: keys of {} in {}\n\n\
         Now, on every nats-server of the cluster:\n  \
         copy {} beside its configuration, and add to that\n      include \"{AUTH_FILE}\"\n      \
         jetstream: {{ store_dir: \"...\", sync_interval: always }}\n  \
         then restart it. The file holds no secret; {} holds all of them.\n\n\
         Then step 2: {}",
        prepared.klusters.join(", "),
        prepared.folder.display(),
        prepared.auth_file.display(),
        prepared.folder.join("authority").display(),
        prepared.next,
    )
}

fn human_provisioned(provisioned: &Provisioned) -> String {
    let mut lines = vec![format!(
        "step 2 of 2 is done: the servers at {} are a fabric",
        provisioned.url
    )];
    for reached in &provisioned.klusters {
        lines.push(format!(
            "  kluster {}: known to {}",
            reached.kluster,
            reached.servers.join(", ")
        ));
        lines.push(format!(
            "    streams made  {}",
            if reached.streams_created.is_empty() {
                "none; they were there".to_owned()
            } else {
                reached.streams_created.join(", ")
            }
        ));
        lines.push(format!(
            "    operator      {}",
            reached.operator_creds.display()
        ));
        lines.extend(
            reached
                .service_creds
                .iter()
                .map(|path| format!("    service       {}", path.display())),
        );
        lines.push(format!("    signers       {}", reached.signers.display()));
    }
    lines.push(String::new());
    lines.push("Next: selvedge serve registry      here, or elsewhere with that service's file and the signers".to_owned());
    lines.join("\n")
}
