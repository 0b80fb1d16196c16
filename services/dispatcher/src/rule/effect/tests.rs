use std::collections::BTreeMap;

use selvedge_contracts::payload::task::{EffectEnd, PastEffect};
use serde_json::{Value, json};

use super::{check::is_below, *};
use crate::rule::fixture::task;

fn spec(effects: Value) -> TaskSpec {
    TaskSpec { effects: serde_json::from_value(effects).unwrap(), ..task("a", &[]) }
}

fn note(undo: bool) -> TaskSpec {
    let undo = if undo { "required" } else { "optional" };
    spec(json!([{ "name": "note", "on": { "kind": "memory", "key": "notes/a" }, "undo": undo }]))
}

fn offer(name: &str, effect: Value, more: Value) -> EffectOffer {
    let mut propose = json!({ "title": "t", "effect": effect });
    propose.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(json!({ "name": name, "propose": propose })).unwrap()
}

fn memory(key: &str) -> Value {
    json!({ "kind": "memory", "key": key, "value": 1, "revision": 0 })
}

fn places(spec: &TaskSpec, offers: &[EffectOffer]) -> Vec<String> {
    let details = check(spec, offers).err().map(|fault| fault.details).unwrap_or_default();
    details.into_iter().map(|detail| detail.at).collect()
}

#[test]
fn exactly_what_is_declared_is_taken() {
    let fine = offer("note", memory("notes/a/b"), json!({}));
    assert_eq!(places(&note(false), std::slice::from_ref(&fine)), [""; 0]);
    assert_eq!(places(&note(false), &[]), ["/effects"]);
    assert_eq!(places(&note(false), &[fine.clone(), fine.clone()]), ["/effects"]);
    assert_eq!(places(&task("a", &[]), &[fine]), ["/effects/0/name"]);
}

#[test]
fn everything_that_does_not_fit_is_listed() {
    let more = json!({ "occurrence": "x", "inputs": ["name@v1"], "undo": memory("other") });
    let wrong = offer("note", memory("notes/ab"), more);
    assert_eq!(
        places(&note(true), &[wrong]),
        [
            "/effects/0/propose/effect",
            "/effects/0/propose/undo",
            "/effects/0/propose/occurrence",
            "/effects/0/propose/inputs/0"
        ]
    );
    let without = offer("note", memory("notes/a"), json!({}));
    assert_eq!(places(&note(true), &[without]), ["/effects/0/propose/undo"]);
}

#[test]
fn a_url_below_is_below_as_it_is_read() {
    let base = "https://x.example/api/v1";
    for fine in
        ["https://x.example/api/v1", "https://x.example/api/v1/a?b=c", "https://X.example:443/api/v1/"]
    {
        assert!(is_below(base, fine), "{fine}");
    }
    for other in [
        "https://x.example/api/v10",
        "https://x.example/api/v1/../v2",
        "https://x.example/api/v1/%2e%2e/v2",
        "https://x.example/api/v1/..%2fv2",
        "http://x.example/api/v1",
        "https://x.example.evil/api/v1",
        "https://u@x.example/api/v1",
    ] {
        assert!(!is_below(base, other), "{other}");
    }
}

#[test]
fn a_task_is_done_once_all_of_it_is_and_over_once_one_is() {
    let effect = |name: &str| TaskEffect {
        name: name.parse().unwrap(),
        intent: IntentId::of(&blake3::hash(name.as_bytes())),
        propose: None,
        receipt: None,
    };
    let (one, other) = (effect("a"), effect("b"));
    let outcomes = |of_other| {
        BTreeMap::from([(one.intent.clone(), Outcome::Committed(None)), (other.intent.clone(), of_other)])
    };
    let both = [one.clone(), other.clone()];
    assert_eq!(settled(&both, &outcomes(Outcome::Open)), Settled::Open);
    let Settled::Done(done) = settled(&both, &outcomes(Outcome::Committed(None))) else { panic!("not done") };
    assert_eq!(done.len(), 2);
    let over = |is_final| Outcome::Over { reason: "no".to_owned(), is_final };
    assert_eq!(settled(&both, &outcomes(over(false))), Settled::Open, "the first is undone now");
    let ended = |first: Outcome, second: Outcome| {
        let both_ended = BTreeMap::from([(one.intent.clone(), first), (other.intent.clone(), second)]);
        match settled(&both, &both_ended) {
            Settled::Over(ending) => ending,
            other => panic!("not over: {other:?}"),
        }
    };
    let undone = ended(Outcome::Undone, over(false));
    assert_eq!((undone.reason.as_str(), undone.is_final), ("b: no; undone: a", false));
    let ends = undone.effects.iter().map(|effect| effect.end).collect::<Vec<_>>();
    assert_eq!(ends, [EffectEnd::Undone, EffectEnd::NotDone]);
    assert!(ended(over(true), over(false)).is_final, "a person said no");
    let stuck = ended(Outcome::Stuck("no way back".to_owned()), over(false));
    assert!(stuck.is_final && stuck.reason.starts_with("a, which was done"), "{stuck:?}");
    let three = [one.clone(), effect("c"), other.clone()];
    let before = BTreeMap::from([
        (one.intent.clone(), Outcome::Committed(None)),
        (effect("c").intent, Outcome::Stuck("no".to_owned())),
        (other.intent.clone(), over(false)),
    ]);
    let Settled::Over(ending) = settled(&three, &before) else { panic!("it waits for a person") };
    assert_eq!(ending.effects[0].end, EffectEnd::Stands);
}

