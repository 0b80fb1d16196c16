//! init and serve: a cluster of three servers that somebody else runs, one of which dies.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use selvedge_contracts::{
    call,
    payload::agent::{About, AgentList, Register},
    stream::{AUDIT, LEDGER},
};
use selvedge_kit::{
    client::{Client, Options as Asking},
    clock::Deadline,
    credential::Login,
    inspect,
};
use selvedge_tests::{Credential, wait::until};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    cluster::{NatsServer, server, spawn},
    process::{Process, connect, doctor_of_a_registry, run, text},
};

/// A cluster of three, each server with its own folder and copy of the file.
struct Cluster {
    folders: Vec<PathBuf>,
    servers: Vec<Option<NatsServer>>,
    urls: Vec<String>,
    lines: Vec<String>,
}

impl Cluster {
    async fn start(folder: &Path, auth: &Path) -> Self {
        let listeners: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let routes: Vec<_> =
            listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
        drop(listeners);
        let all = routes.iter().map(|route| format!("nats://{route}")).collect::<Vec<_>>().join(", ");
        let line =
            |route: &String| format!("cluster: {{ name: three, listen: \"{route}\", routes: [{all}] }}");
        let mut cluster =
            Self { folders: vec![], servers: vec![], urls: vec![], lines: routes.iter().map(line).collect() };
        for node in 0..3 {
            let folder = folder.join(format!("n{node}"));
            fs::create_dir_all(&folder).unwrap();
            fs::copy(auth, folder.join("nats-auth.conf")).unwrap();
            let (server, url) = server(&folder, &format!("n{node}"), &cluster.lines[node]).await;
            cluster.folders.push(folder);
            cluster.servers.push(Some(server));
            cluster.urls.push(url);
        }
        cluster
    }

    fn url(&self) -> String {
        self.urls.join(",")
    }

    fn kill9(&mut self, node: usize) {
        self.servers[node] = None;
    }

    fn restart(&mut self, node: usize) {
        let listen = self.urls[node].trim_start_matches("nats://");
        let server = spawn(&self.folders[node], &format!("n{node}"), listen, &self.lines[node]);
        self.servers[node] = Some(server);
    }
}

/// What the servers say of the ledger's leader and its followers.
async fn ledger(operator: &Client) -> Result<Value, String> {
    let info = format!("$JS.API.STREAM.INFO.{LEDGER}");
    let answer = operator.bus().request(&info, Default::default(), "".into(), Deadline::in_ms(2_000)).await;
    let info: Value = serde_json::from_slice(&answer.map_err(|error| error.to_string())?.payload).unwrap();
    Ok(info["cluster"].clone())
}

/// The server that leads the ledger.
async fn leader(operator: &Client) -> usize {
    until("the ledger to have a leader", async || {
        let cluster = ledger(operator).await?;
        let leader = cluster["leader"].as_str().and_then(|name| name.strip_prefix('n')?.parse().ok());
        leader.ok_or_else(|| cluster.to_string())
    })
    .await
}

/// Every file below the folder, by its path in it.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path()).iter().map(|below| format!("{name}/{below}"))),
            false => found.push(name),
        }
    }
    found.sort();
    found
}

