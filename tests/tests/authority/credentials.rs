//! Credentials end: by their time, and by being taken back.

use std::time::Duration;

use async_nats::connection::State;
use selvedge_contracts::role::Role;
use selvedge_kit::authority::{RoleSigner, jwt::Life, push};
use selvedge_tests::{
    Bus, Options, now_ms,
    wait::{self, PATIENCE},
};

use crate::probe::Probe;

#[tokio::test]
async fn an_expired_credential_is_refused() {
    let bus = Bus::start_bare(Options::LAZY).await;
    let past = Life { now_ms: now_ms() - 60_000, expires_at_ms: now_ms() - 1_000 };
    let credential = bus.credential_for(Role::Worker, "demo", "ada-1a2b3c4d", "session_01", past);
    let error = bus.try_connect_as(&credential).await.expect_err("it is expired");
    assert!(error.to_string().to_lowercase().contains("authorization"), "{error}");
}

#[tokio::test]
async fn a_credential_is_worth_nothing_with_another_key() {
    let bus = Bus::start_bare(Options::LAZY).await;
    let mut stolen = bus.credential(Role::Worker, "demo", "ada-1a2b3c4d", "session_01");
    stolen.seed = bus.credential(Role::Worker, "demo", "ada-1a2b3c4d", "session_01").seed;
    bus.try_connect_as(&stolen).await.expect_err("the key is another");
}

#[tokio::test]
async fn a_live_connection_ends_when_its_credential_does() {
    let bus = Bus::start_bare(Options::LAZY).await;
    let short = Life { now_ms: now_ms(), expires_at_ms: now_ms() + 2_000 };
    let credential = bus.credential_for(Role::Worker, "demo", "ada-1a2b3c4d", "session_01", short);
    let probe = Probe::connect(&bus, &credential).await;
    probe.event(Duration::from_secs(4), "expired").await;
}

#[tokio::test]
async fn a_revoked_credential_loses_its_live_connection_within_a_second() {
    let bus = Bus::start_bare(Options::LAZY).await;
    let credential = bus.credential(Role::Worker, "demo", "ada-1a2b3c4d", "session_01");
    let other = bus.credential(Role::Worker, "demo", "bob-1a2b3c4d", "session_02");
    let (probe, bystander) = (Probe::connect(&bus, &credential).await, Probe::connect(&bus, &other).await);

    let keys = [credential.public_key().unwrap()];
    let token = bus.keyring().revoke(bus.kluster(), &keys, now_ms()).unwrap();
    bus.push(&token).await;
    probe.event(Duration::from_secs(1), "revo").await;
    bus.try_connect_as(&credential).await.expect_err("it was taken back");

    bystander.client.flush().await.unwrap();
    assert_eq!(bystander.client.connection_state(), State::Connected);
    assert_eq!(bystander.events(), ["connected"]);
}

#[tokio::test]
async fn a_revocation_outlives_the_server() {
    let mut bus = Bus::start_bare(Options::LAZY).await;
    let credential = bus.credential(Role::Worker, "demo", "ada-1a2b3c4d", "session_01");
    let token = bus.keyring().revoke(bus.kluster(), &[credential.public_key().unwrap()], now_ms()).unwrap();
    bus.push(&token).await;
    bus.kill9_server(0);
    bus.restart_server(0).await;
    bus.try_connect_as(&credential).await.expect_err("it stays taken back");
    assert_eq!(bus.keyring().refresh(bus.kluster(), now_ms()).unwrap(), token, "nothing to refresh");
}

#[tokio::test]
async fn a_revocation_made_while_the_server_was_down_holds_at_its_next_start() {
    let mut bus = Bus::start_bare(Options::LAZY).await;
    let credential = bus.credential(Role::Worker, "demo", "ada-1a2b3c4d", "session_01");
    bus.connect_as(&credential).await;
    bus.kill9_server(0);
    bus.keyring().revoke(bus.kluster(), &[credential.public_key().unwrap()], now_ms()).unwrap();
    bus.restart_server(0).await;
    bus.try_connect_as(&credential).await.expect_err("it was taken back");
}

#[tokio::test]
async fn an_account_of_another_operator_is_refused() {
    let bus = Bus::start_bare(Options::LAZY).await;
    let elsewhere = Bus::start_bare(Options::LAZY).await;
    let life = Life { now_ms: now_ms(), expires_at_ms: now_ms() + 60_000 };
    let system = bus.keyring().system_credential(life).unwrap();
    let foreign = elsewhere.kluster().jwt().unwrap();
    let _ = push::account(&bus.url(), &system, &foreign, PATIENCE).await; // kept or not, it opens nothing
    let credential = elsewhere.credential(Role::Worker, "demo", "ada-1a2b3c4d", "session_01");
    bus.try_connect_as(&credential).await.expect_err("its account is another operator's");
}

#[tokio::test]
async fn a_push_of_what_is_no_token_is_refused() {
    let bus = Bus::start_bare(Options::LAZY).await;
    let life = Life { now_ms: now_ms(), expires_at_ms: now_ms() + 60_000 };
    let system = bus.keyring().system_credential(life).unwrap();
    let error = push::account(&bus.url(), &system, "nonsense", PATIENCE).await.unwrap_err();
    assert!(matches!(&error, push::PushError::Refused { server, .. } if server == "n0"), "{error:?}");
}

#[tokio::test]
async fn the_registrys_folder_signs_for_its_roles_and_no_others() {
    let bus = Bus::start_bare(Options::LAZY).await;
    let signers = RoleSigner::load_folder(&bus.kluster().registry_folder()).unwrap();
    let mut roles: Vec<Role> = signers.iter().map(RoleSigner::role).collect();
    roles.sort();
    assert_eq!(roles, Role::SIGNED_BY_REGISTRY);
    let worker = signers.iter().find(|signer| signer.role() == Role::Worker).unwrap();
    let tags = selvedge_kit::authority::jwt::Tags {
        mission: "demo".parse().unwrap(),
        agent: "ada-1a2b3c4d".parse().unwrap(),
        scope: "session_01".parse().unwrap(),
    };
    let life = Life { now_ms: now_ms(), expires_at_ms: now_ms() + 60_000 };
    bus.connect_as(&worker.credential(&tags, life).unwrap()).await;

    let stolen = bus.authority_path().join("klusters/main/roles/operator.nk");
    std::fs::copy(stolen, bus.kluster().registry_folder().join("operator.nk")).unwrap();
    let error = RoleSigner::load_folder(&bus.kluster().registry_folder()).unwrap_err();
    assert!(error.to_string().contains("may not sign for operator"), "{error}");
}

#[tokio::test]
async fn an_operators_credential_names_its_own_session() {
    let bus = Bus::start_bare(Options::LAZY).await;
    let credential = bus.kluster().operator_credential(now_ms()).unwrap();
    let identity = credential.identity().unwrap();
    assert_eq!(identity.scope.role, Role::Operator);
    assert!(identity.agent.as_str().starts_with("operator-"), "{identity:?}");
    let probe = Probe::connect(&bus, &credential).await;
    let own = format!("sv.req.demo.{}.{}.registry.whoami", identity.agent, identity.scope);
    assert_eq!(probe.refused_publishes(&[own]).await, Vec::<String>::new());
    wait::until("it stays connected", async || match probe.client.connection_state() {
        State::Connected => Ok(()),
        other => Err(other),
    })
    .await;
}
