//! What an ended session still holds is taken back by `up`.

use std::{path::Path, time::Duration};

use selvedge_contracts::{
    call,
    payload::{Nothing, session::SessionEnd},
};
use selvedge_kit::{
    bus::{self, Bus, ConnectError},
    credential::Login,
};
use selvedge_tests::{Credential, wait::until_within};
use serde_json::Value;

use crate::process::{Up, connect, text};

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_is_cut_off_and_cannot_come_back() {
    let up = Up::start();
    let register = ["agent", "register", "ada", "--role", "worker", "--mission", "demo", "-o", "json"];
    let made = up.run(&register);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let credential = Credential::read(Path::new(made["creds"].as_str().unwrap())).unwrap();
    let live = connect(&up.url(), Login::held(credential.clone())).await;
    live.call::<call::Whoami>(&Nothing {}).await.unwrap();
    live.call::<call::SessionEnd>(&SessionEnd::default()).await.unwrap();
    until_within(Duration::from_secs(2), "its connection to be closed", async || {
        if live.bus().is_connected() { Err(up.process.errors()) } else { Ok(()) }
    })
    .await;
    let options = bus::Options { url: up.url(), name: "again".to_owned(), connect_timeout_ms: 5_000 };
    let again = Bus::connect(&options, Login::held(credential)).await.err();
    assert!(matches!(again, Some(ConnectError::Denied { .. })), "{again:?}");
}
