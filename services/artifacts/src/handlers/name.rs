//! Names and their versions.

use std::sync::Arc;

use bytes::Bytes;
use selvedge_contracts::{
    fault::{Code, Fault},
    id::{ArtifactName, ArtifactRef, Caller, Digest, EntityId, KindName, MediaType},
    payload::{
        artifact::{
            Artifact, ArtifactList, Artifacts as Page, ContractWanted, Judge, Judged, MAX_CHECKED_BYTES,
            Publish, Reference, Show, Source, VALIDATION_KEYWORD, Verdict, Version, VersionList,
            VersionReply, VersionState, Versions,
        },
        contract::{Contract, ContractVersion},
        overlap::Clearance,
    },
};
use selvedge_kit::{
    clock::now_ms,
    creation::{Asking, Wanted, clear},
    document::versions,
    service::{Answer, Call},
};

use super::{fitting, page_size};
use crate::{
    access::{Asker, reference, unknown_content},
    pins::Pin,
    rule,
    state::{Artifacts, entity},
};

pub(super) async fn publish(
    state: Arc<Artifacts>,
    call: Arc<Call>,
    request: Publish,
) -> Answer<VersionReply> {
    let asker = Asker::of(&call);
    let mut pins = Vec::new();
    let size_bytes = pinned(&state, &call, &request.digest, &mut pins).await?;
    let contract = request.contract.as_ref().map(|wanted| contract(&state, wanted)).transpose()?;
    if let Some(contract) = &contract {
        fits(&state, contract, &request.digest, size_bytes).await?;
    }
    let sources = sources(&state, &call, &request.sources, &mut pins).await?;
    let session = call.session()?;
    let checked = cleared(&state, &call, &request.name, &sources).await?;
    let wanted = Version {
        version: 0,
        digest: request.digest,
        size_bytes,
        content_type: request.content_type.unwrap_or_else(|| default_type(contract.is_some())),
        contract: contract
            .as_ref()
            .map(|contract| ContractVersion { name: contract.name.clone(), version: contract.version }),
        producer: asker.caller.clone(),
        session: session.id.clone(),
        task: session.task.clone(),
        request: session.request.clone(),
        sources,
        checked,
        state: contract.as_deref().map_or(VersionState::Valid, state_under),
        published_at_ms: call.now_ms,
    };
    let (name, entity) = (&request.name, entity(asker.mission, &request.name));
    let decide = |current: Option<&Artifact>| {
        if !pins.iter().all(|pin| pin.carries(now_ms())) {
            return Err(Fault::unavailable("it took too long: what is to be named may be gone; try again"));
        }
        rule::publish(current, name, asker.mission, &wanted)
    };
    let recorded = call.writer.record(state.versions.newest(), &entity, decide).await?;
    state.versions.published(&entity, &recorded.state, recorded.revision);
    let Artifact { name, latest, .. } = recorded.state.as_ref().clone();
    Ok(VersionReply { name, version: latest, revision: recorded.revision })
}

/// Asks what looks like a name that has no version yet; nothing where it has one, or nobody is asked.
async fn cleared(
    state: &Artifacts,
    call: &Call,
    name: &ArtifactName,
    sources: &[Source],
) -> Answer<Option<Clearance>> {
    let is_there = state.versions.newest().state(call.mission(), &name.entity_id()).is_some();
    if state.overlap == Asking::Off || is_there {
        return Ok(None);
    }
    let artifacts = sources.iter().filter_map(|source| source.name.as_ref());
    let wanted = Wanted {
        id: name.to_string(),
        title: in_words(name),
        artifacts: artifacts.map(ToString::to_string).collect(),
        ..Wanted::default()
    };
    clear(&state.client, call, KindName::artifact(), wanted).await.map(Some)
}