/// Puts into a folder what a machine needs that only serves the registry: its credential and the signers.
fn copy_for_registry(provisioned: &Value, home: &Path) {
    let (creds, signers) = (home.join("creds/main"), home.join("authority/klusters/main/registry"));
    fs::create_dir_all(&creds).unwrap();
    fs::create_dir_all(&signers).unwrap();
    let from = Path::new(provisioned["service_creds"][0].as_str().unwrap());
    fs::copy(from, creds.join(from.file_name().unwrap())).unwrap();
    for entry in fs::read_dir(provisioned["signers"].as_str().unwrap()).unwrap().flatten() {
        fs::copy(entry.path(), signers.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_makes_a_fabric_of_three_servers_that_survives_its_leader() {
    let folder = TempDir::with_prefix("selvedge-").unwrap();
    let (home, out) = (folder.path().join("home"), folder.path().join("out"));
    let prepared = run(&home, &["init", "--replicas", "3", "--out", &out.to_string_lossy()]);
    assert!(prepared.status.success(), "{}", text(&prepared.stderr));
    let mut cluster = Cluster::start(folder.path(), &out.join("nats-auth.conf")).await;
    let url = cluster.url();
    let provision = ["init", "--provision", "--replicas", "3", "--url", &url, "--output", "json"];
    let provisioned = run(&home, &provision);
    assert!(provisioned.status.success(), "{}", text(&provisioned.stderr));
    let provisioned: Value = serde_json::from_slice(&provisioned.stdout).unwrap();
    let main = &provisioned["klusters"][0];
    let knowing: BTreeSet<_> = main["servers"].as_array().unwrap().iter().map(Value::to_string).collect();
    assert_eq!(knowing.len(), 3, "every server took the account: {knowing:?}");

    // Two machines that serve, each with no more than that takes.
    let mut serving = Vec::new();
    for machine in ["a", "b"] {
        let there = folder.path().join(machine);
        copy_for_registry(main, &there);
        let held = files(&there);
        assert!(
            held.iter().all(|file| !file.contains("operator") && !file.contains("account.nk")),
            "{held:?}"
        );
        let log = folder.path().join(format!("{machine}.err"));
        serving.push(Process::start(&there, &log, &["serve", "registry", "--url", &url]));
    }
    let operator = connect(&url, Login::File(home.join("creds/main/operator.creds"))).await;
    for stream in [LEDGER, AUDIT] {
        let stream = inspect::stream(operator.bus(), stream, Deadline::in_ms(5_000)).await.unwrap();
        assert_eq!(stream.replicas, 3, "{stream:?}");
    }
    let mission = run(&home, &["mission", "create", "demo"]);
    assert!(mission.status.success(), "{}", text(&mission.stderr));
    let register = ["agent", "register", "ada", "--role", "worker", "--mission", "demo", "-o", "json"];
    let made = run(&home, &register);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let credential = Credential::read(Path::new(made["creds"].as_str().unwrap())).unwrap();
    let ada = connect(&url, Login::held(credential)).await;

    let long = Asking { timeout_ms: Some(30_000), ..Asking::default() };
    let write = async |model: &str| {
        let about = Register { about: About { model: Some(model.to_owned()), ..About::default() } };
        ada.call_with::<call::Register>(&about, &long).await.map(|answered| answered.as_of)
    };
    let mut last = write("before").await.unwrap();
    for round in 0..2 {
        let node = leader(&operator).await;
        cluster.kill9(node);
        for n in 0..5 {
            let written = write(&format!("{round} {n} without n{node}")).await.unwrap();
            assert!(written > last, "{written} after {last}");
            last = written;
        }
        cluster.restart(node);
        // The next one to be killed may only be missed when this one is back.
        until("all three to hold the ledger", async || {
            let cluster = ledger(&operator).await?;
            let others = cluster["replicas"].as_array().cloned().unwrap_or_default();
            let current = others.iter().filter(|other| other["current"] == true).count();
            if current == 2 { Ok(()) } else { Err(cluster.to_string()) }
        })
        .await;
    }
    let at_least = Asking { at_least: last, ..long.clone() };
    let listed = ada.call_with::<call::AgentList>(&AgentList::default(), &at_least).await.unwrap().reply;
    let of_ada = listed.agents.iter().find(|agent| agent.name.as_str() == "ada").unwrap();
    assert!(of_ada.about.model.as_ref().unwrap().starts_with("1 4 without"), "{of_ada:?}");
    let doctor = doctor_of_a_registry(&home);
    assert!(doctor.contains("copies of the ledger     3") || doctor.contains("3\n"), "{doctor}");
    for serve in &mut serving {
        serve.signal(Signal::TERM);
        assert_eq!(serve.ended().await.code(), Some(0), "{}", serve.errors());
    }
}
