//! serve and init: against a nats-server that somebody else runs.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::Signal;
use selvedge_contracts::{call, payload::Nothing, role::Service};
use selvedge_kit::{clock::Deadline, credential::Login, inspect};
use selvedge_tests::{fabric::Fabric, nats_server_binary, wait::until};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, connect, doctor_of_a_registry, run, text};

#[tokio::test(flavor = "multi_thread")]
async fn serve_is_one_more_replica_and_can_be_the_only_one() {
    let mut fabric = Fabric::start().await;
    let folder = TempDir::with_prefix("selvedge-").unwrap();
    let creds = folder.path().join("registry.creds");
    fabric.bus.service_credential(Service::Registry, "shared").write(&creds).unwrap();
    let signers = fabric.bus.kluster().registry_folder();
    let (url, creds, signers) = (fabric.bus.url(), creds.to_string_lossy(), signers.to_string_lossy());
    let arguments = ["serve", "registry", "--url", &url, "--creds", &creds, "--signers", &signers];
    let mut serve = Process::start(&folder.path().join("home"), &folder.path().join("serve.err"), &arguments);
    let deadline = || Deadline::in_ms(2_000);
    let instances = inspect::instances(fabric.operator.bus(), deadline()).await.unwrap();
    assert_eq!(instances.len(), 2, "{instances:?}");
    assert_ne!(instances[0].id, instances[1].id);

    fabric.registry.take().unwrap().drain().await;
    fabric.operator.call::<call::Whoami>(&Nothing {}).await.expect("the other one answers");
    serve.signal(Signal::TERM);
    assert_eq!(serve.ended().await.code(), Some(0), "{}", serve.errors());
    assert_eq!(inspect::instances(fabric.operator.bus(), deadline()).await.unwrap(), []);
}

#[test]
fn serve_without_a_credential_says_where_it_belongs() {
    let folder = TempDir::with_prefix("selvedge-").unwrap();
    let refused = run(folder.path(), &["serve", "registry", "--url", "nats://127.0.0.1:1"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("creds/main/registry.creds") && said.contains("init --provision"), "{said}");
}

/// A nats-server that dies with this value.
pub(crate) struct NatsServer(Child);

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

/// A nats-server as its operators would run it, with the file that `init` made, and more `lines` in its
/// configuration.
pub(crate) async fn server(folder: &Path, name: &str, lines: &str) -> (NatsServer, String) {
    let child = spawn(folder, name, "127.0.0.1:-1", lines);
    let url = until("the server to listen", async || {
        let file = fs::read_dir(folder.join("ports")).unwrap().flatten().next().ok_or("no ports file")?;
        let ports: Value = serde_json::from_slice(&fs::read(file.path()).map_err(|_| "unreadable")?)
            .map_err(|_| "half a file")?;
        ports["nats"][0].as_str().map(str::to_owned).ok_or("no port")
    })
    .await;
    (child, url)
}

/// The same, without waiting for it, and where it is to listen.
pub(crate) fn spawn(folder: &Path, name: &str, listen: &str, lines: &str) -> NatsServer {
    let ports = folder.join("ports");
    fs::create_dir_all(&ports).unwrap();
    let config = format!(
        "include \"nats-auth.conf\"\nlisten: \"{listen}\"\nserver_name: {name}\nports_file_dir: \"{}\"\njetstream: {{ store_dir: \"{}\" }}\n{lines}\n",
        ports.display(),
        folder.join("store").display()
    );
    fs::write(folder.join("server.conf"), config).unwrap();
    let log = fs::File::options().create(true).append(true).open(folder.join("server.log")).unwrap();
    let mut command = Command::new(nats_server_binary());
    command.args(["--config", "server.conf"]).current_dir(folder).stdout(Stdio::null()).stderr(log);
    NatsServer(command.spawn().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn init_makes_a_fabric_of_somebody_elses_server_in_two_steps() {
    let folder = TempDir::with_prefix("selvedge-").unwrap();
    let (home, out) = (folder.path().join("home"), folder.path().join("servers"));
    for _ in 0..2 {
        let prepared = run(&home, &["init", "--replicas", "1", "--out", &out.to_string_lossy()]);
        assert!(prepared.status.success(), "{}", text(&prepared.stderr));
        assert!(text(&prepared.stdout).contains("init --provision"));
    }
    // Not just "SO", which any token may hold by chance.
    let told = fs::read_to_string(out.join("nats-auth.conf")).unwrap();
    let is_seed = |word: &str| word.len() == 58 && word.starts_with('S');
    let seeds = told.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| is_seed(word)).count();
    assert_eq!(seeds, 0, "no seed in it");
    let (_server, url) = server(&out, "one", "").await;
    for _ in 0..2 {
        let provisioned = run(&home, &["init", "--provision", "--replicas", "1", "--url", &url]);
        assert!(provisioned.status.success(), "{}", text(&provisioned.stderr));
    }
    // From now on the folder knows where its cluster is.
    let _serve = Process::start(&home, &folder.path().join("serve.err"), &["serve", "registry"]);
    let doctor = doctor_of_a_registry(&home);
    assert!(doctor.contains("WARN  durability"), "it is not known of a foreign server");
    let operator = connect(&url, Login::File(home.join("creds/main/operator.creds"))).await;
    let whoami = operator.call::<call::Whoami>(&Nothing {}).await.unwrap().reply;
    assert_eq!(whoami.owner.unwrap().as_str(), "person:olga");
}
