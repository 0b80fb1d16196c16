//! Revoking while the one who stole the key goes on.

use std::sync::{Mutex, MutexGuard};

use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    payload::{Nothing, session::SessionStart},
    role::Role,
};
use selvedge_kit::{
    bus::{self, Bus, ConnectError},
    client::{Client, Options},
    credential::Login,
    signature::Signer,
};
use selvedge_tests::{
    Credential,
    fabric::{Agent, Fabric, copy, plain_session, public},
    wait,
};

use crate::machine::Machine;

/// Who holds an agent's identity key and its way in, and gets more with every session it starts.
struct Thief<'a> {
    fabric: &'a Fabric,
    agent: &'a Agent,
    doors: Mutex<Vec<Credential>>,
    sessions: Mutex<Vec<Credential>>,
}

fn held<T>(loot: &Mutex<T>) -> MutexGuard<'_, T> {
    loot.lock().unwrap()
}

impl Thief<'_> {
    /// Starts session after session; cut off, it tries every door that it has. Answers when none opens.
    async fn at_work(&self) {
        while let Some(client) = self.comes_in().await {
            let short = Options { timeout_ms: Some(2_000), ..Options::default() };
            loop {
                let key = KeyPair::new_user();
                let start = SessionStart { credential_key: public(&key), ..plain_session() };
                let Ok(started) = client.call_with::<call::SessionStart>(&start, &short).await else {
                    break;
                };
                let (door, session) = (started.reply.door.unwrap(), started.reply.credential);
                held(&self.sessions).push(Credential::new(session.jwt.unwrap(), &key).unwrap());
                held(&self.doors).push(Credential::new(door.jwt.unwrap(), &self.agent.key).unwrap());
            }
        }
    }

    async fn comes_in(&self) -> Option<Client> {
        let mut doors = held(&self.doors).clone();
        doors.dedup_by(|a, b| a.jwt == b.jwt);
        for door in doors.into_iter().rev() {
            let url = self.fabric.bus.url();
            let options = bus::Options { url, name: "thief".to_owned(), connect_timeout_ms: 5_000 };
            match Bus::connect(&options, Login::held(door)).await {
                Ok(bus) => {
                    let account = self.fabric.bus.kluster().account();
                    return Some(Client::new(bus).signing(Signer::new(copy(&self.agent.key), account, None)));
                }
                Err(ConnectError::Denied { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_revocations_at_once_leave_a_thief_that_goes_on_with_nothing() {
    const HANDS: usize = 3;
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let bystander = fabric.worker("bob").await.1;
    let agent = fabric.agent("ada", Role::Worker).await;
    let thief = Thief {
        fabric: &fabric,
        agent: &agent,
        doors: Mutex::new(vec![agent.door_credential.clone()]),
        sessions: Mutex::default(),
    };
    let revoke = ["agent", "revoke", agent.record.id.as_str()];
    let operators = async {
        wait::until("the thief to be at work", async || {
            let sessions = held(&thief.sessions).len();
            if sessions >= 10 { Ok(()) } else { Err(sessions) }
        })
        .await;
        tokio::join!(machine.run(&revoke), machine.run(&revoke))
    };
    let hands = futures::future::join_all((0..HANDS).map(|_| thief.at_work()));
    let hands = async { tokio::time::timeout(wait::PATIENCE, hands).await };
    let ((one, other), given_up) = tokio::join!(operators, hands);
    assert_eq!((one.code, other.code), (0, 0), "{one:?} {other:?}");
    let (doors, sessions) = (held(&thief.doors).clone(), held(&thief.sessions).clone());
    given_up.unwrap_or_else(|_| panic!("the thief goes on with {} doors", doors.len()));
    for (n, credential) in doors.iter().chain(&sessions).enumerate() {
        let opened = fabric.bus.try_connect_as(credential).await;
        opened.err().unwrap_or_else(|| panic!("{n} of {} doors and {}", doors.len(), sessions.len()));
    }
    let list = ["session", "list", "--agent", agent.record.id.as_str(), "--status", "open", "-o", "json"];
    assert_eq!(machine.run(&list).await.json(), serde_json::json!([]));
    bystander.client.call::<call::Whoami>(&Nothing {}).await.expect("nobody else is cut off");
}
