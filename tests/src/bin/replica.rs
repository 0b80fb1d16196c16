//! One registry as a process of its own, for tests that kill it. Ends when its standard input does, so
//! that none outlives its test.

#![allow(clippy::expect_used, clippy::panic, reason = "a test's own process stops where it fails")]

use std::{io::Read as _, path::PathBuf};

use selvedge_kit::{
    bus::{Bus, Options},
    credential::Login,
    metrics::Metrics,
    service::Limits,
};
use selvedge_registry::Config;
use selvedge_tests::replica::{CREDS, READY, SIGNERS, URL};

#[tokio::main]
async fn main() {
    let setting = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let options = Options { url: setting(URL), name: "replica".to_owned(), connect_timeout_ms: 5_000 };
    let bus = Bus::connect(&options, Login::File(PathBuf::from(setting(CREDS)))).await.expect("a connection");
    let config = Config { signers: PathBuf::from(setting(SIGNERS)) };
    let running = selvedge_registry::start(bus, &config, Limits::default(), &Metrics::default())
        .await
        .expect("a registry");
    println!("{READY}");
    // The end of the input is what we wait for.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
    running.drain().await;
}
