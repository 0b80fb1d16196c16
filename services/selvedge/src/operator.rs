//! The operator's credential of a kluster: made once, known to the registry through the ledger, renewed
//! while it still works.

use std::path::Path;

use anyhow::Context as _;
use selvedge_contracts::id::{AgentId, Owner};
use selvedge_kit::{
    authority::{Credential, Kluster, jwt::Life},
    clock::now_ms,
    config::Environment,
    credential::Login,
};
use selvedge_registry::{Operator, install_operator};

use crate::{exit::Failure, services::Place};

/// A credential with less than this left is replaced.
const RENEW_BEFORE_MS: u64 = 30 * 86_400_000;
/// Life of the credential that installs the operator.
const INSTALL_MS: u64 = 60_000;

/// What was done about the operator's credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was good.
    Kept,
    /// There was none, or none that would do.
    Made,
}

/// Sees to it that `path` holds a credential of an operator whom the ledger knows. The file is written
/// last, so that where there is one, its operator was installed.
///
/// # Errors
/// The server cannot be reached, the ledger refuses, or the file cannot be written.
pub(crate) async fn ensure(
    place: &Place,
    kluster: &Kluster,
    path: &Path,
    owner: &Owner,
) -> Result<Outcome, Failure> {
    let now_ms = now_ms();
    if Credential::read(path).is_ok_and(|credential| is_good(&credential, kluster, now_ms)) {
        return Ok(Outcome::Kept);
    }
    let credential = kluster.operator_credential(now_ms).context("cannot make the operator's credential")?;
    install(place, kluster, &credential, owner).await?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    credential.write(path).context("cannot keep the operator's credential")?;
    Ok(Outcome::Made)
}

/// Makes a credential's operator known to the registry.
///
/// # Errors
/// The server cannot be reached or the ledger refuses.
pub(crate) async fn install(
    place: &Place,
    kluster: &Kluster,
    credential: &Credential,
    owner: &Owner,
) -> Result<(), Failure> {
    let now_ms = now_ms();
    let operator = described(credential, owner).context("cannot use the operator's credential")?;
    let life = Life { now_ms, expires_at_ms: now_ms + INSTALL_MS };
    let root = kluster.provision_credential(life).context("cannot make a provisioning credential")?;
    let bus = place.connect("operator", Login::held(root)).await?;
    Ok(install_operator(bus, &operator, now_ms).await?)
}

fn described(credential: &Credential, owner: &Owner) -> anyhow::Result<Operator> {
    let identity = credential.identity()?;
    Ok(Operator {
        agent: AgentId::new(identity.agent.as_str())?,
        session: identity.scope.id,
        key: credential.public_key()?,
        owner: owner.clone(),
        expires_at_ms: credential.claims()?.expires_at_ms().unwrap_or(u64::MAX),
    })
}

/// Of this kluster's account, and good for a while.
fn is_good(credential: &Credential, kluster: &Kluster, now_ms: u64) -> bool {
    credential.claims().is_ok_and(|claims| {
        let account = claims.nats.get("issuer_account").and_then(serde_json::Value::as_str);
        let ends_at_ms = claims.expires_at_ms().unwrap_or(u64::MAX);
        account == Some(kluster.account().as_str()) && ends_at_ms > now_ms + RENEW_BEFORE_MS
    })
}

/// Whoever runs this process: `person:<user name>`, or by number where the name does not fit.
///
/// # Errors
/// Never in practice: a number fits.
pub(crate) fn owner(environment: &Environment) -> Result<Owner, Failure> {
    let name = environment.get("USER").or_else(|| environment.get("LOGNAME")).unwrap_or_default();
    let named = Owner::new(&format!("person:{}", name.to_lowercase()));
    let numbered = || Owner::new(&format!("person:uid-{}", rustix::process::getuid().as_raw()));
    Ok(named.or_else(|_| numbered()).context("cannot name the owner")?)
}
