//! A credential is renewed without losing a request, and ends when it must.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    id::Caller,
    payload::{Nothing, session::CredentialRenew},
    role::Role,
};
use selvedge_kit::authority::jwt::{Life, Tags};
use selvedge_tests::{
    Credential,
    fabric::{Fabric, Working, public},
    now_ms,
    wait::until,
};

/// Callers that ask all the time, and count what they got.
struct Load {
    answered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    callers: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(working: &Working) -> Self {
        let (answered, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let callers = (0..8)
            .map(|_| {
                let (client, answered, stop) =
                    (working.client.clone(), Arc::clone(&answered), Arc::clone(&stop));
                tokio::spawn(async move {
                    let mut refusals = vec![];
                    while !stop.load(Ordering::Relaxed) {
                        match client.call::<call::Whoami>(&Nothing {}).await {
                            Ok(_) => _ = answered.fetch_add(1, Ordering::Relaxed),
                            Err(fault) => refusals.push(fault.to_string()),
                        }
                    }
                    refusals
                })
            })
            .collect();
        Self { answered, stop, callers }
    }

    async fn answers(&self, more: u64) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        until("more answers", async || {
            let seen = self.answered.load(Ordering::Relaxed);
            if seen >= wanted { Ok(()) } else { Err(seen) }
        })
        .await;
    }

    async fn refusals(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut refusals = vec![];
        for caller in self.callers {
            refusals.extend(caller.await.unwrap());
        }
        refusals
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_credential_loses_no_request() {
    let fabric = Fabric::start().await;
    let (_, working) = fabric.worker("ada").await;
    let load = Load::start(&working);
    for _ in 0..3 {
        load.answers(200).await;
        let key = KeyPair::new_user();
        let renew = CredentialRenew { credential_key: public(&key), ttl_ms: None };
        let reply = working.client.call::<call::CredentialRenew>(&renew).await.unwrap().reply;
        assert_eq!(reply.session.id, working.session.id, "a renewal is the same session");
        working.login.replace(Credential::new(reply.credential.jwt.unwrap(), &key).unwrap());
        working.client.bus().reconnect().await;
    }
    load.answers(200).await;
    assert_eq!(load.refusals().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_credential_ends_goes_on_with_the_next_one() {
    let fabric = Fabric::start().await;
    let (_, working) = fabric.worker("ada").await;
    let credential = |life_ms: u64| {
        let (key, now_ms) = (KeyPair::new_user(), now_ms());
        let tags = Tags {
            mission: working.session.mission.clone(),
            agent: Caller::new(working.session.agent.as_str()).unwrap(),
            scope: working.session.id.clone(),
        };
        let life = Life { now_ms, expires_at_ms: now_ms + life_ms };
        let jwt =
            fabric.bus.kluster().signer(Role::Worker).unwrap().mint(&tags, &public(&key), life).unwrap();
        Credential::new(jwt, &key).unwrap()
    };
    working.login.replace(credential(2_000));
    working.client.bus().reconnect().await;
    let load = Load::start(&working);
    load.answers(100).await;
    let mut connects = working.client.bus().connects();
    connects.mark_unchanged();
    working.login.replace(credential(600_000));
    // nats-server ends the connection when its credential ends; the client answers with the next one.
    tokio::time::timeout(selvedge_tests::wait::PATIENCE, connects.changed())
        .await
        .expect("a reconnection")
        .unwrap();
    load.answers(100).await;
    assert_eq!(load.refusals().await, Vec::<String>::new());
}