/// A name as somebody would say it: `research/auth-analysis` is "research auth analysis".
fn in_words(name: &ArtifactName) -> String {
    name.as_str().split(['/', '-', '_', '.']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Pins content that the caller may read and makes sure that it is there, in this order; answers with its
/// size in bytes. The pin goes to `pins`.
async fn pinned(state: &Artifacts, call: &Call, digest: &Digest, pins: &mut Vec<Pin>) -> Answer<u64> {
    let held = state.held(Asker::of(call), digest, call.deadline()).await?;
    let (size_bytes, pin) = held.ok_or_else(|| unknown_content(digest))?;
    pins.push(pin);
    Ok(size_bytes)
}

fn contract(state: &Artifacts, wanted: &ContractWanted) -> Answer<Arc<Contract>> {
    versions::find(&state.contracts, &wanted.name, wanted.version).map(|entry| entry.state)
}

fn default_type(has_contract: bool) -> MediaType {
    let json = has_contract.then(|| MediaType::new("application/json").ok()).flatten();
    json.unwrap_or_else(MediaType::bytes)
}

/// Whether content that fits the schema still waits for a verdict.
fn state_under(contract: &Contract) -> VersionState {
    match contract.schema.get(VALIDATION_KEYWORD).and_then(serde_json::Value::as_str) {
        Some("required") => VersionState::Unvalidated,
        _ => VersionState::Valid,
    }
}

/// Holds content against a contract.
async fn fits(
    state: &Arc<Artifacts>,
    contract: &Arc<Contract>,
    digest: &Digest,
    size_bytes: u64,
) -> Answer<()> {
    let name = format!("{}/{}", contract.name, contract.version);
    if size_bytes > MAX_CHECKED_BYTES {
        let message =
            format!("content under a contract is at most {MAX_CHECKED_BYTES} bytes; this has {size_bytes}");
        return Err(Fault::invalid(message).at("/contract", "publish it without one, or in parts"));
    }
    let mut content = Vec::new();
    while (content.len() as u64) < size_bytes {
        let (_, stretch): (u64, Bytes) =
            state.store.read(digest, content.len() as u64, MAX_CHECKED_BYTES).await?;
        content.extend_from_slice(&stretch);
    }
    let (state, contract) = (Arc::clone(state), Arc::clone(contract));
    let checked = tokio::task::spawn_blocking(move || {
        let document: serde_json::Value = serde_json::from_slice(&content)
            .map_err(|error| Fault::invalid("the content is not JSON").at("/contract", error.to_string()))?;
        state.checkers.of(&contract)?.check(&document)
    });
    let details = checked.await.unwrap_or_else(|_| Err(Fault::internal("the check broke off")))?;
    if details.is_empty() {
        return Ok(());
    }
    let message = format!("the content does not fit {name}; nothing was published");
    Err(Fault { code: Code::Invalid, message, details })
}

/// What the sources are, each of which the caller may read.
async fn sources(
    state: &Artifacts,
    call: &Call,
    wanted: &[ArtifactRef],
    pins: &mut Vec<Pin>,
) -> Answer<Vec<Source>> {
    let mut sources = Vec::with_capacity(wanted.len());
    for (index, artifact) in wanted.iter().enumerate() {
        let meant = state.meant(Asker::of(call), artifact, call.deadline()).await;
        let meant = meant.map_err(|fault| {
            let message = fault.message.clone();
            fault.at(format!("/sources/{index}"), message)
        })?;
        // Named or pinned: named content stays, and what is only pinned must stay until we name it.
        if meant.named.is_none() {
            pinned(state, call, &meant.digest, pins).await?;
        }
        let (name, version) = meant.named.map(|known| (known.name, known.version.version)).unzip();
        sources.push(Source { digest: meant.digest, name, version });
    }
    Ok(sources)
}

/// The first verdict holds; a contradictory one is a conflict, also one of the same instant.
pub(super) async fn judge(state: Arc<Artifacts>, call: Arc<Call>, request: Judge) -> Answer<VersionReply> {
    let Judge { name, version: number, verdict, reason } = request;
    let by: &Caller = &call.subject.caller;
    let entity = entity(call.mission(), &name);
    let unknown = || Fault::not_found(format!("{name} has no version {number} in {}", call.mission()));
    let decide = |current: Option<&Artifact>| {
        state.holds_all_of(&entity)?;
        let known = state.versions.version(call.mission(), &name, number).ok_or_else(unknown)?;
        rule::judge(current.ok_or_else(unknown)?, &known.version, by, verdict, reason.as_ref())
    };
    let recorded = loop {
        match call.writer.record(state.versions.newest(), &entity, decide).await {
            Err(fault) if fault.code == Code::Busy && !call.deadline().has_passed() => {
                state.feed.reaches(state.guard_of(&entity), call.deadline()).await;
            }
            settled => break settled?,
        }
    };
    let judged = match verdict {
        Verdict::Valid => VersionState::Valid,
        Verdict::Invalid => VersionState::Invalid,
    };
    let judged = Judged { version: number, state: judged, by: by.clone(), reason };
    state.versions.judged(&entity, &judged, recorded.revision);
    let known = state.versions.version(call.mission(), &name, number).ok_or_else(unknown)?;
    Ok(VersionReply {
        name: known.name,
        version: known.version.as_ref().clone(),
        revision: recorded.revision,
    })
}

pub(super) fn show(state: &Artifacts, call: &Call, request: Show) -> Answer<VersionReply> {
    let Reference::Named(name, which) = reference(&request.artifact)? else {
        return Err(Fault::invalid("only names have versions")
            .at("/artifact", "expected NAME, NAME@latest, NAME@v2 or NAME@1a2b3c4d"));
    };
    let known = state.version(Asker::of(call), &name, &which)?;
    call.writer.saw(known.revision);
    Ok(VersionReply { name: known.name, version: known.version.as_ref().clone(), revision: known.revision })
}

pub(super) async fn list(state: Arc<Artifacts>, call: Arc<Call>, request: ArtifactList) -> Answer<Page> {
    let ArtifactList { prefix, after, limit } = request;
    let keep = |artifact: &Artifact| {
        prefix.as_ref().is_none_or(|prefix| artifact.name.as_str().starts_with(prefix.as_str()))
    };
    let after: Option<EntityId> = after.map(|name| name.entity_id());
    let newest = state.versions.newest();
    let (found, more) = newest.page(call.mission(), after.as_ref(), page_size(limit), keep);
    let (artifacts, more) = fitting(found.iter().map(|artifact| artifact.as_ref().clone()), more);
    Ok(Page { artifacts, more })
}

pub(super) async fn history(
    state: Arc<Artifacts>,
    call: Arc<Call>,
    request: VersionList,
) -> Answer<Versions> {
    let VersionList { name, after, limit } = request;
    let (found, more) = state.versions.page(call.mission(), &name, after, page_size(limit));
    if found.is_empty() && after == 0 {
        let message = format!(
            "there is no artifact {name} in {}; artifacts.list shows those there are",
            call.mission()
        );
        return Err(Fault::not_found(message));
    }
    let (versions, more) = fitting(found.iter().map(|known| known.version.as_ref().clone()), more);
    Ok(Versions { versions, more })
}
