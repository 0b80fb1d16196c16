//! What a policy text is worth: held against the schema, and against cases.

use std::sync::Arc;

use selvedge_contracts::{
    fault::Fault,
    payload::{
        Nothing,
        policy::{PolicyFindings, PolicySchema, PolicyTest, PolicyTested, PolicyValidate},
    },
};
use selvedge_kit::service::{Answer, Call};

use super::{computed, find_anew, in_force, mission, sound};
use crate::{
    policy::{PolicyText, SCHEMA, schema_json, test_without_policy},
    state::Governance,
};

pub(super) async fn validate(
    _: Arc<Governance>,
    _: Arc<Call>,
    request: PolicyValidate,
) -> Answer<PolicyFindings> {
    computed(move || Ok(PolicyText::check(&request.text).findings())).await
}

pub(super) async fn test(
    state: Arc<Governance>,
    call: Arc<Call>,
    request: PolicyTest,
) -> Answer<PolicyTested> {
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

pub(super) fn schema(_: &Governance, _: &Call, _: Nothing) -> Answer<PolicySchema> {
    let json = schema_json().map_err(Fault::internal)?;
    Ok(PolicySchema { text: SCHEMA.to_owned(), json })
}
