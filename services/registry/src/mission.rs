//! What missions may become: created once, and then they are.

use selvedge_contracts::{
    fact::MISSION_CREATED,
    fault::Fault,
    payload::{
        Nothing,
        mission::{Mission, MissionCreate},
    },
};
use selvedge_kit::rule::{Change, Verdict};

/// Names that would read as something else in a command or a subject.
const RESERVED: &[&str] = &["all", "any", "kluster", "none", "selvedge", "system"];

/// Creates a mission.
///
/// # Errors
/// Invalid if the name is reserved; conflict if the mission exists under another title.
pub(crate) fn create(
    current: Option<&Mission>,
    wanted: &MissionCreate,
    now_ms: u64,
) -> Result<Verdict<Mission>, Fault> {
    match current {
        Some(mission) if mission.title == wanted.title => Ok(Verdict::Same),
        Some(mission) => Err(exists(mission)),
        None if wanted.mission.is_kluster() || RESERVED.contains(&wanted.mission.as_str()) => {
            Err(reserved(wanted))
        }
        None => {
            let state =
                Mission { id: wanted.mission.clone(), title: wanted.title.clone(), created_at_ms: now_ms };
            Ok(Change::new(&MISSION_CREATED, &Nothing {}, state).into())
        }
    }
}

fn exists(mission: &Mission) -> Fault {
    Fault::conflict(format!(
        "the mission {} exists with the title {:?}; use it, or choose another name",
        mission.id, mission.title
    ))
}

fn reserved(wanted: &MissionCreate) -> Fault {
    Fault::invalid(format!("the name {} is reserved; choose another one", wanted.mission))
        .at("/mission", format!("reserved are _, {}", RESERVED.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{mission, state};
    use proptest::prelude::*;
    use selvedge_contracts::fault::Code;

    fn wanted(name: &str, title: &str) -> MissionCreate {
        MissionCreate { mission: mission(name), title: title.to_owned() }
    }

    #[test]
    fn a_reserved_name_is_refused() {
        for name in RESERVED.iter().chain(&["_"]) {
            let fault = create(None, &wanted(name, ""), 1).unwrap_err();
            assert_eq!((fault.code, fault.details.first().unwrap().at.as_str()), (Code::Invalid, "/mission"));
        }
    }

    #[test]
    fn another_title_is_a_conflict() {
        let demo: Mission = state(create(None, &wanted("demo", "one"), 1));
        assert_eq!(create(Some(&demo), &wanted("demo", "two"), 2).unwrap_err().code, Code::Conflict);
    }

    proptest! {
        #[test]
        fn creating_again_changes_nothing(title in ".{0,50}", now_ms: u64, later_ms: u64) {
            let made: Mission = state(create(None, &wanted("demo", &title), now_ms));
            prop_assert_eq!(create(Some(&made), &wanted("demo", &title), later_ms), Ok(Verdict::Same));
        }
    }
}
