//! Many connected agents that do nothing: how soon they are heard, and what the services hold for each.

use std::process::Stdio;

use selvedge_contracts::{
    call,
    id::{InviteId, Mission, Owner},
    payload::invite::InviteCreate,
    role::Role,
};
use selvedge_tests::{Options, artifacts, governance, overlap};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::{
    Scene,
    crowd::{Crowd, Seen},
};
use crate::report::{Series, ratio, resident_bytes};

/// How long an invite is good for, in milliseconds: until all have joined.
const INVITE_MS: u64 = 3_600_000;
/// Least time for which they are listened to, in seconds.
const LEAST_SECONDS: f64 = 20.0;

pub(crate) async fn measure(agents: usize, seconds: f64) {
    let scene = Scene::start(Options::LAZY).await;
    let bus = &scene.fabric.bus;
    let _others = [
        scene.fabric.leases_replica("l1").await,
        artifacts::start(bus, &artifacts::in_folder(bus), "a1").await,
        governance::start(bus, "g1").await,
        overlap::replica(bus, "o1").await,
    ];
    let mut invites = Vec::with_capacity(agents);
    for index in 0..agents {
        invites.push(invite(&scene, index).await);
    }
    let seconds = seconds.max(LEAST_SECONDS);
    let crowd = Crowd { url: bus.url(), account: bus.kluster().account(), invites, seconds };
    let file = tempfile::NamedTempFile::new().expect("a file");
    serde_json::to_writer(file.as_file(), &crowd).expect("written");
    drop(crowd);
    let before = resident_bytes();
    let mut child = Command::new(std::env::current_exe().expect("our own path"))
        .arg("--crowd")
        .arg(file.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("a crowd");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut echoes = Series::default();
    let line = loop {
        tokio::select! {
            line = lines.next_line() => break line.expect("its output").expect("what it saw"),
            echo = scene.echo(1, 1.0) => echoes.push(echo),
        }
    };
    let held = resident_bytes().saturating_sub(before) as f64 / agents as f64;
    let seen: Seen = serde_json::from_str(&line).expect("what it saw");
    println!(
        "\n### dispatch agents, {agents} of them connected\n\n- joined, with a session each, in {:.1} s\n\
         - {} heartbeats in {seconds:.0} s: p50 {:.0} µs; raw request-reply beside them p50 {:.0}, p99 {:.0} µs",
        seen.joined_in_s,
        seen.beats,
        seen.p50_us,
        echoes.p50_us(),
        echoes.median(|sample| sample.percentile_us(0.99)),
    );
    ratio("presence p99 in ms", seen.p99_us / 1e3, "<= 50");
    ratio("KB of memory for each idle agent, in six services together", held / 1e3, "<= 20");
    drop(child.stdin.take());
    child.wait().await.expect("it ended");
}

async fn invite(scene: &Scene, index: usize) -> (String, String) {
    let id = InviteId::new(&format!("invite_{index:016x}")).expect("an id");
    let create = InviteCreate {
        id: id.clone(),
        mission: Mission::new("demo").expect("a mission"),
        role: Role::Worker,
        owner: Owner::new("person:olga").expect("an owner"),
        ttl_ms: INVITE_MS,
    };
    scene.fabric.operator.call::<call::InviteCreate>(&create).await.expect("an invite");
    let credential = scene.fabric.bus.credential(Role::Join, "demo", id.as_str(), id.as_str());
    (credential.jwt, credential.seed)
}
