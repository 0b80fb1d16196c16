//! What may become of a pool: how many tasks count in it at once.

use selvedge_contracts::{
    fact::{CAPACITY_FREED, CAPACITY_SET, CAPACITY_TAKEN},
    fault::Fault,
    id::{Mission, PoolName, TaskId},
    payload::{Nothing, plan::Capacity},
};
use selvedge_kit::rule::{Change, Verdict};

/// Makes a pool, or changes its size. A smaller size takes nothing from who has it.
pub(crate) fn set(
    current: Option<&Capacity>,
    mission: &Mission,
    name: &PoolName,
    slots: u32,
) -> Verdict<Capacity> {
    let state = match current {
        Some(current) if current.slots == slots => return Verdict::Same,
        Some(current) => Capacity { slots, ..current.clone() },
        None => Capacity { name: name.clone(), mission: mission.clone(), slots, used: Vec::new() },
    };
    Change::new(&CAPACITY_SET, &Nothing {}, state).into()
}

/// Has a task count in a pool.
///
/// # Errors
/// Conflict if the pool is full.
pub(crate) fn take(current: Option<&Capacity>, task: &TaskId) -> Result<Verdict<Capacity>, Fault> {
    let current = current.ok_or_else(|| Fault::conflict("the pool is not known"))?;
    if current.used.contains(task) {
        return Ok(Verdict::Same);
    }
    if !has_room(current, 0) {
        return Err(Fault::conflict(format!("the pool {} is full", current.name)));
    }
    let used = current.used.iter().chain(std::iter::once(task)).cloned().collect();
    Ok(Change::new(&CAPACITY_TAKEN, &Nothing {}, Capacity { used, ..current.clone() }).into())
}

/// Has a task count in a pool no more.
pub(crate) fn free(current: Option<&Capacity>, task: &TaskId) -> Result<Verdict<Capacity>, Fault> {
    let Some(current) = current.filter(|current| current.used.contains(task)) else {
        return Ok(Verdict::Same);
    };
    let used = current.used.iter().filter(|used| *used != task).cloned().collect();
    Ok(Change::new(&CAPACITY_FREED, &Nothing {}, Capacity { used, ..current.clone() }).into())
}

/// Whether one more may count in it, beside so many that are about to.
pub(crate) fn has_room(capacity: &Capacity, coming: usize) -> bool {
    capacity.used.len().saturating_add(coming) < usize::try_from(capacity.slots).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use selvedge_contracts::id::{PlanId, TaskName};

    use super::*;

    fn task(number: usize) -> TaskId {
        PlanId::of(&blake3_of(b"x")).task(&TaskName::new(&format!("t{number}")).unwrap())
    }

    fn blake3_of(text: &[u8]) -> blake3::Hash {
        blake3::hash(text)
    }

    proptest! {
        #[test]
        fn never_more_than_its_slots_and_each_once(steps in prop::collection::vec((any::<bool>(), 0_usize..6), 0..60), slots in 0_u32..4) {
            let mission = Mission::new("demo").unwrap();
            let name = PoolName::new("gpu").unwrap();
            let Verdict::Changed(made) = set(None, &mission, &name, slots) else { panic!("not made") };
            let mut current = made.state;
            prop_assert_eq!(set(Some(&current), &mission, &name, slots), Verdict::Same);
            for (takes, number) in steps {
                let verdict = if takes { take(Some(&current), &task(number)) } else { free(Some(&current), &task(number)) };
                if let Ok(Verdict::Changed(change)) = verdict {
                    prop_assert_eq!(change.state.used.contains(&task(number)), takes);
                    current = change.state;
                }
                prop_assert!(current.used.len() <= slots as usize);
                let mut once = current.used.clone();
                once.sort();
                once.dedup();
                prop_assert_eq!(once.len(), current.used.len());
            }
        }
    }
}
