//! What proves that a task is done.

use selvedge_contracts::{
    call,
    fault::Code,
    payload::{
        artifact::Put,
        contract::ContractAdd,
        plan::{Check, ContractPin, PlanState},
        task::{Cause, Finding, TaskJudge, TaskState},
    },
    role::Role,
};
use selvedge_kit::client::Options;
use selvedge_tests::{
    artifacts,
    dispatcher::{plan, submit, submit_plan},
};
use serde_json::json;

use crate::scene::{Scene, refused};

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_breaks_its_contract_or_a_check_is_another_attempt_with_the_evidence() {
    let scene = Scene::start_with(2).await;
    let schema =
        json!({ "type": "object", "required": ["rows"], "properties": { "rows": { "type": "array" } } });
    let name: selvedge_contracts::id::ContractName = "test.rows".parse().unwrap();
    let add = ContractAdd { name: name.clone(), schema };
    scene.pia.client().call::<call::ContractAdd>(&add).await.unwrap();
    let mut wanted = plan("p", &[("a", &[])]);
    let pin = ContractPin { name, version: 1 };
    wanted.tasks[0].output_contract = Some(pin.clone());
    wanted.tasks[0].checks.push(Check::Rows { at: "/rows".to_owned(), min: 2, max: Some(2) });
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let tries = [json!({ "ok": true, "rows": 1 }), json!({ "ok": true, "rows": [1] })];
    for output in tries {
        let claimed = scene.ada.claim().await;
        let task = submit(scene.ada.client(), &claimed, output).await.unwrap().task;
        assert_eq!((task.state, task.past.last().unwrap().cause), (TaskState::Waiting, Cause::Rejected));
        assert!(!task.verdict.unwrap().passed);
    }
    let claimed = scene.ada.claim().await;
    let reasons: Vec<_> = claimed.task.past.iter().map(|past| past.reason.as_str()).collect();
    assert!(reasons[0].contains("satisfies test.rows/1") && reasons[1].contains("1 items"), "{reasons:?}");
    let task =
        submit(scene.ada.client(), &claimed, json!({ "ok": true, "rows": [1, 2] })).await.unwrap().task;
    let verdict = task.verdict.unwrap();
    assert_eq!(
        (task.state, verdict.findings.len(), verdict.by.as_str()),
        (TaskState::Validated, 3, "dispatcher")
    );
    scene.becomes(&found.plan.id, PlanState::Done).await;
    let unknown = ContractPin { version: 2, ..pin };
    let mut wrong = plan("q", &[("a", &[])]);
    wrong.tasks[0].output_contract = Some(unknown);
    refused(submit_plan(scene.pia.client(), &wrong).await, Code::Invalid, "no contract test.rows/2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_judged_by_a_verifier_and_never_by_whoever_made_it() {
    let scene = Scene::start().await;
    let vera = scene.member("vera", Role::Verifier, "person:olga").await;
    let mut wanted = plan("p", &[("a", &[]), ("b", &["a"])]);
    wanted.tasks[0].checks.push(Check::Command {
        run: vec!["make".to_owned()],
        timeout_ms: 1_000,
        memory_bytes: None,
    });
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let finding = |passed| Finding {
        check: "`make` ends with 0".to_owned(),
        passed,
        seen: if passed { "status 0" } else { "status 2" }.to_owned(),
    };
    let claimed = scene.ada.claim().await;
    let task = submit(scene.ada.client(), &claimed, json!({ "ok": true })).await.unwrap().task;
    assert_eq!(task.state, TaskState::Submitted);
    assert_eq!(selvedge_tests::dispatcher::claim(scene.ada.client()).await.unwrap(), None, "b waits for a");
    let judge = |attempt, findings| TaskJudge { task: task.id.clone(), attempt, findings };
    let by_worker = scene.ada.client().call::<call::TaskJudge>(&judge(1, vec![finding(true)])).await;
    refused(by_worker.map(|_| ()), Code::Denied, "may not publish");
    let none = vera.client().call::<call::TaskJudge>(&judge(1, vec![finding(true); 2])).await;
    refused(none.map(|_| ()), Code::Invalid, "one for each command");
    let rejected =
        vera.client().call::<call::TaskJudge>(&judge(1, vec![finding(false)])).await.unwrap().reply.task;
    assert_eq!(rejected.past[0].reason, "`make` ends with 0: status 2");
    let claimed = scene.ada.claim().await;
    submit(scene.ada.client(), &claimed, json!({ "ok": true })).await.unwrap();
    let stale = vera.client().call::<call::TaskJudge>(&judge(1, vec![finding(true)])).await;
    refused(stale.map(|_| ()), Code::Conflict, "attempt 1 does not wait");
    let passed =
        vera.client().call::<call::TaskJudge>(&judge(2, vec![finding(true)])).await.unwrap().reply.task;
    let verdict = passed.verdict.unwrap();
    assert_eq!((passed.state, verdict.by.as_str()), (TaskState::Validated, vera.agent.record.id.as_str()));
    assert_eq!(verdict.findings[1].seen, "status 0");
    assert_eq!(scene.ada.claim().await.spec.id.as_str(), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_to_content_counts_if_it_is_stored() {
    let scene = Scene::start().await;
    let store = artifacts::in_folder(&scene.fabric.bus);
    let _artifacts = artifacts::start(&scene.fabric.bus, &store, "a1").await;
    let mut wanted = plan("p", &[("a", &[])]);
    wanted.tasks[0].checks.push(Check::Artifact { at: "/file".to_owned(), digest: None });
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let claimed = scene.ada.claim().await;
    let missing = "0".repeat(64);
    let task =
        submit(scene.ada.client(), &claimed, json!({ "ok": true, "file": missing })).await.unwrap().task;
    assert!(task.past[0].reason.contains("is stored content"), "{:?}", task.past);
    let digest = artifacts::digest(b"hello");
    let put = Put { digest: digest.clone() };
    let options = Options::default();
    let stored = scene.ada.client().call_bytes::<call::ArtifactPut>(&put, "hello".into(), &options);
    stored.await.unwrap();
    let claimed = scene.ada.claim().await;
    let task =
        submit(scene.ada.client(), &claimed, json!({ "ok": true, "file": digest })).await.unwrap().task;
    assert_eq!(task.state, TaskState::Validated);
    assert!(task.verdict.unwrap().findings[1].seen.contains(digest.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_too_large_or_not_exact_is_refused_and_the_claim_stands() {
    let scene = Scene::start().await;
    submit_plan(scene.pia.client(), &plan("p", &[("a", &[])])).await.unwrap();
    let claimed = scene.ada.claim().await;
    let large = submit(scene.ada.client(), &claimed, json!({ "ok": "x".repeat(70_000) })).await;
    refused(large, Code::Invalid, "store it with artifacts.put");
    let inexact = submit(scene.ada.client(), &claimed, json!({ "ok": true, "n": u64::MAX })).await;
    assert_eq!(refused(inexact, Code::Invalid, "2^53").details[0].at, "/output/n");
    let task = submit(scene.ada.client(), &claimed, json!({ "ok": true })).await.unwrap().task;
    assert_eq!(task.state, TaskState::Validated);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_an_output_names_stays_as_long_as_the_output_holds() {
    let scene = Scene::start().await;
    let config = artifacts::in_folder(&scene.fabric.bus);
    let _artifacts =
        artifacts::start(&scene.fabric.bus, &selvedge_artifacts::Config { grace_ms: 1, ..config }, "a1")
            .await;
    let put = async |text: &'static str| {
        let stored =
            selvedge_kit::transfer::put_bytes(scene.ada.client(), text.as_bytes().to_vec().into()).await;
        stored.unwrap().digest
    };
    let mut wanted = plan("p", &[("a", &[]), ("b", &[])]);
    wanted.tasks[1].attempts = 1;
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let (kept, rejected) = (put("kept").await, put("rejected").await);
    let (one, other) = (scene.ada.claim().await, scene.ada.claim().await);
    submit(scene.ada.client(), &one, json!({ "ok": true, "file": kept })).await.unwrap();
    submit(scene.ada.client(), &other, json!({ "ok": false, "file": rejected })).await.unwrap();
    let mut removed = Vec::new();
    selvedge_tests::wait::until("what nobody names to be collected", async || {
        let gc = selvedge_contracts::payload::artifact::Gc { dry_run: false, after: None };
        let report = scene.fabric.operator.call::<call::ArtifactGc>(&gc).await.unwrap().reply;
        removed.extend(report.removed.into_iter().map(|removed| removed.digest));
        if removed.is_empty() { Err(report.kept) } else { Ok(()) }
    })
    .await;
    assert_eq!(removed, [rejected]);
}
