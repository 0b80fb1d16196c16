//! What every test here starts from: a fabric, a replica of the service, an agent at work.

use bytes::Bytes;
use selvedge_artifacts::Config;
use selvedge_contracts::{fault::Fault, payload::artifact::Got};
use selvedge_kit::{
    client::Client,
    service::Running,
    transfer::{self, TransferError},
};
use selvedge_tests::{
    artifacts::{in_folder, meant, start},
    fabric::{Agent, Fabric, Working},
};

/// A fabric with artifacts.
pub(crate) struct Scene {
    pub(crate) fabric: Fabric,
    pub(crate) config: Config,
    pub(crate) service: Option<Running>,
    pub(crate) agent: Agent,
    pub(crate) working: Working,
}

impl Scene {
    /// Over a folder.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Over whatever store.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let fabric = Fabric::start().await;
        let mut config = in_folder(&fabric.bus);
        change(&mut config);
        let service = Some(start(&fabric.bus, &config, "a1").await);
        let (agent, working) = fabric.worker("ada").await;
        Self { fabric, config, service, agent, working }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.working.client
    }
}

/// Content that is never the same at two places.
pub(crate) fn content(len: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

/// All of some content.
pub(crate) async fn get(client: &Client, artifact: &str) -> Result<(Got, Vec<u8>), Fault> {
    let mut bytes = Vec::new();
    match transfer::get(client, &meant(artifact), 0, &mut bytes, &|_, _| {}).await {
        Ok(got) => Ok((got, bytes)),
        Err(TransferError::Fault(fault)) => Err(fault),
        Err(error) => panic!("{error:?}"),
    }
}
