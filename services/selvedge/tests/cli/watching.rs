//! What runs on: the tap and the keeper.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use selvedge_tests::{fabric::Fabric, wait};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout},
};

use crate::machine::{Machine, ran};

fn interrupt(child: &Child) {
    kill(Pid::from_raw(child.id().unwrap().cast_signed()), Signal::SIGINT).unwrap();
}

async fn json_line(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = tokio::time::timeout(wait::PATIENCE, lines.next_line()).await.expect("a line in time");
    serde_json::from_str(&line.unwrap().expect("a line")).unwrap()
}

fn spawn(machine: &Machine, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = machine.command(arguments).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tap_shows_requests_and_the_facts_that_come_of_them() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let (mut tap, mut lines) = spawn(&machine, &["tap", "--facts", "--requests", "-o", "jsonl"]);
    // Nobody says when the subscriptions stand, so missions are made until one is seen.
    let mut count = 0;
    let mut seen = Vec::new();
    while !seen.iter().any(|seen: &Value| seen["envelope"]["kind"] == "mission.created/1") {
        count += 1;
        assert!(count < 100, "nothing seen: {seen:?}");
        fabric.mission(&format!("m{count}")).await;
        while let Ok(Ok(Some(line))) =
            tokio::time::timeout(std::time::Duration::from_millis(50), lines.next_line()).await
        {
            seen.push(serde_json::from_str(&line).unwrap());
        }
    }
    let fact = seen.iter().find(|seen| seen["seen"] == "fact").unwrap();
    assert!(fact["revision"].as_u64().unwrap() > 0);
    assert_eq!(fact["envelope"]["payload"]["state"]["title"], "");
    interrupt(&tap);
    assert!(tap.wait().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_renews_survives_the_loss_of_its_session_and_ends_it_at_the_end() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let made = machine.worker("ada").await;
    let creds = made["creds"].as_str().unwrap();
    let keep = ["agent", "creds", "ada", "--keep", "--ttl", "10s", "--presence", "2s", "-o", "jsonl"];
    let (mut keeper, mut lines) = spawn(&machine, &keep);
    let first = json_line(&mut lines).await;
    let before = std::fs::read_to_string(creds).unwrap();
    wait::until("the credential to be renewed", async || {
        let now = std::fs::read_to_string(creds).unwrap();
        if now == before { Err("the same credential") } else { Ok(()) }
    })
    .await;
    let whoami = machine.run(&["call", "registry.whoami", "--as", "ada"]).await.json();
    assert_eq!(whoami["scope"], first["session"]["id"], "renewed, not replaced");

    machine.run(&["session", "end", first["session"]["id"].as_str().unwrap()]).await.ok();
    let second = json_line(&mut lines).await;
    assert_ne!(second["session"]["id"], first["session"]["id"]);
    machine.run(&["call", "registry.whoami", "--as", "ada"]).await.ok();

    interrupt(&keeper);
    assert!(keeper.wait().await.unwrap().success());
    // Not by a command: that one would start another session once the credential has ended by itself.
    let mut whoami = machine.command(&["call", "registry.whoami"]);
    let denied = ran(whoami.env("SELVEDGE_CREDS", creds).output().await.unwrap());
    assert_eq!(denied.code, 5, "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_outlives_the_server_it_is_connected_to() {
    let mut fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    machine.worker("ada").await;
    let keep = ["agent", "creds", "ada", "--keep", "--presence", "3s", "-o", "jsonl"];
    let (mut keeper, mut lines) = spawn(&machine, &keep);
    json_line(&mut lines).await;
    fabric.bus.kill9_server(0);
    fabric.bus.restart_server(0).await;
    wait::until("the session to work again", async || {
        let ran = machine.run(&["call", "registry.heartbeat", "--as", "ada"]).await;
        if ran.code == 0 { Ok(()) } else { Err(ran) }
    })
    .await;
    assert!(keeper.try_wait().unwrap().is_none(), "the keeper runs on");
    interrupt(&keeper);
    assert!(keeper.wait().await.unwrap().success());
    let denied = machine.run(&["call", "registry.whoami", "--as", "ada"]).await;
    assert_eq!(denied.code, 5, "it ended the session: {denied:?}");
}
