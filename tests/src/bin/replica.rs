//! One service as a process of its own, for tests that kill it. Ends when its standard input does, so
//! that none outlives its test.

#![allow(clippy::expect_used, clippy::panic, reason = "a test's own process stops where it fails")]

use std::{
    io::Read as _,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::sys::signal::{Signal, raise};
use selvedge_contracts::{id::KlusterName, role::Service};
use selvedge_kit::{
    bus::{Bus, Options},
    creation::Asking,
    credential::Login,
    metrics::Metrics,
    service::Limits,
};
use selvedge_tests::{
    artifacts::LONG_GRACE_MS,
    replica::{CRASH, CREDS, FOLDER, READY, SERVICE, SIGNERS, STOP, STORE, TAKEOVER, URL},
};

/// Folder for the files of a service.
fn folder() -> PathBuf {
    PathBuf::from(std::env::var(FOLDER).unwrap_or_else(|_| panic!("{FOLDER} is not set")))
}

/// Ends this process, as kill -9 would, when a step is reached; or stops it there, once.
fn at_steps() -> selvedge_kit::steps::Steps {
    let (crash, stop) = (std::env::var(CRASH).ok(), std::env::var(STOP).ok());
    let has_stopped = AtomicBool::new(false);
    selvedge_kit::steps::Steps::new(move |reached| {
        if crash.as_deref() == Some(reached) {
            let _ = raise(Signal::SIGKILL);
        }
        if stop.as_deref() == Some(reached) && !has_stopped.swap(true, Ordering::SeqCst) {
            let _ = raise(Signal::SIGSTOP);
        }
    })
}

/// Ends this process, as kill -9 would, when a step is reached.
fn of_overlap() -> selvedge_kit::steps::Steps {
    let crash = std::env::var(CRASH).ok();
    selvedge_kit::steps::Steps::new(move |reached| {
        if crash.as_deref() == Some(reached) {
            let _ = raise(Signal::SIGKILL);
        }
    })
}

fn governance(account: String) -> selvedge_governance::Config {
    selvedge_governance::Config {
        account,
        keys: folder().join("approvals.keys"),
        intents: selvedge_governance::IntentLimits::default(),
        overlap: Asking::Off,
    }
}

#[tokio::main]
async fn main() {
    let setting = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let options = Options { url: setting(URL), name: "replica".to_owned(), connect_timeout_ms: 5_000 };
    let login = Login::File(PathBuf::from(setting(CREDS)));
    let account =
        login.credential().expect("its credential").claims().expect("its claims").account().to_owned();
    let bus = Bus::connect(&options, login).await.expect("a connection");
    let (limits, metrics) = (Limits::default(), Metrics::default());
    let running = match setting(SERVICE).parse().expect("a service") {
        Service::Registry => {
            let config = selvedge_registry::Config { signers: PathBuf::from(setting(SIGNERS)) };
            selvedge_registry::start(bus, &config, limits, &metrics).await.expect("a registry")
        }
        Service::Leases => {
            let config = selvedge_leases::Config { account, spaces: selvedge_leases::SpaceLimits::default() };
            selvedge_leases::start(bus, &config, limits, &metrics).await.expect("a service")
        }
        Service::Artifacts => {
            let config = selvedge_artifacts::Config {
                url: setting(STORE),
                options: Vec::new(),
                grace_ms: LONG_GRACE_MS,
                pin_margin_ms: selvedge_artifacts::Config::PIN_MARGIN_MS,
                overlap: Asking::Off,
                max_staged_bytes: selvedge_contracts::payload::artifact::MAX_CONTENT_BYTES,
            };
            let kluster = KlusterName::new("main").expect("a name");
            selvedge_artifacts::start(bus, &config, &kluster, &account, limits, &metrics)
                .await
                .expect("a service")
        }
        Service::Governance => {
            let config = governance(account);
            selvedge_governance::start(bus, &config, limits, &metrics).await.expect("a service")
        }
        Service::Committer => {
            let secrets = folder().join("secrets.toml");
            let config = selvedge_committer::Config {
                account,
                secrets: secrets.exists().then_some(secrets),
                copies: folder().join("copies"),
                allowed_networks: selvedge_tests::committer::loopback(),
                memory_bytes: selvedge_tests::committer::MEMORY_BYTES,
                takeover_ms: setting(TAKEOVER).parse().expect("milliseconds"),
                steps: at_steps(),
            };
            selvedge_committer::start(bus, &config, limits, &metrics).await.expect("a service")
        }
        Service::Overlap => {
            let config = selvedge_tests::overlap::config(account, &folder().join("overlap"));
            let config = selvedge_overlap::service::Config { steps: of_overlap(), ..config };
            selvedge_overlap::service::start(bus, &config, limits, &metrics).await.expect("a service")
        }
        Service::Dispatcher => {
            let config = selvedge_dispatcher::Config { account, overlap: Asking::Off };
            selvedge_dispatcher::start(bus, &config, limits, &metrics).await.expect("a service")
        }
    };
    println!("{READY}");
    // The end of the input is what we wait for.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
    running.drain().await;
}
