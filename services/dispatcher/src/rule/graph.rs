//! The graph of a plan: who needs whom, and what is wrong with that.

use std::collections::{BTreeSet, HashMap};

use selvedge_contracts::{
    fault::Detail,
    id::TaskName,
    payload::plan::{PlanSpec, TaskSpec},
};

use super::detail;

/// Everything that is wrong with the needs of the tasks: unknown and repeated names, circles, and tasks that
/// can never become ready because of them.
pub(crate) fn check(plan: &PlanSpec) -> Vec<Detail> {
    let mut places = HashMap::new();
    let mut found = Vec::new();
    for (index, task) in plan.tasks.iter().enumerate() {
        if let Some(first) = places.insert(&task.id, index) {
            found.push(detail(
                format!("/tasks/{index}/id"),
                format!("{} is the id of /tasks/{first} already; give each task its own", task.id),
            ));
            places.insert(&task.id, first);
        }
    }
    let mut broken = BTreeSet::new();
    for (index, task) in plan.tasks.iter().enumerate() {
        check_needs(index, task, &places, &mut found, &mut broken);
    }
    let needs: Vec<Vec<usize>> = plan
        .tasks
        .iter()
        .map(|task| task.needs.iter().filter_map(|need| places.get(need).copied()).collect())
        .collect();
    let circles = circles(&needs);
    for circle in &circles {
        found.push(in_words(plan, circle));
    }
    let stuck: BTreeSet<usize> = circles.into_iter().flatten().chain(broken).collect();
    found.extend(unreachable(plan, &needs, &stuck));
    found
}

fn check_needs(
    index: usize,
    task: &TaskSpec,
    places: &HashMap<&TaskName, usize>,
    found: &mut Vec<Detail>,
    broken: &mut BTreeSet<usize>,
) {
    let mut seen = BTreeSet::new();
    for (at, need) in task.needs.iter().enumerate() {
        let place = format!("/tasks/{index}/needs/{at}");
        if !places.contains_key(need) {
            broken.insert(index);
            found.push(detail(place, format!("no task of the plan is called {need}")));
        } else if !seen.insert(need) {
            found.push(detail(place, format!("{need} stands here twice; name it once")));
        }
    }
}

fn in_words(plan: &PlanSpec, circle: &[usize]) -> Detail {
    let names = circle.iter().chain(circle.first()).filter_map(|index| plan.tasks.get(*index));
    let names: Vec<_> = names.map(|task| task.id.as_str()).collect();
    let at = circle.first().copied().unwrap_or(0);
    let message = format!("in a circle each waits for the next: {}; take one need out", names.join(" → "));
    detail(format!("/tasks/{at}/needs"), message)
}

/// Tasks that are in no circle themselves but wait for something that never comes.
fn unreachable(plan: &PlanSpec, needs: &[Vec<usize>], stuck: &BTreeSet<usize>) -> Vec<Detail> {
    let dependents = dependents(needs);
    let mut because: HashMap<usize, usize> = HashMap::new();
    let mut open: Vec<usize> = stuck.iter().copied().collect();
    while let Some(index) = open.pop() {
        for dependent in dependents.get(index).into_iter().flatten() {
            if !stuck.contains(dependent) && !because.contains_key(dependent) {
                because.insert(*dependent, index);
                open.push(*dependent);
            }
        }
    }
    let mut found: Vec<_> = because.into_iter().collect();
    found.sort_unstable();
    let name = |index: usize| plan.tasks.get(index).map_or("", |task| task.id.as_str());
    let message = |cause| format!("can never become ready: it waits for {}, which cannot", name(cause));
    found.into_iter().map(|(index, cause)| detail(format!("/tasks/{index}"), message(cause))).collect()
}

/// Who needs each task.
pub(crate) fn dependents(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut dependents = vec![Vec::new(); needs.len()];
    for (index, needed) in needs.iter().enumerate() {
        for need in needed {
            if let Some(of_need) = dependents.get_mut(*need) {
                of_need.push(index);
            }
        }
    }
    dependents
}

/// One circle for each set of tasks that wait for each other; in each, a task needs the next, and the last
/// needs the first. Begins with the task that stands first in the plan.
fn circles(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let left = left_after_taking_off(needs);
    let mut found: Vec<Vec<usize>> = Vec::new();
    let mut seen = BTreeSet::new();
    for start in 0..needs.len() {
        if !left.contains(&start) || seen.contains(&start) {
            continue;
        }
        // Whatever is left needs something that is left: following that ends in a circle.
        let (mut path, mut at) = (Vec::new(), start);
        while !path.contains(&at) && !seen.contains(&at) {
            path.push(at);
            let next = needs.get(at).and_then(|needed| needed.iter().find(|need| left.contains(need)));
            let Some(next) = next else { break };
            at = *next;
        }
        if let Some(from) = path.iter().position(|index| *index == at) {
            let mut circle = path.get(from..).unwrap_or_default().to_vec();
            let first =
                circle.iter().enumerate().min_by_key(|(_, index)| **index).map_or(0, |(place, _)| place);
            circle.rotate_left(first);
            found.push(circle);
        }
        seen.extend(path);
    }
    found
}

