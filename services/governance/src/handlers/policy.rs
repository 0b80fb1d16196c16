//! Calls about policies: texts are drafted and kept, one of them is put in force by two principals.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::Fault,
    id::{Digest, Mission, Owner},
    payload::{
        DEFAULT_PAGE, MAX_PAGE, Nothing,
        policy::{
            self, ActivationReply, Finding, Policies, Policy, PolicyActivate, PolicyConfirm, PolicyDraft,
            PolicyFindings, PolicyList, PolicyReply, PolicySchema, PolicyShow, PolicyTest, PolicyTested,
            PolicyValidate, activation_id, version_id,
        },
    },
    subject::Entity,
};
use selvedge_kit::{
    service::{Answer, Call, Draft, Recorded, Route, Routes},
    view::Entry,
};

use crate::{
    policy::{
        PolicyText, SCHEMA, activation, schema_json, test_without_policy,
        version::{self, Author},
    },
    state::Governance,
};

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Governance> {
    vec![
        Route::wait::<call::PolicyDraft, _>(draft),
        Route::wait::<call::PolicyValidate, _>(validate),
        Route::wait::<call::PolicyTest, _>(test),
        Route::read::<call::PolicyShow>(show),
        Route::wait::<call::PolicyList, _>(list),
        Route::read::<call::PolicySchemaShow>(schema),
        Route::wait::<call::PolicyActivate, _>(activate),
        Route::wait::<call::PolicyConfirm, _>(confirm),
    ]
}

async fn draft(state: Arc<Governance>, call: Arc<Call>, request: PolicyDraft) -> Answer<PolicyReply> {
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
    let first = own().or_else(|| latest(&state, mission));
    let is_own = own().is_some();
    let first = first.map_or(1, |entry| entry.state.version.saturating_add(u32::from(!is_own)));
    call.writer.record_all(&version_entity(mission, first), drafts).await?;
    let drafted = own().or_else(|| versions(&state, mission).find(|entry| entry.state.digest == digest));
    let drafted = drafted.ok_or_else(|| Fault::internal("the version was not recorded"))?;
    call.writer.saw(drafted.revision);
    Ok(reply(&state, &drafted))
}

async fn validate(_: Arc<Governance>, _: Arc<Call>, request: PolicyValidate) -> Answer<PolicyFindings> {
    computed(move || Ok(PolicyText::check(&request.text).findings())).await
}

async fn test(state: Arc<Governance>, call: Arc<Call>, request: PolicyTest) -> Answer<PolicyTested> {
    let PolicyTest { text, version, cases } = request;
    let kept = match (&text, version) {
        (Some(_), Some(_)) => {
            return Err(Fault::invalid("name a text or a version, not both").at("/version", "expected none"));
        }
        (Some(_), None) => None,
        (None, Some(version)) => Some(find_anew(&state, &call, version).await?),
        (None, None) => in_force(&state, mission(&call)?)?,
    };
    computed(move || {
        let checked = match (&text, kept) {
            (Some(text), _) => Some(PolicyText::check(text)),
            (None, Some(kept)) => Some(state.policies.checked(&kept.state)),
            (None, None) => None,
        };
        if let Some(checked) = &checked {
            sound(checked.errors().cloned().collect(), "the text")?;
        }
        let tested = cases.iter().map(|case| match &checked {
            Some(checked) => checked.test(call.mission(), case),
            None => test_without_policy(call.mission(), case),
        });
        let cases: Vec<_> = tested.collect();
        Ok(PolicyTested { passed: cases.iter().all(|case| case.passed), cases })
    })
    .await
}

