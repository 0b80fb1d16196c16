//! The service of artifacts under test, over whatever store a test wants.

use selvedge_artifacts::{ArtifactsError, Config};
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{ArtifactName, ArtifactRef, Digest},
    payload::artifact::{Publish, VersionReply},
    role::Service,
};
use selvedge_kit::{
    client::{Client, Options},
    creation::Asking,
    credential::Login,
    metrics::Metrics,
    service::{Limits, Running},
};

use crate::{Bus, fabric::connect_bus};

/// A day: nothing a test puts goes by itself.
pub const LONG_GRACE_MS: u64 = 86_400_000;

/// Pins of a short grace period die within some seconds.
pub const SHORT_MARGIN_MS: u64 = 3_500;

/// A store in a folder of the bus, removed with it.
pub fn in_folder(bus: &Bus) -> Config {
    let url = bus.path().join("artifacts").display().to_string();
    Config {
        url,
        options: Vec::new(),
        grace_ms: LONG_GRACE_MS,
        pin_margin_ms: SHORT_MARGIN_MS,
        overlap: Asking::Off,
        max_staged_bytes: selvedge_contracts::payload::artifact::MAX_CONTENT_BYTES,
    }
}

/// A replica of the service.
pub async fn start(bus: &Bus, config: &Config, instance: &str) -> Running {
    try_start(bus, config, instance).await.expect("the service starts")
}

/// A replica of the service, if it starts.
///
/// # Errors
/// The service's own.
pub async fn try_start(bus: &Bus, config: &Config, instance: &str) -> Result<Running, ArtifactsError> {
    let login = Login::held(bus.service_credential(Service::Artifacts, instance));
    let connection = connect_bus(bus, login).await;
    let (kluster, limits) = (bus.kluster(), Limits::default());
    let (name, account) = (kluster.name(), kluster.account());
    selvedge_artifacts::start(connection, config, name, &account, limits, &Metrics::default()).await
}

/// The digest of some content.
pub fn digest(content: &[u8]) -> Digest {
    // The hash function stands in the contracts alone, where the envelope's digest is made.
    let hash = selvedge_contracts::envelope::digest(content);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Digest::new(&hex).expect("a digest")
}

/// A reference.
pub fn meant(text: &str) -> ArtifactRef {
    ArtifactRef::new(text).expect("a reference")
}

/// Publishes content as the next version of a name.
///
/// # Errors
/// The service's refusal.
pub async fn publish(client: &Client, name: &str, digest: &Digest) -> Result<VersionReply, Fault> {
    publish_with(client, &plain(name, digest), &Options::default()).await
}

/// Publishes as asked for.
///
/// # Errors
/// The service's refusal.
pub async fn publish_with(
    client: &Client,
    wanted: &Publish,
    options: &Options,
) -> Result<VersionReply, Fault> {
    Ok(client.call_with::<call::ArtifactPublish>(wanted, options).await?.reply)
}

/// A version with nothing but content.
pub fn plain(name: &str, digest: &Digest) -> Publish {
    Publish {
        name: ArtifactName::new(name).expect("a name"),
        digest: digest.clone(),
        content_type: None,
        contract: None,
        sources: Vec::new(),
    }
}