/// What is left when every task whose needs are all taken off is taken off, again and again (Kahn's
/// algorithm): the circles, and what waits for them.
fn left_after_taking_off(needs: &[Vec<usize>]) -> BTreeSet<usize> {
    let dependents = dependents(needs);
    let mut missing: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut open: Vec<usize> =
        missing.iter().enumerate().filter(|(_, missing)| **missing == 0).map(|(index, _)| index).collect();
    let mut left: BTreeSet<usize> = (0..needs.len()).collect();
    while let Some(index) = open.pop() {
        left.remove(&index);
        for dependent in dependents.get(index).into_iter().flatten() {
            if let Some(missing) = missing.get_mut(*dependent) {
                *missing = missing.saturating_sub(1);
                if *missing == 0 {
                    open.push(*dependent);
                }
            }
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rule::fixture::{plan_of, said};

    #[test]
    fn every_circle_is_named_and_whoever_waits_for_it() {
        let plan = plan_of(&[
            ("a", &["c"]),
            ("b", &["a"]),
            ("c", &["b"]),
            ("self", &["self"]),
            ("after", &["b", "fine"]),
            ("later", &["after"]),
            ("fine", &[]),
        ]);
        let found = said(&check(&plan));
        assert!(
            found.contains(
                &"/tasks/0/needs in a circle each waits for the next: a → c → b → a; take one need out"
                    .to_owned()
            ),
            "{found:?}"
        );
        assert!(found.iter().any(|said| said.contains("self → self")), "{found:?}");
        assert!(found.iter().any(|said| said.starts_with("/tasks/4 can never become ready")), "{found:?}");
        assert!(found.iter().any(|said| said.starts_with("/tasks/5 can never become ready")), "{found:?}");
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn unknown_repeated_and_doubled_names_are_all_listed() {
        let plan = plan_of(&[("a", &["x", "y"]), ("a", &[]), ("b", &["a", "a"])]);
        let found = said(&check(&plan));
        let places: Vec<_> = found.iter().map(|said| said.split(' ').next().unwrap()).collect();
        assert_eq!(
            places,
            ["/tasks/1/id", "/tasks/0/needs/0", "/tasks/0/needs/1", "/tasks/2/needs/1", "/tasks/2"]
        );
    }

    fn graphs() -> impl Strategy<Value = Vec<Vec<usize>>> {
        (1_usize..12).prop_flat_map(|tasks| {
            prop::collection::vec(prop::collection::btree_set(0..tasks, 0..3), tasks)
                .prop_map(|needs| needs.into_iter().map(|of| of.into_iter().collect()).collect())
        })
    }

    /// By brute force: whether following needs from a task can lead back to it.
    fn is_in_circle(needs: &[Vec<usize>], task: usize) -> bool {
        let (mut open, mut seen) = (needs[task].clone(), BTreeSet::new());
        while let Some(at) = open.pop() {
            if at == task {
                return true;
            }
            if seen.insert(at) {
                open.extend(&needs[at]);
            }
        }
        false
    }

    proptest! {
        #[test]
        fn a_circle_is_found_if_and_only_if_there_is_one(needs in graphs()) {
            let found = circles(&needs);
            prop_assert_eq!(found.is_empty(), !(0..needs.len()).any(|task| is_in_circle(&needs, task)));
            for circle in found {
                for (task, next) in circle.iter().zip(circle.iter().cycle().skip(1)) {
                    prop_assert!(needs[*task].contains(next), "{:?} is none", circle);
                }
            }
        }

        #[test]
        fn a_plan_without_complaints_can_be_done_to_its_end(needs in graphs()) {
            let names: Vec<String> = (0..needs.len()).map(|index| format!("t{index}")).collect();
            let of: Vec<Vec<&str>> =
                needs.iter().map(|of| of.iter().map(|need| names[*need].as_str()).collect()).collect();
            let tasks: Vec<_> = names.iter().zip(&of).map(|(name, of)| (name.as_str(), of.as_slice())).collect();
            prop_assert_eq!(check(&plan_of(&tasks)).is_empty(), left_after_taking_off(&needs).is_empty());
        }
    }
}
