//! Payload contracts: every version an entity of its own, made once.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::{ContractName, EntityId, Mission},
    payload::contract::{
        Contract, ContractAdd, ContractCheck, ContractList, ContractReply, ContractShow, ContractSummary,
        ContractVerdict, Contracts,
    },
};
use selvedge_kit::{
    service::{Answer, Call, Draft},
    view::Entry,
};

use super::page_size;
use crate::{
    canonical,
    checker::Checker,
    contract as rule,
    state::{Registry, in_kluster},
};

pub(super) async fn add(
    state: Arc<Registry>,
    call: Arc<Call>,
    request: ContractAdd,
) -> Answer<ContractReply> {
    let request = Arc::new(request);
    let wanted = Arc::clone(&request);
    let digest = computed(move || {
        Checker::new(&wanted.schema)?;
        canonical::digest(&wanted.schema)
    })
    .await?;
    let entity = |version| in_kluster(EntityName::Contract, request.name.version_id(version));
    // An earlier sending of this request is known by the version that it added.
    let own = || versions(&state, &request.name).find(|entry| call.has_recorded(entry));
    let drafts = || {
        if own().is_some() {
            return Ok(vec![]);
        }
        let version = latest_version(&state, &request.name);
        let latest = version_of(&state, &request.name, version);
        let added = Draft::decide(&state.contracts, entity(version + 1), |current| match current {
            Some(_) => Err(Fault::busy("another version was added just now; try again")),
            None => {
                rule::add(latest.as_ref().map(|entry| entry.state.as_ref()), &request, &digest, call.now_ms)
            }
        })?;
        Ok(added.into_iter().collect())
    };
    let first = own().map_or_else(|| latest_version(&state, &request.name) + 1, |own| own.state.version);
    call.writer.record_all(&entity(first), drafts).await?;
    let added = with_digest(&state, &request.name, &digest)
        .ok_or_else(|| Fault::internal("the contract was not recorded"))?;
    call.writer.saw(added.revision);
    Ok(reply(&added))
}

/// Runs what may compute for long on a thread of its own, off the threads that answer.
async fn computed<T: Send + 'static>(work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Fault::internal("the computation broke off")))
}

fn latest_version(state: &Registry, name: &ContractName) -> u32 {
    // Versions count up without gaps, so the newest is found by doubling, then halving.
    let has = |version: u32| version_of(state, name, version).is_some();
    let mut high = 1;
    while has(high) {
        high *= 2;
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = low.midpoint(high);
        if has(middle) { low = middle } else { high = middle }
    }
    low
}

fn version_of(state: &Registry, name: &ContractName, version: u32) -> Option<Entry<Contract>> {
    state.contracts.get(&Mission::kluster(), &name.version_id(version))
}

fn latest(state: &Registry, name: &ContractName) -> Option<Entry<Contract>> {
    version_of(state, name, latest_version(state, name))
}

/// All versions, the newest first.
fn versions(state: &Registry, name: &ContractName) -> impl Iterator<Item = Entry<Contract>> {
    (1..=latest_version(state, name)).rev().filter_map(|version| version_of(state, name, version))
}

fn with_digest(state: &Registry, name: &ContractName, digest: &str) -> Option<Entry<Contract>> {
    versions(state, name).find(|entry| entry.state.digest == digest)
}

fn find(state: &Registry, name: &ContractName, version: Option<u32>) -> Answer<Entry<Contract>> {
    let found = version.map_or_else(|| latest(state, name), |version| version_of(state, name, version));
    found.ok_or_else(|| {
        let version = version.map_or_else(String::new, |version| format!(" version {version}"));
        Fault::not_found(format!(
            "there is no contract {name}{version}; registry.contract_list shows those there are"
        ))
    })
}

fn reply(entry: &Entry<Contract>) -> ContractReply {
    ContractReply { contract: entry.state.as_ref().clone(), revision: entry.revision }
}

pub(super) fn show(state: &Registry, _: &Call, request: ContractShow) -> Answer<ContractReply> {
    find(state, &request.name, request.version).map(|entry| reply(&entry))
}

pub(super) async fn check(
    state: Arc<Registry>,
    call: Arc<Call>,
    request: ContractCheck,
) -> Answer<ContractVerdict> {
    let entry = find(&state, &request.name, request.version)?;
    call.writer.saw(entry.revision);
    let contract = entry.state;
    let (held, document) = (Arc::clone(&contract), request.document);
    let violations = computed(move || state.checkers.of(&held)?.check(&document)).await?;
    Ok(ContractVerdict {
        name: contract.name.clone(),
        version: contract.version,
        valid: violations.is_empty(),
        violations,
    })
}

pub(super) async fn list(state: Arc<Registry>, _: Arc<Call>, request: ContractList) -> Answer<Contracts> {
    let ContractList { name, after, limit } = request;
    let keep = |contract: &Contract| name.as_ref().is_none_or(|name| contract.name == *name);
    let after: Option<EntityId> = after.map(|after| after.name.version_id(after.version));
    let (found, more) = state.contracts.page(&Mission::kluster(), after.as_ref(), page_size(limit), keep);
    Ok(Contracts { contracts: found.iter().map(|contract| summary(contract)).collect(), more })
}

fn summary(contract: &Contract) -> ContractSummary {
    let Contract { name, version, digest, compatibility, .. } = contract.clone();
    ContractSummary { name, version, digest, compatibility }
}
