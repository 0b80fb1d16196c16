//! Agents: registering here and elsewhere, credentials, keys, the end.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use selvedge_contracts::{
    id::{Caller, KlusterName, Mission, ScopeId},
    role::Role,
};
use selvedge_kit::{
    authority::{
        Keyring,
        jwt::{Life, Tags},
    },
    clock::now_ms,
};
use selvedge_tests::{Credential, fabric::Fabric, wait};
use serde_json::Value;

use crate::machine::Machine;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_registers_and_is_seen_in_every_list() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let made = machine.worker("ada").await;
    let (id, creds) = (text(&made, "/agent/id"), Path::new(text(&made, "/creds")));
    assert!(id.starts_with("ada-"), "{made}");
    assert_eq!(text(&made, "/agent/owner"), "person:olga");
    assert_eq!((mode(creds), mode(&creds.with_file_name("identity.nk"))), (0o600, 0o600));
    let session = text(&made, "/session/id");
    assert_eq!(text(&made, "/request_prefix"), format!("sv.req.demo.{id}.worker-{session}"));

    let whoami = machine.run(&["call", "registry.whoami", "--as", "ada"]).await.json();
    assert_eq!((text(&whoami, "/agent"), text(&whoami, "/role")), (id, "worker"));
    let listed = machine.run(&["agent", "list", "--mission", "demo"]).await.ok();
    assert!(listed.contains(id) && listed.contains("worker in demo"), "{listed}");
    let shown = machine.run(&["agent", "show", "ada", "-o", "json"]).await.json();
    assert_eq!(shown, made["agent"]);
    let log = machine.run(&["log", "agent", id]).await.ok();
    assert!(log.contains("agent.registered/1") && log.contains("yes"), "{log}");
    let log = machine.run(&["log", "session", session]).await.ok();
    assert!(log.contains("session.started/1"), "{log}");
}

