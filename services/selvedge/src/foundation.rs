//! What a kluster needs before its services can start: streams, consumers, an operator. Laid by `up`,
//! `init --provision` and `kluster create`; laying it again changes nothing.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use selvedge_contracts::id::ScopeId;
use selvedge_kit::{
    authority::{Credential, Keyring, Kluster, jwt::Life, push},
    clock::now_ms,
    provision::{self, Report},
};

use crate::{
    connect::Context,
    exit::Failure,
    operator::{self, Outcome},
    services::{BUILT, Place},
};

/// Longest that all of it may take: a cluster elects its leaders first.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Life of the credential that makes the streams.
const LIFE_MS: u64 = 60_000;
/// How long the servers may take to say that they took a token.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// Life of the credential that tells them, in milliseconds.
const PUSH_MS: u64 = 60_000;
/// A service's credential with less than this left is replaced, in milliseconds: 30 days.
const RENEW_BEFORE_MS: u64 = 30 * 86_400_000;

/// What was done.
#[derive(Debug)]
pub(crate) struct Laid {
    /// Streams and consumers.
    pub(crate) report: Report,
    /// The operator's credential.
    pub(crate) operator: Outcome,
}

/// Makes what is missing.
///
/// # Errors
/// The server cannot be reached, or what is there differs in a way that would lose data.
pub(crate) async fn lay(
    context: &Context,
    place: &Place,
    kluster: &Kluster,
    replicas: u8,
) -> Result<Laid, Failure> {
    let report = provision(place, kluster, replicas).await?;
    let owner = operator::owner(&context.environment)?;
    let path = context.home.operator_creds(kluster.name());
    let operator = operator::ensure(place, kluster, &path, &owner).await?;
    Ok(Laid { report, operator })
}

/// Makes the streams and consumers that are missing.
///
/// # Errors
/// As [`lay`].
pub(crate) async fn provision(place: &Place, kluster: &Kluster, replicas: u8) -> Result<Report, Failure> {
    let now_ms = now_ms();
    let life = Life { now_ms, expires_at_ms: now_ms + LIFE_MS };
    let credential = kluster.provision_credential(life).context("cannot make a provisioning credential")?;
    let options = provision::Options { replicas: replicas.into(), timeout: TIMEOUT };
    let provisioned = provision::provision(&place.url, &credential, options).await;
    Ok(provisioned.with_context(|| format!("cannot make the streams of kluster {}", kluster.name()))?)
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
    keyring.refresh(kluster, now_ms).context("cannot renew the account's token")?;
    let life = Life { now_ms, expires_at_ms: now_ms + PUSH_MS };
    let system = keyring.system_credential(life).context("cannot make a credential of the system account")?;
    let pushed = push::newest(url, &system, kluster, PUSH_TIMEOUT).await;
    let hint = || {
        format!(
            "the servers at {url} did not take kluster {}; do they run with the nats-auth.conf of this folder?",
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
            credential.write(&path).context("cannot keep the service's credential")?;
        }
        paths.push(path);
    }
    Ok(paths)
}

fn lasts(path: &Path, now_ms: u64) -> bool {
    let claims = Credential::read(path).and_then(|credential| credential.claims());
    claims.is_ok_and(|claims| claims.expires_at_ms().is_none_or(|at| at > now_ms + RENEW_BEFORE_MS))
}
