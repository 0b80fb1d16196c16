//! Starting, refusing to start, stopping.

use std::{collections::BTreeSet, net::TcpListener, path::Path};

use rustix::process::Signal;
use selvedge_contracts::{
    call,
    payload::{Nothing, mission::MissionList},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Up, gone, run, text};

#[tokio::test(flavor = "multi_thread")]
async fn up_is_ready_when_it_says_so() {
    let up = Up::start();
    let ready = &up.process.ready;
    assert_eq!(ready["ready"], true);
    assert_eq!(ready["klusters"], serde_json::json!(["main"]));
    assert_eq!(
        ready["services"],
        serde_json::json!([
            "registry",
            "leases",
            "artifacts",
            "overlap",
            "governance",
            "committer",
            "dispatcher"
        ])
    );
    let operator = up.operator("main").await;
    let whoami = operator.call::<call::Whoami>(&Nothing {}).await.unwrap().reply;
    assert_eq!(whoami.owner.unwrap().as_str(), "person:olga");
    let missions = operator.call::<call::MissionList>(&MissionList::default()).await.unwrap().reply.missions;
    assert_eq!(missions.iter().map(|mission| mission.id.as_str()).collect::<Vec<_>>(), ["demo"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn missions_that_are_named_are_there() {
    let up = Up::start_with(&["--mission", "auth", "--mission", "billing"]);
    let missions = up
        .operator("main")
        .await
        .call::<call::MissionList>(&MissionList::default())
        .await
        .unwrap()
        .reply
        .missions;
    assert_eq!(missions.iter().map(|mission| mission.id.as_str()).collect::<Vec<_>>(), ["auth", "billing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_up_is_refused_and_told_of_the_first() {
    let up = Up::start();
    let refused = up.run(&["up", "--port", "0"]);
    assert_eq!(refused.status.code(), Some(4));
    let said = text(&refused.stderr);
    assert!(said.contains(&format!("process {}", up.process.pid())) && said.contains(&up.url()), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_and_leaves_nothing_behind() {
    let mut up = Up::start();
    let nats_pid = up.nats_pid();
    up.process.signal(Signal::TERM);
    assert_eq!(up.process.ended().await.code(), Some(0), "{}", up.process.errors());
    gone(nats_pid).await;
    assert!(!up.home().join("up.json").exists());
    let errors = up.process.errors();
    assert!(errors.contains("stopped") && !errors.contains("calls in flight"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_nothing_wrong_with_a_fresh_up() {
    let up = Up::start();
    let doctor = up.run(&["doctor", "--output", "json"]);
    let report: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert_eq!(report["worst"], "ok", "{report:#}");
    assert_eq!(doctor.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_fails_where_a_service_does_not_answer() {
    let up = Up::start_with(&["--without", "committer"]);
    let doctor = up.run(&["doctor"]);
    let said = text(&doctor.stdout);
    assert_eq!(doctor.status.code(), Some(1), "{said}");
    for wanted in ["FAIL  main: services", "nobody answers for committer", "`selvedge serve committer`"] {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_fails_where_a_secret_is_readable_and_nothing_runs() {
    let mut up = Up::start();
    up.process.signal(Signal::TERM);
    up.process.ended().await;
    let key = up.home().join("authority/keys/operator.nk");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let doctor = up.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(1));
    let said = text(&doctor.stdout);
    for wanted in ["operator.nk", "chmod", "durability", "UNKNOWN", "selvedge up"] {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_counts_what_there_is() {
    let up = Up::start();
    let status = up.run(&["status", "--output", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let main = &status["klusters"][0];
    let services = main["services"].as_array().unwrap();
    let names: BTreeSet<_> = services.iter().map(|service| service["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        BTreeSet::from([
            "artifacts",
            "committer",
            "dispatcher",
            "governance",
            "leases",
            "overlap",
            "registry"
        ]),
        "{status:#}"
    );
    assert_eq!(main["counts"], serde_json::json!({"missions": 1, "agents": 1, "open_sessions": 1}));
    assert_eq!(main["streams"][0]["name"], "LEDGER");
    assert_eq!(main["streams"][0]["last_revision"], 4, "agent, key, session, mission");
}

#[test]
fn a_taken_port_is_named_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = TempDir::with_prefix("selvedge-").unwrap();
    let refused = run(&folder.path().join("home"), &["up", "--port", &port]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(said.contains(&format!("port {port}")) && said.contains("--port 0"), "{said}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named_with_the_way_out() {
    let refused = run(Path::new("/dev/null/fabric"), &["up", "--port", "0"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("/dev/null/fabric") && said.contains("--home"), "{said}");
}