/// Waits until nats-server has closed the connection.
async fn closed<S: std::fmt::Debug>(state: impl Fn() -> S) {
    wait::until_within(Duration::from_secs(1), "its connection to be closed", async || match state() {
        state if format!("{state:?}") == "Connected" => Err("connected"),
        _ => Ok(()),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_sessions_connections_are_closed_the_renewed_keys_too() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let made = machine.worker("ada").await;
    let connect = async || {
        fabric.bus.try_connect_as(&Credential::read(Path::new(text(&made, "/creds"))).unwrap()).await.unwrap()
    };
    let first = connect().await;
    machine.run(&["agent", "creds", "ada"]).await.ok();
    let renewed = connect().await;
    machine.run(&["session", "end", text(&made, "/session/id")]).await.ok();
    closed(|| first.connection_state()).await;
    closed(|| renewed.connection_state()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_agent_is_cut_off_and_denied() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let made = machine.worker("ada").await;
    let creds = Path::new(text(&made, "/creds"));
    let live = fabric.bus.try_connect_as(&Credential::read(creds).unwrap()).await.unwrap();
    let retired = machine.run(&["agent", "retire", "ada", "--reason", "done", "-o", "json"]).await.json();
    assert_eq!(text(&retired, "/agent/status"), "retired");
    closed(|| live.connection_state()).await;
    for denied in [["call", "registry.whoami", "--as", "ada"].as_slice(), &["agent", "creds", "ada"]] {
        let ran = machine.run(denied).await;
        assert_eq!(ran.code, 5, "{ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "one error, told once: {ran:?}");
    }
    let ran = machine
        .run(&["agent", "register", "ada", "--role", "worker", "--mission", "demo", "-o", "json"])
        .await;
    assert_eq!((ran.code, text(&serde_json::from_str(&ran.err).unwrap(), "/code")), (5, "denied"), "{ran:?}");
}

/// Puts a credential of the same session in the place of an agent's own, one that ended a second ago.
fn expire(machine: &Machine, made: &Value) {
    let keys = Keyring::open(&machine.home().join("authority")).unwrap();
    let kluster = keys.kluster(&KlusterName::new("main").unwrap()).unwrap();
    let tags = Tags {
        mission: Mission::new("demo").unwrap(),
        agent: Caller::new(text(made, "/agent/id")).unwrap(),
        scope: ScopeId::new(text(made, "/session/id")).unwrap(),
    };
    let life = Life { now_ms: now_ms() - 61_000, expires_at_ms: now_ms() - 1_000 };
    let over = kluster.signer(Role::Worker).unwrap().credential(&tags, life).unwrap();
    over.write(Path::new(text(made, "/creds"))).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_over_is_followed_by_another() {
    let machine = Machine::of_up().await;
    let made = machine.worker("ada").await;
    for asked in [["call", "registry.whoami", "--as", "ada"].as_slice(), &["lease", "list", "--as", "ada"]] {
        expire(&machine, &made);
        let ran = machine.run(asked).await;
        assert!(ran.code == 0 && ran.err.contains("was over"), "{ran:?}");
        let again = machine.run(asked).await;
        assert!(again.code == 0 && again.err.is_empty(), "{again:?}");
    }
    fs::write(text(&made, "/creds"), "junk").unwrap();
    let ran = machine.run(&["lease", "list", "--as", "ada"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    for said in [text(&made, "/creds"), "`selvedge agent creds ada --mission demo`"] {
        assert!(ran.err.contains(said), "{ran:?}");
    }
    expire(&machine, &made);
    machine.run(&["agent", "retire", "ada", "--reason", "done"]).await.ok();
    let ran = machine.run(&["call", "registry.whoami", "--as", "ada"]).await;
    assert!(ran.code != 0, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_again_is_the_same_agent_and_keeps_what_it_said() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let says =
        ["agent", "register", "ada", "--role", "worker", "--mission", "demo", "--model", "m-1", "-o", "json"];
    let first = machine.run(&says).await.json();
    let again = machine.worker("ada").await;
    assert_eq!(text(&first, "/agent/id"), text(&again, "/agent/id"));
    assert_eq!(text(&again, "/agent/about/model"), "m-1");
    assert_eq!(text(&first, "/session/id"), text(&again, "/session/id"), "the session is renewed");
    assert_ne!(first["session"]["credential_key"], again["session"]["credential_key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_the_registry_may_not_sign_for_are_signed_by_the_operators_keys() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let register = ["agent", "register", "eve", "--role", "approver", "--mission", "demo"];
    machine.run(&register).await.ok();
    let whoami = machine.run(&["call", "registry.whoami", "--as", "eve"]).await.json();
    assert_eq!(text(&whoami, "/role"), "approver");
    let register = ["agent", "register", "kim", "--role", "operator", "--mission", "_"];
    machine.run(&register).await.ok();
    let missions = machine.run(&["call", "registry.mission_list", "--as", "kim"]).await.json();
    assert_eq!(text(&missions, "/missions/0/id"), "demo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_registers_one_agent_on_another_machine() {
    let fabric = Fabric::start().await;
    let (operator, elsewhere) = (Machine::of_operator(&fabric), Machine::empty(&fabric));
    let invited = operator.run(&["agent", "invite", "--role", "worker", "--mission", "demo"]).await;
    assert_eq!(invited.out.lines().count(), 1, "{invited:?}");
    assert!(invited.err.contains("good once"), "{invited:?}");
    for said in ["only this machine reaches", "server.host", "--url"] {
        assert!(invited.err.contains(said), "{said}: {invited:?}");
    }
    let token = invited.ok();
    let join = ["agent", "register", "bob", "--join", "-", "-o", "json"];
    let made = elsewhere.run_with(&join, &token).await.json();
    assert_eq!((text(&made, "/session/role"), text(&made, "/session/mission")), ("worker", "demo"));
    let whoami = elsewhere.run(&["call", "registry.whoami", "--as", "bob"]).await.json();
    assert_eq!(text(&whoami, "/agent"), text(&made, "/agent/id"));
    let only = elsewhere.run(&["call", "registry.whoami"]).await.json();
    assert_eq!(only["agent"], whoami["agent"], "nobody else could ask there");

    let third = Machine::empty(&fabric);
    let again = third.run_with(&join, &token).await;
    assert_eq!(again.code, 5, "{again:?}");
    assert!(!again.err.contains(token.trim()), "{again:?}");
    let shown = third.run(&["agent", "register", "bob", "--join", token.trim()]).await;
    assert!(shown.code == 2 && shown.err.contains("SELVEDGE_JOIN_TOKEN"), "{shown:?}");
    let nobody = third.run(&["agent", "list"]).await;
    assert!(nobody.code == 2 && nobody.err.contains("selvedge up"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_agent_goes_on_with_its_new_key() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let made = machine.worker("ada").await;
    let live = Credential::read(Path::new(text(&made, "/creds"))).unwrap();
    let live = fabric.bus.try_connect_as(&live).await.unwrap();
    let rotated = machine.run(&["agent", "rotate", "ada", "-o", "json"]).await.json();
    assert_ne!(rotated["key"], made["agent"]["key"]);
    closed(|| live.connection_state()).await;
    let opened = machine.run(&["agent", "creds", "ada", "-o", "json"]).await.json();
    assert_ne!(opened["session"]["id"], made["session"]["id"], "the session before has ended");
    machine.run(&["call", "registry.whoami", "--as", "ada"]).await.ok();

    let folder = Path::new(text(&made, "/creds")).parent().unwrap();
    fs::remove_file(folder.join("identity.nk")).unwrap();
    let lost = machine.run(&["agent", "rotate", "ada"]).await;
    assert_eq!(lost.code, 1, "{lost:?}");
    let mended = machine.run(&["agent", "rotate", "ada", "--operator", "-o", "json"]).await.json();
    assert_ne!(mended["key"], rotated["key"]);
    machine.run(&["session", "start", "ada"]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_closes_what_the_keys_opened_and_a_new_key_opens_again() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    machine.worker("ada").await;
    machine.run(&["agent", "creds", "ada"]).await.ok();
    let revoked = machine.run(&["agent", "revoke", "ada", "-o", "json"]).await.json();
    assert_eq!(revoked["keys"].as_array().unwrap().len(), 3, "identity, first and renewed: {revoked}");
    let open = machine.run(&["session", "list", "--agent", "ada", "--status", "open", "-o", "json"]).await;
    assert_eq!(open.json(), serde_json::json!([]), "nothing is left to renew");
    let denied = machine.run(&["call", "registry.whoami", "--as", "ada"]).await;
    assert_eq!(denied.code, 5, "{denied:?}");
    machine.run(&["agent", "rotate", "ada", "--operator"]).await.ok();
    machine.run(&["agent", "creds", "ada"]).await.ok();
    machine.run(&["call", "registry.whoami", "--as", "ada"]).await.ok();
}
