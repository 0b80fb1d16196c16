//! nats-server as a child: ready, watched, stopped, and never an orphan.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops, and says where"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use selvedge::nats_child::{self, Error, NatsChild, SUBCOMMAND, Setup, What};
use selvedge_kit::authority::{
    Keyring,
    server_config::{Listen, ServerConfig, Sync},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);

struct Fixture {
    folder: TempDir,
    keyring: Keyring,
    setup: Setup,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::open_or_create(&folder.path().join("authority"), 1_000).unwrap();
    let config = ServerConfig {
        name: "n0".to_owned(),
        listen: Listen::AnyPort,
        monitoring: None,
        folder: folder.path().join("nats"),
        sync: Sync::EveryMs(120_000),
        max_store_bytes: None,
        cluster: None,
    };
    let binary = nats_child::find().unwrap().path;
    let setup = Setup { binary, launcher: env!("CARGO_BIN_EXE_selvedge").into(), config };
    Fixture { folder, keyring, setup }
}

fn address(url: &str) -> &str {
    url.trim_start_matches("nats://")
}

/// Whether the process runs; one that ended and waits to be reaped does not.
fn runs(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !matches!(state.rsplit(") ").next().and_then(|rest| rest.chars().next()), None | Some('Z'))
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_child_is_ready_when_it_is_started_and_gone_when_it_is_stopped() {
    let Fixture { keyring, setup, .. } = &fixture();
    let (child, _denied) = NatsChild::start(setup, keyring).await.unwrap();
    let pid = child.pid();
    TcpStream::connect(address(child.url())).unwrap();
    child.stop().await;
    assert!(!runs(pid));
    assert!(!setup.config.folder.join("nats.pid").exists());
}

#[tokio::test]
async fn a_child_that_is_killed_is_seen_to_end() {
    let Fixture { keyring, setup, .. } = &fixture();
    let (mut child, _denied) = NatsChild::start(setup, keyring).await.unwrap();
    kill9(child.pid());
    let status = tokio::time::timeout(PATIENCE, child.ended()).await.unwrap().unwrap();
    assert!(!status.success(), "{status}");
    let (again, _denied) = NatsChild::start(setup, keyring).await.unwrap();
    assert_ne!(again.pid(), child.pid());
}

fn kill9(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_child_that_cannot_listen_says_why() {
    let mut fixture = fixture();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    fixture.setup.config.listen = Listen::At(taken.local_addr().unwrap());
    let error = NatsChild::start(&fixture.setup, &fixture.keyring).await.unwrap_err();
    assert!(matches!(&error, Error::Ended { log, .. } if log.contains("address already in use")), "{error}");
}

#[tokio::test]
async fn a_refused_client_is_told_of() {
    let Fixture { keyring, setup, .. } = &fixture();
    let (child, mut denied) = NatsChild::start(setup, keyring).await.unwrap();
    let mut client = TcpStream::connect(address(child.url())).unwrap();
    client.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("Authorization Violation"), "{answer}");
    let denial = tokio::time::timeout(PATIENCE, denied.recv()).await.unwrap().unwrap();
    assert_eq!(denial.what, What::Connect);
}

/// Starts the launcher under a shell, as `up` would; gives the shell and nats-server's process id.
fn under_a_shell(setup: &Setup, config: &Path) -> (Child, u32) {
    let script = format!("\"$1\" {SUBCOMMAND} $$ \"$2\" --config \"$3\" 2>/dev/null & echo $!; wait");
    let mut shell = Command::new("sh")
        .args(["-c", &script, "sh"])
        .args([setup.launcher.as_os_str(), setup.binary.as_os_str(), config.as_os_str()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pid = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut pid).unwrap();
    let pid = pid.trim().parse().unwrap();
    let became =
        || fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim() == "nats-server";
    wait_until("the launcher to become nats-server", became);
    (shell, pid)
}

fn write_config(Fixture { keyring, setup, .. }: &Fixture) -> std::path::PathBuf {
    fs::create_dir_all(setup.config.ports_folder()).unwrap();
    let config = setup.config.folder.canonicalize().unwrap().join("nats.conf");
    fs::write(&config, setup.config.text(keyring).unwrap()).unwrap();
    config
}

#[test]
fn nats_server_dies_with_a_parent_that_is_killed() {
    let fixture = fixture();
    let (mut shell, pid) = under_a_shell(&fixture.setup, &write_config(&fixture));
    shell.kill().unwrap();
    shell.wait().unwrap();
    wait_until("nats-server to die with its parent", || !runs(pid));
}

#[test]
fn the_launcher_of_a_parent_that_is_gone_starts_nothing() {
    let Fixture { setup, folder, .. } = &fixture();
    let output = Command::new(&setup.launcher)
        .args([SUBCOMMAND, "1"])
        .arg(&setup.binary)
        .arg("--version")
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "nats-server: the parent has ended already\n");
}

#[tokio::test]
async fn a_left_over_of_the_same_folder_is_stopped_first() {
    let fixture = fixture();
    let config = write_config(&fixture);
    let mut leftover = Command::new(&fixture.setup.binary);
    let mut leftover = leftover.arg("--config").arg(&config).stderr(Stdio::null()).spawn().unwrap();
    fs::write(fixture.setup.config.folder.join("nats.pid"), leftover.id().to_string()).unwrap();
    let (child, _denied) = NatsChild::start(&fixture.setup, &fixture.keyring).await.unwrap();
    assert!(leftover.try_wait().unwrap().is_some(), "the left-over still runs");
    child.stop().await;
}

#[tokio::test]
async fn a_pid_file_of_a_foreign_process_stops_nothing() {
    let fixture = fixture();
    write_config(&fixture);
    let mut foreign = Command::new("sleep").arg("60").spawn().unwrap();
    fs::write(fixture.setup.config.folder.join("nats.pid"), foreign.id().to_string()).unwrap();
    let (child, _denied) = NatsChild::start(&fixture.setup, &fixture.keyring).await.unwrap();
    assert!(foreign.try_wait().unwrap().is_none(), "a foreign process was stopped");
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    child.stop().await;
}
