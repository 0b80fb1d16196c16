//! kill -9, and what goes on after it.

use futures::future::join_all;
use selvedge_contracts::{
    call,
    payload::plan::{PlanEnd, PlanResume, PlanState},
    role::Service,
};
use selvedge_kit::client;
use selvedge_tests::{
    Options,
    dispatcher::{self, claim, plan, show_plan, submit, submit_plan, work},
    replica::Replica,
    wait,
};
use serde_json::json;

use crate::{REPLICA, scene::Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_goes_on_after_each_kill_and_what_was_validated_never_runs_again() {
    let scene = Scene::start_with(0).await;
    let url = scene.fabric.bus.url();
    let start =
        |name: String| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, &name);
    let mut replica = start("k0".to_owned());
    let wanted = plan("chain", &[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["c"]), ("e", &["c"])]);
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let mut done = Vec::new();
    for index in 1..=4 {
        // Killed while somebody has a task: the claim stands, and what is handed in afterwards counts.
        let claimed = scene.ada.claim().await;
        replica.kill9();
        replica = start(format!("k{index}"));
        submit(scene.ada.client(), &claimed, json!({ "ok": true })).await.unwrap();
        done.push(claimed.spec.id.to_string());
        replica.kill9();
        replica = start(format!("l{index}"));
    }
    done.extend(work(scene.ada.client()).await);
    done.sort();
    assert_eq!(done, ["a", "b", "c", "d", "e"]);
    scene.becomes(&found.plan.id, PlanState::Done).await;
    assert_eq!((scene.count("task.*.claimed").await, scene.count("task.*.validated").await), (5, 5));
    assert_eq!(claim(scene.ada.client()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_and_the_service_are_killed_together_and_the_plan_goes_on() {
    let mut scene = Scene::start_on(Options::DURABLE, 0).await;
    let url = scene.fabric.bus.url();
    let mut replica = Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, "before");
    let wanted = plan("chain", &[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    for round in 0..2 {
        let held = scene.ada.claim().await;
        replica.kill9();
        scene.fabric.bus.kill9_server(0);
        scene.fabric.bus.restart_server(0).await;
        let name = format!("after{round}");
        replica = Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, &name);
        wait::until("what was claimed before to be taken", async || {
            submit(scene.ada.client(), &held, json!({ "ok": true })).await
        })
        .await;
    }
    assert_eq!(work(scene.ada.client()).await, ["c"]);
    scene.becomes(&found.plan.id, PlanState::Done).await;
    assert_eq!((scene.count("task.*.claimed").await, scene.count("task.*.validated").await), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_replicas_is_killed_and_the_other_goes_on() {
    let scene = Scene::start_with(1).await;
    let url = scene.fabric.bus.url();
    let doomed = Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, "doomed");
    let names: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let found = submit_plan(scene.pia.client(), &plan("wide", &tasks)).await.unwrap();
    let first = scene.ada.claim().await;
    let killing = async { doomed.kill9() };
    let handing_in = submit(scene.ada.client(), &first, json!({ "ok": true }));
    let (handed_in, ()) = tokio::join!(handing_in, killing);
    handed_in.unwrap();
    work(scene.ada.client()).await;
    scene.becomes(&found.plan.id, PlanState::Done).await;
    assert_eq!(scene.count("task.*.validated").await, 40);
}

/// Facts of several pages, each sort of end among them: whoever starts now knows what the one that heard all of it
/// knows.
#[tokio::test(flavor = "multi_thread")]
async fn who_starts_over_a_long_history_knows_what_those_know_who_heard_it() {
    let mut scene = Scene::start_with(1).await;
    let names: Vec<String> = (0..900).map(|n| format!("t{n}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let wide = submit_plan(scene.pia.client(), &plan("wide", &tasks)).await.unwrap();
    join_all((0..16).map(|_| work(scene.ada.client()))).await;
    scene.becomes(&wide.plan.id, PlanState::Done).await;
    let chain = plan("open", &[("a", &[]), ("b", &["a"]), ("c", &["a"])]);
    let open = submit_plan(scene.pia.client(), &chain).await.unwrap();
    let done = scene.ada.claim().await;
    submit(scene.ada.client(), &done, json!({ "ok": true })).await.unwrap();
    let held = scene.ada.claim().await;
    assert_eq!(scene.count("task.*.claimed").await, 902);
    let known = async |scene: &Scene| {
        let show = async |id| show_plan(scene.pia.client(), id).await;
        (show(&wide.plan.id).await, show(&open.plan.id).await)
    };
    let before = known(&scene).await;
    let old = scene.replicas.remove(0);
    old.drain().await;
    scene.replicas.push(dispatcher::start(&scene.fabric.bus, "later").await);
    assert_eq!(known(&scene).await, before);
    submit(scene.ada.client(), &held, json!({ "ok": true })).await.unwrap();
    assert_eq!(work(scene.ada.client()).await.len(), 1, "of b and c, the one that nobody had");
    scene.becomes(&open.plan.id, PlanState::Done).await;
    assert_eq!((scene.count("task.*.claimed").await, scene.count("task.*.validated").await), (903, 903));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_answered_long_before_the_start_is_known_though_others_came_after_it() {
    let mut scene = Scene::start_with(1).await;
    let found = submit_plan(scene.pia.client(), &plan("p", &[("a", &[])])).await.unwrap();
    let pause = PlanEnd { plan: found.plan.id.clone(), reason: "not now".to_owned() };
    let key =
        |key: &str| client::Options { idempotency_key: Some(key.to_owned()), ..client::Options::default() };
    let paused =
        async |scene: &Scene| scene.pia.client().call_with::<call::PlanPause>(&pause, &key("one")).await;
    paused(&scene).await.unwrap();
    let resume = PlanResume { plan: found.plan.id.clone() };
    scene.pia.client().call_with::<call::PlanResume>(&resume, &key("two")).await.unwrap();
    let old = scene.replicas.remove(0);
    old.drain().await;
    scene.replicas.push(dispatcher::start(&scene.fabric.bus, "later").await);
    paused(&scene).await.unwrap();
    assert_eq!(show_plan(scene.pia.client(), &found.plan.id).await.plan.state, PlanState::Running);
    assert_eq!(scene.count("plan.*.paused").await, 1);
}