fn show(state: &Governance, call: &Call, request: PolicyShow) -> Answer<PolicyReply> {
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

async fn list(state: Arc<Governance>, call: Arc<Call>, request: PolicyList) -> Answer<Policies> {
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

fn schema(_: &Governance, _: &Call, _: Nothing) -> Answer<PolicySchema> {
    let json = schema_json().map_err(Fault::internal)?;
    Ok(PolicySchema { text: SCHEMA.to_owned(), json })
}

async fn activate(
    state: Arc<Governance>,
    call: Arc<Call>,
    request: PolicyActivate,
) -> Answer<ActivationReply> {
    let mission = mission(&call)?;
    let by = (&call.subject.caller, owner(&call)?);
    usable(&state, &find_anew(&state, &call, request.version).await?).await?;
    let decide =
        |current: Option<&_>| activation::propose(current, request.version, &request.reason, by, call.now_ms);
    let entity = activation_entity(mission);
    let recorded = call.writer.record(&state.policies.activations, &entity, decide).await?;
    Ok(activation_reply(recorded))
}

async fn confirm(state: Arc<Governance>, call: Arc<Call>, request: PolicyConfirm) -> Answer<ActivationReply> {
    let (mission, owner) = (mission(&call)?, owner(&call)?);
    let version = find_anew(&state, &call, request.version).await?;
    // Once more: what it may speak of may have changed since it was proposed. It is ready to decide, too.
    usable(&state, &version).await?;
    let decide = |current: Option<&_>| {
        activation::confirm(current, Some(&version.state), &request, owner, call.now_ms)
    };
    let entity = activation_entity(mission);
    let recorded = call.writer.record(&state.policies.activations, &entity, decide).await?;
    Ok(activation_reply(recorded))
}

/// Policies are a mission's own.
fn mission(call: &Call) -> Answer<&Mission> {
    match call.mission() {
        kluster if kluster.is_kluster() => {
            Err(Fault::invalid("policies are a mission's: ask in one, and not in the kluster"))
        }
        mission => Ok(mission),
    }
}

fn owner(call: &Call) -> Answer<&Owner> {
    call.owner().ok_or_else(|| Fault::denied("nobody is known to answer for the caller"))
}

/// Refuses a text with errors, each with its place.
fn sound(errors: Vec<Finding>, what: &str) -> Answer<()> {
    if errors.is_empty() {
        return Ok(());
    }
    let place = |finding: &Finding| match (finding.line, finding.column) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: "),
        _ => String::new(),
    };
    let fault = Fault::invalid(format!("{what} is no policy that can be used; mend what is listed"));
    Err(errors.iter().fold(fault, |fault, finding| fault.at("/text", place(finding) + &finding.message)))
}

/// Refuses a version that cannot decide.
async fn usable(state: &Arc<Governance>, version: &Entry<Policy>) -> Answer<()> {
    let (state, policy) = (Arc::clone(state), Arc::clone(&version.state));
    let errors = computed(move || Ok(state.policies.checked(&policy).errors().cloned().collect())).await?;
    sound(errors, &format!("version {}", version.state.version))
}

/// Runs what may compute for long on a thread of its own, off the threads that answer.
async fn computed<T: Send + 'static>(work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Fault::internal("the computation broke off")))
}

fn version_entity(mission: &Mission, version: u32) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Policy, id: version_id(version) }
}

fn activation_entity(mission: &Mission) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Activation, id: activation_id() }
}

/// The newest version. Versions count up without gaps, so it is found by doubling, then halving.
fn latest(state: &Governance, mission: &Mission) -> Option<Entry<Policy>> {
    let version = |number: u32| state.policies.versions.get(mission, &version_id(number));
    let mut high = 1u32;
    while version(high).is_some() {
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

fn find(state: &Governance, mission: &Mission, version: u32) -> Answer<Entry<Policy>> {
    state.policies.versions.get(mission, &version_id(version)).ok_or_else(|| {
        Fault::not_found(format!(
            "the policy of {mission} has no version {version}; governance.policy_list shows those there are"
        ))
    })
}

/// The same, also if it was drafted so recently that the view does not hold it yet.
async fn find_anew(state: &Governance, call: &Call, version: u32) -> Answer<Entry<Policy>> {
    let mission = mission(call)?;
    if let Ok(found) = find(state, mission, version) {
        return Ok(found);
    }
    let refreshed = state.feed.refresh(&version_entity(mission, version), call.deadline()).await;
    refreshed.map_err(|error| Fault::unavailable(format!("cannot look up the version: {error}")))?;
    find(state, mission, version)
}

/// The version in force, if there is one.
fn in_force(state: &Governance, mission: &Mission) -> Answer<Option<Entry<Policy>>> {
    let activation = state.policies.activations.state(mission, &activation_id());
    let active = activation.and_then(|activation| activation.active.clone());
    active.map(|active| find(state, mission, active.version)).transpose()
}

fn reply(state: &Governance, entry: &Entry<Policy>) -> PolicyReply {
    let policy: &policy::Policy = &entry.state;
    let activation = state.policies.activations.state(&policy.mission, &activation_id());
    let active = activation.and_then(|activation| activation.active.clone());
    PolicyReply {
        policy: policy.clone(),
        active: active.filter(|active| active.version == policy.version),
        revision: entry.revision,
    }
}

fn activation_reply(recorded: Recorded<policy::Activation>) -> ActivationReply {
    ActivationReply { activation: recorded.state.as_ref().clone(), revision: recorded.revision }
}
