//! Calls about policies: texts are drafted and kept, one of them is put in force by two principals.

mod activation;
mod judge;
mod version;

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::Fault,
    id::{Mission, Owner},
    payload::policy::{Finding, Policy, activation_id, version_id},
    subject::Entity,
};
use selvedge_kit::{
    service::{Answer, Call, Route, Routes},
    view::Entry,
};

use crate::state::Governance;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Governance> {
    vec![
        Route::wait::<call::PolicyDraft, _>(version::draft),
        Route::wait::<call::PolicyValidate, _>(judge::validate),
        Route::wait::<call::PolicyTest, _>(judge::test),
        Route::read::<call::PolicyShow>(version::show),
        Route::wait::<call::PolicyList, _>(version::list),
        Route::read::<call::PolicySchemaShow>(judge::schema),
        Route::wait::<call::PolicyActivate, _>(activation::activate),
        Route::wait::<call::PolicyConfirm, _>(activation::confirm),
    ]
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

/// Runs what may compute for long on a thread of its own, off the threads that answer.
async fn computed<T: Send + 'static>(work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Fault::internal("the computation broke off")))
}

fn version_entity(mission: &Mission, version: u32) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Policy, id: version_id(version) }
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
