//! kill -9 of either process, and what clients are denied.

use nkeys::KeyPair;
use rustix::process::Signal;
use selvedge_contracts::{
    call,
    id::{AgentName, Caller, InviteId, Mission, Owner, PublicKey, ScopeId},
    payload::{
        agent::{About, Join},
        invite::InviteCreate,
        mission::{MissionCreate, MissionList},
        session::{SessionList, SessionStart, SessionStatus},
    },
    role::Role,
};
use selvedge_kit::{
    authority::{
        Credential,
        jwt::{Life, Tags},
    },
    client::Client,
    clock::Deadline,
    credential::Login,
    signature::Signer,
};
use selvedge_tests::{now_ms, wait::until};
use serde_json::Value;

use crate::process::{Up, connect, gone, kill, text};

async fn missions(operator: &Client) -> Vec<String> {
    let reply = operator.call::<call::MissionList>(&MissionList::default()).await.unwrap().reply;
    reply.missions.iter().map(|mission| mission.id.to_string()).collect()
}

async fn create(operator: &Client, mission: &str) {
    let create = MissionCreate { mission: Mission::new(mission).unwrap(), title: String::new() };
    operator.call::<call::MissionCreate>(&create).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kill9_of_up_leaves_no_orphan_and_loses_nothing() {
    let up = Up::start();
    create(&up.operator("main").await, "before").await;
    let nats_pid = up.nats_pid();
    let up = up.kill9_and_start_again();
    gone(nats_pid).await;
    let operator = up.operator("main").await;
    assert_eq!(missions(&operator).await, ["before", "demo"]);
    create(&operator, "after").await;
    assert!(up.process.ready["ready_ms"].as_u64().unwrap() < 1_500, "{}", up.process.ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill9_of_nats_server_is_survived() {
    let up = Up::start();
    let operator = up.operator("main").await;
    create(&operator, "before").await;
    let session = session(&up, &operator).await;
    let killed = up.nats_pid();
    kill(killed, Signal::KILL);
    let next = until("another nats-server", async || {
        Some(up.nats_pid()).filter(|pid| *pid != killed).ok_or("none yet")
    })
    .await;
    assert_eq!(missions(&operator).await, ["before", "demo"], "the same connection answers again");
    create(&operator, "after").await;
    // A session that nobody keeps alive is seen dead, whichever of the two saw it born.
    let list = SessionList {
        mission: Some(Mission::new("demo").unwrap()),
        agent: None,
        status: Some(SessionStatus::Lost),
        after: None,
        limit: None,
    };
    until("the session to be lost", async || {
        let lost = operator.call::<call::SessionList>(&list).await.unwrap().reply.sessions;
        if lost.iter().any(|lost| lost.id == session) { Ok(()) } else { Err(up.process.errors()) }
    })
    .await;
    assert_eq!(up.nats_pid(), next, "it died once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_server_that_keeps_dying_is_given_up() {
    let mut up = Up::start();
    for _ in 0..6 {
        let pid = up.nats_pid();
        kill(pid, Signal::KILL);
        gone(pid).await;
        let (state, process) = (up.home().join("up.json"), &mut up.process);
        until("another nats-server, or the end", async || match process.is_running() {
            true if read_pid(&state) == pid => Err("the same"),
            _ => Ok(()),
        })
        .await;
    }
    assert_eq!(up.process.ended().await.code(), Some(1));
    let errors = up.process.errors();
    assert!(
        errors.contains("died more than 5 times within a minute") && errors.contains("nats.log"),
        "{errors}"
    );
}

fn read_pid(state: &std::path::Path) -> u32 {
    let state: Value = serde_json::from_slice(&std::fs::read(state).unwrap_or_default()).unwrap_or_default();
    state["nats_pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_is_denied_is_on_the_audit_stream() {
    let up = Up::start();
    let credential = credential(&up, Role::Worker, "ada-1a2b3c4d", "session_01");
    let key = credential.public_key().unwrap();
    let worker = connect(&up.url(), Login::held(credential)).await;
    let foreign = "sv.fact.demo.agent.x.registered";
    let denied = worker.bus().request(foreign, Default::default(), "".into(), soon()).await;
    denied.unwrap_err();
    let caller = key.as_str().to_lowercase();
    let record = audited(&up, &format!("sv.audit.server.main.{caller}.violation")).await;
    assert_eq!(record["what"], "publish");
    assert_eq!(record["kluster"], "main");
    assert_eq!(record["credential_key"], key.as_str());
    assert_eq!(record["detail"], foreign);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_of_what_a_follower_left_behind() {
    let up = Up::start();
    let now_ms = now_ms();
    let life = Life { now_ms, expires_at_ms: now_ms + 60_000 };
    let root = up.keyring().kluster(&"main".parse().unwrap()).unwrap().provision_credential(life).unwrap();
    let root = connect(&up.url(), Login::held(root)).await;
    let poison = "sv.fact._.agent.poison-1.retired";
    root.bus().request(poison, Default::default(), "no envelope".into(), soon()).await.unwrap();
    let record = audited(&up, "sv.audit.registry._.ends.dead").await;
    assert_eq!(record["subject"], poison);
    let doctor = up.run(&["doctor"]);
    let said = text(&doctor.stdout);
    let message = record["message"].as_str().unwrap();
    for wanted in ["WARN  main: what follows from facts", "1 left behind", message, poison] {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
}

fn soon() -> Deadline {
    Deadline::in_ms(5_000)
}

/// The last audit record on `subject`.
async fn audited(up: &Up, subject: &str) -> Value {
    let operator = up.operator("main").await;
    let last = "$JS.API.STREAM.MSG.GET.AUDIT";
    let query = serde_json::json!({ "last_by_subj": subject }).to_string();
    let body = until("the audit record", async || {
        let asked = operator.bus().request(last, Default::default(), query.clone().into(), soon());
        let answer: Value = serde_json::from_slice(&asked.await.unwrap().payload).unwrap();
        answer["message"]["data"].as_str().map(str::to_owned).ok_or(answer)
    })
    .await;
    serde_json::from_slice(&data_encoding::BASE64.decode(body.as_bytes()).unwrap()).unwrap()
}

/// A credential in `demo` as the operator's command would mint it.
fn credential(up: &Up, role: Role, agent: &str, scope: &str) -> Credential {
    let tags = Tags {
        mission: Mission::new("demo").unwrap(),
        agent: Caller::new(agent).unwrap(),
        scope: ScopeId::new(scope).unwrap(),
    };
    let life = Life { now_ms: now_ms(), expires_at_ms: now_ms() + 60_000 };
    let kluster = up.keyring().kluster(&"main".parse().unwrap()).unwrap();
    kluster.signer(role).unwrap().credential(&tags, life).unwrap()
}

/// A worker's session in `demo` whose presence lasts five seconds.
async fn session(up: &Up, operator: &Client) -> ScopeId {
    let credential_key = PublicKey::new(&KeyPair::new_user().public_key()).unwrap();
    let start = SessionStart {
        credential_key,
        ttl_ms: None,
        presence_ttl_ms: Some(5_000),
        request: None,
        calls: None,
    };
    let door = door(up, operator).await;
    door.call::<call::SessionStart>(&start).await.unwrap().reply.session.id
}

/// A fresh agent at its door.
async fn door(up: &Up, operator: &Client) -> Client {
    let invite = InviteCreate {
        id: InviteId::new("invite_01").unwrap(),
        mission: Mission::new("demo").unwrap(),
        role: Role::Worker,
        owner: Owner::new("person:olga").unwrap(),
        ttl_ms: 60_000,
    };
    operator.call::<call::InviteCreate>(&invite).await.unwrap();
    let account = up.keyring().kluster(&"main".parse().unwrap()).unwrap().account();
    let key = KeyPair::new_user();
    let signer = || Signer::new(KeyPair::from_seed(&key.seed().unwrap()).unwrap(), account.clone(), None);
    let invited = Login::held(credential(up, Role::Join, "invite_01", "invite_01"));
    let joining = connect(&up.url(), invited).await.signing(signer());
    let join = Join { name: AgentName::new("ada").unwrap(), about: About::default() };
    let jwt = joining.call::<call::Join>(&join).await.unwrap().reply.door.jwt.unwrap();
    let door = Credential::new(jwt, &key).unwrap();
    connect(&up.url(), Login::held(door)).await.signing(signer())
}