#[test]
fn what_was_done_and_is_not_undone_forbids_another_try() {
    let left =
        |end| PastEffect { name: "a".parse().unwrap(), intent: IntentId::of(&blake3::hash(b"a")), end };
    let mut task = handed_in(&note(false), &[]);
    let past = |effects| selvedge_contracts::payload::task::PastAttempt {
        attempt: 1,
        worker: "ada-0a1b2c3d".parse().unwrap(),
        ended_at_ms: 1,
        cause: selvedge_contracts::payload::task::Cause::Effect,
        reason: String::new(),
        output: None,
        token: None,
        effects,
    };
    task.past = vec![past(vec![left(EffectEnd::Undone)])];
    assert_eq!(not_undone(&task, |_| None), None);
    task.past = vec![past(vec![left(EffectEnd::Stuck)])];
    assert!(not_undone(&task, |_| Some(Outcome::Stuck(String::new()))).is_some());
    assert!(not_undone(&task, |_| Some(Outcome::Committed(None))).is_some(), "it is to be undone again");
    assert_eq!(not_undone(&task, |_| Some(Outcome::Undone)), None, "a person settled it");
}

/// A task of this plan whose first attempt hands these in, under a lease.
fn handed_in(spec: &TaskSpec, offers: &[EffectOffer]) -> Task {
    let plan = crate::rule::fixture::plan(selvedge_contracts::payload::plan::PlanSpec {
        tasks: vec![spec.clone()],
        ..crate::rule::fixture::plan_of(&[])
    });
    let mut claim = crate::rule::fixture::claim(&plan, spec, 1, "ada-0a1b2c3d", 0);
    let lease = json!({ "space": "shop", "lease": format!("lease_{}", "0a".repeat(16)), "token": 7 });
    claim.leases = vec![serde_json::from_value(lease).unwrap()];
    let task = json!({ "id": plan.id.task(&spec.id), "mission": "demo", "plan": plan.id, "name": spec.id,
        "state": "running", "attempt": 1, "tries": 1, "round": 0, "claim": claim });
    let task: Task = serde_json::from_value(task).unwrap();
    Task { effects: of_attempt(&task, spec, offers), ..task }
}

#[test]
fn one_effect_is_an_intent_and_several_are_a_saga_in_the_order_of_the_plan() {
    let target =
        |name: &str| json!({ "name": name, "on": { "kind": "memory", "key": name }, "undo": "required" });
    let both = spec(json!([target("x"), target("y")]));
    let undo = |key: &str| json!({ "undo": memory(key), "expires_after_ms": 9_000 });
    let offers = [offer("y", memory("y"), undo("y")), offer("x", memory("x"), undo("x"))];
    assert_eq!(places(&both, &offers), [""; 0]);
    let task = handed_in(&both, &offers);
    let names: Vec<_> = task.effects.iter().map(|effect| effect.name.as_str()).collect();
    assert_eq!(names, ["x", "y"]);
    let Some(Proposal::Several(saga)) = proposal(&task, &both, 12) else { panic!("no saga") };
    assert_eq!((saga.steps.len(), saga.expires_after_ms), (2, Some(9_000)));
    let bound = &saga.steps[1].preconditions[0];
    assert_eq!((bound.entity, bound.revision, saga.steps[1].tokens.len()), (EntityName::Task, 12, 1));
    // As the service makes them.
    let scope = task.id.scope(1);
    let identities: Vec<_> = saga
        .steps
        .iter()
        .map(|step| StepIdentity { effect: &step.effect, undo: step.undo.as_ref(), inputs: &[] })
        .collect();
    let id = saga_id(&task.mission, Some(&scope), None, &identities);
    let occurrence = step_occurrence(&id, 1);
    let step = &saga.steps[1];
    let intent =
        intent_id(&task.mission, Some(&scope), Some(&occurrence), &step.effect, step.undo.as_ref(), &[]);
    assert_eq!(task.effects[1].intent, intent);
    assert_eq!(offers_of(&task).iter().map(|offer| offer.propose.tokens.len()).sum::<usize>(), 0);
    let single = handed_in(&note(false), &[offer("note", memory("notes/a"), json!({}))]);
    let Some(Proposal::One(propose)) = proposal(&single, &note(false), 3) else { panic!("a saga") };
    let own = intent_id(&single.mission, Some(&scope_of(&single)), None, &propose.effect, None, &[]);
    assert_eq!(single.effects[0].intent, own);
}

fn scope_of(task: &Task) -> ScopeId {
    task.id.scope(task.attempt)
}
