//! What a kluster needs before its services can start: streams, consumers, an operator. Laid by `up`,
//! `init --provision` and `kluster create`; laying it again changes nothing.

use std::time::Duration;

use anyhow::Context as _;
use selvedge_kit::{
    authority::{Kluster, jwt::Life},
    clock::now_ms,
    provision::{self, Report},
};

use crate::{
    connect::Context,
    exit::Failure,
    operator::{self, Outcome},
    services::Place,
};

/// Longest that all of it may take: a cluster elects its leaders first.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Life of the credential that makes the streams.
const LIFE_MS: u64 = 60_000;

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
pub(crate) async fn provision(
    place: &Place,
    kluster: &Kluster,
    replicas: u8,
) -> Result<Report, Failure> {
    let now_ms = now_ms();
    let life = Life {
        now_ms,
        expires_at_ms: now_ms + LIFE_MS,
    };
    let credential = kluster
        .provision_credential(life)
        .context("cannot make a provisioning credential")?;
    let options = provision::Options {
        replicas: replicas.into(),
        timeout: TIMEOUT,
    };
    let provisioned = provision::provision(&place.url, &credential, options).await;
    Ok(provisioned
        .with_context(|| format!("cannot make the streams of kluster {}", kluster.name()))?)
}
