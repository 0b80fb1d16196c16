//! Who is asked about a case, and what happens if nobody decides, whoever dies meanwhile.

use selvedge_contracts::{
    call,
    id::CaseId,
    payload::{
        case::{Case, CaseNext, CaseState, Choice, Decided},
        plan::PlanState,
    },
    role::{Role, Service},
};
use selvedge_tests::{
    dispatcher::{show_plan, submit_plan, work},
    raw::facts,
    replica::Replica,
    wait,
};
use serde_json::{Value, json};

use crate::{
    REPLICA,
    cases::{becomes, decide, disputed, fails, judy, the_case},
    scene::Scene,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_arbitrator_that_waits_is_asked_at_once_also_by_way_of_another_replica() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    let next = |except: Vec<CaseId>| CaseNext { queue: None, wait_ms: Some(4_000), except };
    let mut seen = Vec::new();
    for round in 0..4 {
        let wanted = disputed(&format!("p{round}"), json!({}));
        let failing = async {
            submit_plan(scene.pia.client(), &wanted).await.unwrap();
            fails(&scene, json!({ "ok": false })).await;
        };
        let asking = next(seen.clone());
        let asks = wait::until("a case", async || {
            judy.client().call::<call::CaseNext>(&asking).await.unwrap().reply.found.ok_or("none")
        });
        let (found, ()) = tokio::join!(asks, failing);
        assert!(!seen.contains(&found.case.id));
        seen.push(found.case.id);
    }
    let none = CaseNext { queue: Some("law".parse().unwrap()), wait_ms: None, except: Vec::new() };
    assert_eq!(judy.client().call::<call::CaseNext>(&none).await.unwrap().reply.found, None);
    let oldest = CaseNext { queue: None, wait_ms: None, except: Vec::new() };
    let oldest = judy.client().call::<call::CaseNext>(&oldest).await.unwrap().reply.found.unwrap();
    assert_eq!(oldest.case.id, seen[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_and_the_other_replica_escalates_once_then_aborts_once() {
    let mut scene = Scene::start_with(0).await;
    let url = scene.fabric.bus.url();
    let start =
        |name: &str| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, name);
    let (doomed, _other) = (start("k0"), start("k1"));
    let judy = judy(&scene).await;
    let path = json!({ "escalate": [{ "to": "approver", "after_ms": 1_500 }], "abort_after_ms": 1_000, "on_abort": "cancel" });
    let found = submit_plan(scene.pia.client(), &disputed("p", path)).await.unwrap();
    fails(&scene, json!({ "ok": false })).await;
    let case = the_case(judy.client()).await;
    assert_eq!((case.state, case.due_at_ms()), (CaseState::Open, Some(case.opened_at_ms + 1_500)));
    doomed.kill9();
    let aborted = becomes(judy.client(), &case.id, CaseState::Decided).await;
    let fact = facts(&scene.ledger, "demo.case.*.escalated").await.remove(0);
    let payload: Value = serde_json::from_slice(&fact.envelope.payload).unwrap();
    assert_eq!(payload["change"]["by"], json!("dispatcher"));
    let escalated: Case = serde_json::from_value(payload["state"].clone()).unwrap();
    assert!(escalated.asks().0 == Role::Approver && escalated.step_at_ms >= case.opened_at_ms + 1_500);
    let decision = aborted.decision.unwrap();
    assert_eq!((decision.by.as_str(), decision.what), ("dispatcher", Decided::Abort));
    let ended = scene.becomes(&found.plan.id, PlanState::Cancelled).await;
    assert!(ended.plan.reason.unwrap().contains("a was aborted"));
    assert_eq!((scene.count("case.*.escalated").await, scene.count("case.*.decided").await), (1, 1));
    scene.replicas.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_found_again_after_all_replicas_were_killed() {
    let scene = Scene::start_with(0).await;
    let url = scene.fabric.bus.url();
    let start =
        |name: &str| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, name);
    let replica = start("k0");
    let judy = judy(&scene).await;
    let path = json!({ "escalate": [{ "to": "approver", "after_ms": 1_000 }] });
    let found = submit_plan(scene.pia.client(), &disputed("p", path)).await.unwrap();
    fails(&scene, json!({ "ok": false })).await;
    let case = the_case(judy.client()).await;
    replica.kill9();
    let _replica = start("k1");
    becomes(judy.client(), &case.id, CaseState::Escalated).await;
    assert_eq!(scene.count("case.*.escalated").await, 1);
    let shown = show_plan(scene.pia.client(), &found.plan.id).await;
    assert_eq!((shown.plan.state, shown.cases.len()), (PlanState::Running, 1), "it stays open, visibly");
    let olga = scene.member("olga", Role::Approver, "person:paul").await;
    decide(&olga, &case.id, Choice::Retry { note: None }).await.unwrap();
    assert_eq!(work(scene.ada.client()).await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_nobody_buried_before_the_crash_is_a_case_after_it() {
    let scene = Scene::start_with(0).await;
    let url = scene.fabric.bus.url();
    let start =
        |name: &str| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, name);
    let judy = judy(&scene).await;
    for round in 0..3 {
        let replica = start(&format!("k{round}"));
        let mut wanted = disputed(&format!("p{round}"), json!({}));
        wanted.arbitration = None;
        submit_plan(scene.pia.client(), &wanted).await.unwrap();
        fails(&scene, json!({ "ok": false })).await;
        replica.kill9(); // somewhere between the failure, the letter, the case and the plan's end
        let _replica = start(&format!("l{round}"));
        let case = the_case(judy.client()).await;
        decide(&judy, &case.id, Choice::Abort).await.unwrap();
    }
    assert_eq!((scene.count("case.*.opened").await, scene.count("dead.*.buried").await), (3, 3));
}
