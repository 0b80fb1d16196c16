//! What a name may become, and who may read what stands under it. Versions count up from 1 without gaps;
//! but for the one verdict on it, a version never changes.

use selvedge_contracts::{
    fact::{ARTIFACT_JUDGED, ARTIFACT_PUBLISHED},
    fault::Fault,
    id::{ArtifactName, Caller, Mission},
    payload::artifact::{Artifact, Judged, Verdict as Judgement, Version, VersionState},
    role::Role,
};
use selvedge_kit::rule::{Change, Verdict};

/// Publishes `wanted` as the next version; its number is filled in here. The newest version again, in
/// everything but its number and time, is that version.
///
/// # Errors
/// Conflict if there is no version number left.
pub(crate) fn publish(
    current: Option<&Artifact>,
    name: &ArtifactName,
    mission: &Mission,
    wanted: &Version,
) -> Result<Verdict<Artifact>, Fault> {
    let latest = current.map(|artifact| &artifact.latest);
    if latest.is_some_and(|latest| is_same(latest, wanted)) {
        return Ok(Verdict::Same);
    }
    let next = latest.map_or(Some(1), |latest| latest.version.checked_add(1));
    let version = next.ok_or_else(|| Fault::conflict(format!("{name} has no version number left")))?;
    let published = Version { version, ..wanted.clone() };
    let state = Artifact { name: name.clone(), mission: mission.clone(), latest: published.clone() };
    Ok(Change::new(&ARTIFACT_PUBLISHED, &published, state).into())
}

fn is_same(latest: &Version, wanted: &Version) -> bool {
    let content = |version: &Version| Version {
        version: 0,
        published_at_ms: 0,
        state: VersionState::Valid,
        checked: None,
        ..version.clone()
    };
    content(latest) == content(wanted)
}

/// Records a verdict on one version. `version` is that version as it stands now.
///
/// # Errors
/// `denied` to its producer; conflict if it needs no verdict, or has another one.
pub(crate) fn judge(
    current: &Artifact,
    version: &Version,
    by: &Caller,
    judgement: Judgement,
    reason: Option<&String>,
) -> Result<Verdict<Artifact>, Fault> {
    let state = match judgement {
        Judgement::Valid => VersionState::Valid,
        Judgement::Invalid => VersionState::Invalid,
    };
    if version.producer == *by {
        return Err(Fault::denied(format!("{by} published it: somebody else has to judge it")));
    }
    if version.state == state {
        return Ok(Verdict::Same);
    }
    if version.state != VersionState::Unvalidated {
        let is = state_name(version.state);
        return Err(Fault::conflict(format!("{}@v{} is {is} already", current.name, version.version)));
    }
    let judged = Judged { version: version.version, state, by: by.clone(), reason: reason.cloned() };
    let mut after = current.clone();
    if after.latest.version == version.version {
        after.latest.state = state;
    }
    Ok(Change::new(&ARTIFACT_JUDGED, &judged, after).into())
}

/// Whether a caller in its mission may read a version's content.
pub(crate) fn may_read(version: &Version, caller: &Caller, role: Role) -> bool {
    version.state == VersionState::Valid
        || version.producer == *caller
        || matches!(role, Role::Verifier | Role::Arbitrator | Role::Operator)
}

/// The state in one word.
pub(crate) fn state_name(state: VersionState) -> &'static str {
    match state {
        VersionState::Valid => "valid",
        VersionState::Unvalidated => "unvalidated",
        VersionState::Invalid => "invalid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{artifact, version};
    use proptest::prelude::*;
    use selvedge_contracts::fault::Code;

    fn published(current: Option<&Artifact>, wanted: &Version) -> Verdict<Artifact> {
        let name = ArtifactName::new("a/b").unwrap();
        publish(current, &name, &Mission::new("demo").unwrap(), wanted).unwrap()
    }

    fn state(verdict: Verdict<Artifact>) -> Artifact {
        match verdict {
            Verdict::Changed(change) => change.state,
            Verdict::Same => panic!("nothing changed"),
        }
    }

    fn vera() -> Caller {
        Caller::new("vera-1a2b3c4d").unwrap()
    }

    #[test]
    fn versions_count_up_and_equal_content_of_another_producer_is_another_version() {
        let first = state(published(None, &version(0, "one")));
        assert_eq!(first.latest.version, 1);
        let again = Version { published_at_ms: 99, ..version(0, "one") };
        assert_eq!(published(Some(&first), &again), Verdict::Same);
        let theirs = Version { producer: vera(), ..version(0, "one") };
        let second = state(published(Some(&first), &theirs));
        assert_eq!((second.latest.version, &second.latest.producer), (2, &vera()));
    }

    #[test]
    fn a_version_is_judged_once_and_by_somebody_else() {
        let held = Version { state: VersionState::Unvalidated, ..version(1, "x") };
        let current = artifact("a", held.clone());
        let by =
            |caller: &Caller, version: &Version, verdict| judge(&current, version, caller, verdict, None);
        let own = by(&held.producer, &held, Judgement::Valid).unwrap_err();
        assert_eq!(own.code, Code::Denied);
        let valid = state(by(&vera(), &held, Judgement::Valid).unwrap());
        assert_eq!(valid.latest.state, VersionState::Valid);
        assert_eq!(by(&vera(), &valid.latest, Judgement::Valid), Ok(Verdict::Same));
        assert_eq!(by(&vera(), &valid.latest, Judgement::Invalid).unwrap_err().code, Code::Conflict);
    }

    #[test]
    fn a_verdict_on_an_older_version_leaves_the_newest_as_it_is() {
        let held = Version { state: VersionState::Unvalidated, ..version(1, "x") };
        let current = artifact("a", version(2, "y"));
        let after = state(judge(&current, &held, &vera(), Judgement::Invalid, None).unwrap());
        assert_eq!(after, current);
    }

    #[test]
    fn what_is_not_valid_is_read_by_its_producer_and_those_who_judge() {
        let held = Version { state: VersionState::Unvalidated, ..version(1, "x") };
        assert!(may_read(&held, &held.producer, Role::Worker));
        for role in Role::MEMBERS {
            let judges = matches!(role, Role::Verifier | Role::Arbitrator | Role::Operator);
            assert_eq!(may_read(&held, &vera(), *role), judges, "{role}");
            assert!(may_read(&version(1, "x"), &vera(), *role));
        }
    }

    proptest! {
        #[test]
        fn publishing_accepts_its_own_result(contents in proptest::collection::vec("[a-c]", 1..20)) {
            let mut current: Option<Artifact> = None;
            for content in contents {
                let before = current.as_ref().map_or(0, |artifact| artifact.latest.version);
                match published(current.as_ref(), &version(0, &content)) {
                    Verdict::Changed(change) => {
                        prop_assert_eq!(change.state.latest.version, before + 1);
                        current = Some(change.state);
                    }
                    Verdict::Same => prop_assert!(current.is_some()),
                }
                prop_assert_eq!(published(current.as_ref(), &version(0, &content)), Verdict::Same);
            }
        }
    }
}
