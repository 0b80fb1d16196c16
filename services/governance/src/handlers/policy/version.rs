//! The versions of a mission's policy: drafted, shown, listed.

use std::sync::Arc;

use selvedge_contracts::{
    fault::Fault,
    id::{Digest, Mission},
    payload::{
        DEFAULT_PAGE, MAX_PAGE,
        policy::{
            Policies, Policy, PolicyDraft, PolicyList, PolicyReply, PolicyShow, activation_id, version_id,
        },
    },
};
use selvedge_kit::{
    service::{Answer, Call, Draft},
    view::Entry,
};

use super::{computed, find, in_force, mission, owner, sound, version_entity};
use crate::{
    policy::{
        PolicyText,
        version::{self, Author},
    },
    state::Governance,
};

pub(super) async fn draft(
    state: Arc<Governance>,
    call: Arc<Call>,
    request: PolicyDraft,
) -> Answer<PolicyReply> {
    let mission = mission(&call)?;
    let author = Author {
        mission: mission.clone(),
        caller: call.subject.caller.clone(),
        owner: owner(&call)?.clone(),
    };
    let text = request.text.clone();
    let errors = computed(move || Ok(PolicyText::check(&text).errors().cloned().collect())).await?;
    sound(errors, "the text")?;
    let digest = Digest::from(&blake3::hash(request.text.as_bytes()));
    // An earlier sending of this request is known by the version that it drafted.
    let own = || versions(&state, mission).find(|entry| call.has_recorded(entry));
    let drafts = || {
        if own().is_some() {
            return Ok(vec![]);
        }
        let latest = latest(&state, mission);
        let next = latest.as_ref().map_or(1, |latest| latest.state.version.saturating_add(1));
        let entity = version_entity(mission, next);
        let drafted = Draft::decide(&state.policies.versions, entity, |current| match current {
            Some(_) => Err(Fault::busy("another version was drafted just now; try again")),
            None => {
                let latest = latest.as_ref().map(|entry| entry.state.as_ref());
                version::draft(latest, &request, &digest, &author, call.now_ms)
            }
        })?;
        Ok(drafted.into_iter().collect())
    };
    let next = || latest(&state, mission).map_or(1, |latest| latest.state.version.saturating_add(1));
    let first = own().map_or_else(next, |own| own.state.version);
    call.writer.record_all(&version_entity(mission, first), drafts).await?;
    let drafted = own().or_else(|| versions(&state, mission).find(|entry| entry.state.digest == digest));
    let drafted = drafted.ok_or_else(|| Fault::internal("the version was not recorded"))?;
    call.writer.saw(drafted.revision);
    Ok(reply(&state, &drafted))
}

pub(super) fn show(state: &Governance, call: &Call, request: PolicyShow) -> Answer<PolicyReply> {
    let mission = mission(call)?;
    let found = match request.version {
        Some(version) => find(state, mission, version)?,
        None => in_force(state, mission)?.ok_or_else(|| {
            Fault::not_found(format!(
                "no policy is in force in {mission}; governance.policy_list shows the versions there are"
            ))
        })?,
    };
    Ok(reply(state, &found))
}

pub(super) async fn list(state: Arc<Governance>, call: Arc<Call>, request: PolicyList) -> Answer<Policies> {
    let mission = mission(&call)?;
    let after = Some(request.after).filter(|after| *after > 0).map(version_id);
    let limit = request.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE) as usize;
    let (found, more) = state.policies.versions.page(mission, after.as_ref(), limit, |_| true);
    let policies = found.iter().map(|policy| without_text(policy)).collect();
    let activation = state.policies.activations.state(mission, &activation_id());
    let activation = activation.map_or_else(Default::default, |activation| activation.as_ref().clone());
    Ok(Policies { policies, activation, more })
}

fn without_text(policy: &Policy) -> Policy {
    Policy {
        mission: policy.mission.clone(),
        version: policy.version,
        digest: policy.digest.clone(),
        text: String::new(),
        note: policy.note.clone(),
        author: policy.author.clone(),
        owner: policy.owner.clone(),
        drafted_at_ms: policy.drafted_at_ms,
    }
}

/// The newest version. Versions count up without gaps, so it is found by doubling, then halving.
fn latest(state: &Governance, mission: &Mission) -> Option<Entry<Policy>> {
    let version = |number: u32| state.policies.versions.get(mission, &version_id(number));
    let mut high = 1u32;
    while high < u32::MAX && version(high).is_some() {
        high = high.saturating_mul(2);
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = low.midpoint(high);
        if version(middle).is_some() { low = middle } else { high = middle }
    }
    version(low)
}

/// All versions, the newest first.
fn versions<'a>(state: &'a Governance, mission: &'a Mission) -> impl Iterator<Item = Entry<Policy>> + 'a {
    let newest = latest(state, mission).map_or(0, |entry| entry.state.version);
    (1..=newest).rev().filter_map(|version| state.policies.versions.get(mission, &version_id(version)))
}

fn reply(state: &Governance, entry: &Entry<Policy>) -> PolicyReply {
    let policy = &entry.state;
    let activation = state.policies.activations.state(&policy.mission, &activation_id());
    let active = activation.and_then(|activation| activation.active.clone());
    PolicyReply {
        policy: policy.as_ref().clone(),
        active: active.filter(|active| active.version == policy.version),
        revision: entry.revision,
    }
}
