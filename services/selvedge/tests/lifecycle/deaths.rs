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

use crate::process::{Up, connect, gone, kill};

async fn missions(operator: &Client) -> Vec<String> {
    let reply = operator
        .call::<call::MissionList>(&MissionList::default())
        .await
        .unwrap()
        .reply;
    reply
        .missions
        .iter()
        .map(|mission| mission.id.to_string())
        .collect()
}

async fn create(operator: &Client, mission: &str) {
    let create = MissionCreate {
        mission: Mission::new(mission).unwrap(),
        title: String::new(),
    };
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
    assert!(
        up.process.ready["ready_ms"].as_u64().unwrap() < 1_500,
        "{}",
        up.process.ready
    );
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
        Some(up.nats_pid())
            .filter(|pid| *pid != killed)
            .ok_or("none yet")
    })
    .await;
    assert_eq!(
        missions(&operator).await,
        ["before", "demo"],
        "the same connection answers again"
    );
    create(&operator, "after").await;
    // Presence lived in the memory of the one that died: the session that nobody keeps alive is still seen dead.
    let list = SessionList {
        mission: Some(Mission::new("demo").unwrap()),
        agent: None,
        status: Some(SessionStatus::Lost),
        after: None,
        limit: None,
    };
    until("the session to be lost", async || {
        let lost = operator
            .call::<call::SessionList>(&list)
            .await
            .unwrap()
            .reply
            .sessions;
        if lost.iter().any(|lost| lost.id == session) {
            Ok(())
        } else {
            Err(up.process.errors())
        }
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
        until("another nats-server, or the end", async || {
            match process.is_running() {
                true if read_pid(&state) == pid => Err("the same"),
                _ => Ok(()),
            }
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
    let state: Value =
        serde_json::from_slice(&std::fs::read(state).unwrap_or_default()).unwrap_or_default();
    state["nats_pid"]
        .as_u64()
        .and_then(|pid| u32::try_from(pid).ok())
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_is_denied_is_on_the_audit_stream() {
    let up = Up::start();
    let key = KeyPair::new_user();
    let tags = Tags {
        mission: Mission::new("demo").unwrap(),
        agent: Caller::new("ada-1a2b3c4d").unwrap(),
        scope: ScopeId::new("session_01").unwrap(),
    };
    let life = Life {
        now_ms: now_ms(),
        expires_at_ms: now_ms() + 60_000,
    };
    let signer = up
        .keyring()
        .kluster(&"main".parse().unwrap())
        .unwrap()
        .signer(Role::Worker)
        .unwrap();
    let credential =
        Credential::new(signer.mint(&tags, &public(&key), life).unwrap(), &key).unwrap();
    let worker = connect(&up.url(), Login::held(credential)).await;
    let denied = worker
        .bus()
        .request(
            "sv.fact.demo.agent.x.registered",
            Default::default(),
            "".into(),
            Deadline::in_ms(5_000),
        )
        .await;
    denied.unwrap_err();
    let operator = up.operator("main").await;
    let subject = format!(
        "sv.audit.server.main.{}.violation",
        key.public_key().to_lowercase()
    );
    let record = until("the audit record", async || {
        let query = serde_json::json!({ "last_by_subj": subject }).to_string();
        let answer = operator
            .bus()
            .request(
                "$JS.API.STREAM.MSG.GET.AUDIT",
                Default::default(),
                query.into(),
                Deadline::in_ms(5_000),
            )
            .await;
        let answer: Value = serde_json::from_slice(&answer.unwrap().payload).unwrap();
        answer["message"]["data"]
            .as_str()
            .map(str::to_owned)
            .ok_or(answer)
    })
    .await;
    let body: Value =
        serde_json::from_slice(&data_encoding::BASE64.decode(record.as_bytes()).unwrap()).unwrap();
    assert_eq!(
        (&body["what"], &body["kluster"]),
        (&"publish".into(), &"main".into())
    );
    assert_eq!(body["credential_key"], key.public_key());
    assert_eq!(body["detail"], "sv.fact.demo.agent.x.registered");
}

fn public(key: &KeyPair) -> PublicKey {
    PublicKey::new(&key.public_key()).unwrap()
}

/// A worker's session in `demo` whose presence lasts as briefly as it may.
async fn session(up: &Up, operator: &Client) -> ScopeId {
    let kluster = up.keyring().kluster(&"main".parse().unwrap()).unwrap();
    let demo = Mission::new("demo").unwrap();
    let id = InviteId::new("invite_01").unwrap();
    let create = InviteCreate {
        id: id.clone(),
        mission: demo.clone(),
        role: Role::Worker,
        owner: Owner::new("person:olga").unwrap(),
        ttl_ms: 60_000,
    };
    operator.call::<call::InviteCreate>(&create).await.unwrap();
    let tags = Tags {
        mission: demo,
        agent: Caller::new(id.as_str()).unwrap(),
        scope: ScopeId::new(id.as_str()).unwrap(),
    };
    let life = Life {
        now_ms: now_ms(),
        expires_at_ms: now_ms() + 60_000,
    };
    let invite = kluster
        .signer(Role::Join)
        .unwrap()
        .credential(&tags, life)
        .unwrap();
    let key = KeyPair::new_user();
    let signed = || {
        Signer::new(
            KeyPair::from_seed(&key.seed().unwrap()).unwrap(),
            kluster.account(),
            None,
        )
    };
    let joining = connect(&up.url(), Login::held(invite))
        .await
        .signing(signed());
    let join = Join {
        name: AgentName::new("ada").unwrap(),
        about: About::default(),
    };
    let door = joining
        .call::<call::Join>(&join)
        .await
        .unwrap()
        .reply
        .door
        .jwt
        .unwrap();
    let door = connect(&up.url(), Login::held(Credential::new(door, &key).unwrap()))
        .await
        .signing(signed());
    let credential_key = public(&KeyPair::new_user());
    let start = SessionStart {
        credential_key,
        ttl_ms: None,
        presence_ttl_ms: Some(5_000),
        request: None,
        calls: None,
    };
    door.call::<call::SessionStart>(&start)
        .await
        .unwrap()
        .reply
        .session
        .id
}
