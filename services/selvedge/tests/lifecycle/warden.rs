//! What an ended session still holds is taken back by `up`.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use selvedge_contracts::{
    call,
    fault::Code,
    payload::{Nothing, session::SessionEnd},
};
use selvedge_kit::{
    bus::{self, Bus, ConnectError},
    client::Client,
    credential::Login,
};
use selvedge_tests::{
    Credential,
    wait::{until, until_within},
};
use serde_json::Value;

use crate::process::{Up, connect, text};

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_is_cut_off_and_cannot_come_back() {
    let up = Up::start();
    let (credential, live) = worker(&up, "ada").await;
    live.call::<call::SessionEnd>(&SessionEnd::default()).await.unwrap();
    until_within(Duration::from_secs(2), "its connection to be closed", async || {
        if live.bus().is_connected() { Err(up.process.errors()) } else { Ok(()) }
    })
    .await;
    let options = bus::Options { url: up.url(), name: "again".to_owned(), connect_timeout_ms: 5_000 };
    let again = Bus::connect(&options, Login::held(credential)).await.err();
    assert!(matches!(again, Some(ConnectError::Denied { .. })), "{again:?}");
}

/// A worker's credential, and a connection under it.
async fn worker(up: &Up, name: &str) -> (Credential, Client) {
    let made = up.run(&["agent", "register", name, "--role", "worker", "--mission", "demo", "-o", "json"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let credential = Credential::read(Path::new(made["creds"].as_str().unwrap())).unwrap();
    let live = connect(&up.url(), Login::held(credential.clone())).await;
    live.call::<call::Whoami>(&Nothing {}).await.unwrap();
    (credential, live)
}

/// One line of the metrics.
fn metric(up: &Up, name: &str) -> Option<String> {
    let url = up.process.ready["probe_url"].as_str().unwrap();
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let line = page.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_no_room_to_revoke_is_said() {
    const WARNING: &str = "no room to revoke";
    let up = Up::start_set("[server]\nmax_revoked_keys = 1\n[telemetry]\nlisten = \"127.0.0.1:0\"\n");
    let mut workers = Vec::new();
    for name in ["ada", "bob", "eve"] {
        workers.push(worker(&up, name).await);
    }
    assert!(text(&up.run(&["doctor"]).stdout).contains("0 of 1 held"));
    assert_eq!(metric(&up, "selvedge_keys_not_revoked").as_deref(), Some("0"));
    let end = async |live: &Client| live.call::<call::SessionEnd>(&SessionEnd::default()).await.unwrap();
    end(&workers[0].1).await;
    until("the first to be cut off", async || {
        if workers[0].1.bus().is_connected() { Err(up.process.errors()) } else { Ok(()) }
    })
    .await;
    assert!(!up.process.errors().contains(WARNING));
    for (n, (_, live)) in workers.iter().enumerate().skip(1) {
        end(live).await;
        until("the metric to say so", async || {
            let found = metric(&up, "selvedge_keys_not_revoked");
            if found == Some(n.to_string()) {
                Ok(())
            } else {
                Err(format!("{found:?} {}", up.process.errors()))
            }
        })
        .await;
        // Its connection stands, and gets nothing done.
        let refused = live.call::<call::Whoami>(&Nothing {}).await.expect_err("its session is over");
        assert_eq!(refused.code, Code::Denied, "{refused}");
        assert!(live.bus().is_connected());
    }
    assert_eq!(up.process.errors().matches(WARNING).count(), 1, "{}", up.process.errors());
    let doctor = up.run(&["doctor"]);
    let said = text(&doctor.stdout);
    assert!(doctor.status.success(), "{said}");
    for wanted in ["WARN  main: room for revoked keys", "1 of 1 held", "server.max_revoked_keys"] {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
}
