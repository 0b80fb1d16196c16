//! What the rules' tests share.

use selvedge_contracts::{
    fact::EntityName,
    id::{ArtifactName, Caller, Digest, MediaType, Mission, ScopeId},
    payload::artifact::{Artifact, Version, VersionState},
    subject::Entity,
};

pub(crate) fn digest(content: &str) -> Digest {
    Digest::from(&blake3::hash(content.as_bytes()))
}

pub(crate) fn entity(name: &str) -> Entity {
    let id = ArtifactName::new(name).unwrap().entity_id();
    Entity { mission: Mission::new("demo").unwrap(), name: EntityName::Artifact, id }
}

pub(crate) fn version(number: u32, content: &str) -> Version {
    Version {
        version: number,
        digest: digest(content),
        size_bytes: content.len() as u64,
        content_type: MediaType::bytes(),
        contract: None,
        producer: Caller::new("ada-1a2b3c4d").unwrap(),
        session: ScopeId::new("session_1").unwrap(),
        task: None,
        request: None,
        sources: Vec::new(),
        state: VersionState::Valid,
        checked: None,
        published_at_ms: 1,
    }
}

pub(crate) fn artifact(name: &str, latest: Version) -> Artifact {
    Artifact { name: ArtifactName::new(name).unwrap(), mission: Mission::new("demo").unwrap(), latest }
}
