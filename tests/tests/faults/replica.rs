//! A replica dies with -9 between append and reply: the client's retry gets the same answer, and there
//! is one fact.

use nkeys::KeyPair;
use selvedge_contracts::{
    call::{self, CallType},
    id::AgentName,
    payload::{
        agent::{About, Join, Register},
        request::RequestOpen,
        session::SessionStart,
    },
    role::Role,
};
use selvedge_kit::{
    client::{Answered, Client, Options},
    ledger::Ledger,
    signature::Signer,
};
use selvedge_tests::{
    fabric::{Fabric, copy, plain_session, public},
    raw::{count, ledger},
    replica::Replica,
    valve::Valve,
    wait,
};

use crate::REPLICA;

/// A fabric whose only registry is a process behind a valve.
struct Scene {
    fabric: Fabric,
    ledger: Ledger,
    doomed: Option<(Valve, Replica)>,
}

impl Scene {
    /// The fabric is still served by its own registry, so that a test can prepare.
    async fn start() -> Self {
        let fabric = Fabric::start().await;
        let ledger = ledger(&fabric.bus).await;
        Self { fabric, ledger, doomed: None }
    }

    /// From now on the doomed process alone serves, and gets no reply out after a fact of `prefix`.
    async fn doom(&mut self, prefix: &str) {
        let valve = Valve::start(self.fabric.bus.url_of(0)).await;
        let process = Replica::start(REPLICA, &self.fabric.bus, &valve.url(), "doomed");
        self.fabric.registry.take().unwrap().drain().await;
        valve.hold_replies_after(prefix);
        self.doomed = Some((valve, process));
    }

    /// Asks; kills the process when it has recorded and tried to answer; another one takes over.
    async fn ask<C: CallType>(
        &mut self,
        client: &Client,
        request: &C::Request,
    ) -> (Answered<C::Reply>, Replica) {
        let (valve, process) = self.doomed.take().unwrap();
        let asking = keyed::<C>(client, request);
        let killing = async {
            wait::until("the reply to be held back", async || match valve.held() {
                0 => Err("none yet"),
                _ => Ok(()),
            })
            .await;
            let second = Replica::start(REPLICA, &self.fabric.bus, &self.fabric.bus.url(), "second");
            process.kill9();
            second
        };
        let (answer, second) = tokio::join!(asking, killing);
        (answer, second)
    }
}

async fn keyed<C: CallType>(client: &Client, request: &C::Request) -> Answered<C::Reply> {
    let options =
        Options { idempotency_key: Some("k".to_owned()), timeout_ms: Some(8_000), ..Options::default() };
    client.call_with::<C>(request, &options).await.expect("an answer in the end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_create_finds_its_own_fact() {
    let mut scene = Scene::start().await;
    let planner = scene.fabric.agent("pia", Role::Planner).await;
    let client = scene.fabric.session(&planner, plain_session()).await.unwrap().client;
    scene.doom("sv.fact.demo.request.").await;
    let open = RequestOpen { title: "one".to_owned(), text: String::new() };
    let (answer, _second) = scene.ask::<call::RequestOpen>(&client, &open).await;
    assert_eq!(count(&scene.ledger, &format!("demo.request.{}.opened", answer.reply.request.id)).await, 1);
    assert_eq!(count(&scene.ledger, "demo.request.>").await, 1);
    assert_eq!(keyed::<call::RequestOpen>(&client, &open).await.reply, answer.reply);
    assert_eq!(answer.as_of, answer.reply.revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_update_finds_its_own_fact() {
    let mut scene = Scene::start().await;
    let (agent, working) = scene.fabric.worker("ada").await;
    scene.doom("sv.fact._.agent.").await;
    let about = Register { about: About { model: Some("m".to_owned()), ..About::default() } };
    let (answer, _second) = scene.ask::<call::Register>(&working.client, &about).await;
    assert_eq!(answer.reply.agent.about, about.about);
    assert_eq!(count(&scene.ledger, &format!("_.agent.{}.updated", agent.record.id)).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_session_start_is_the_same_session() {
    let mut scene = Scene::start().await;
    let agent = scene.fabric.agent("ada", Role::Worker).await;
    scene.doom("sv.fact.demo.session.").await;
    let start = SessionStart { credential_key: public(&KeyPair::new_user()), ..plain_session() };
    let (answer, _second) = scene.ask::<call::SessionStart>(&agent.door, &start).await;
    assert!(answer.reply.credential.jwt.is_some());
    assert_eq!(count(&scene.ledger, &format!("demo.session.{}.started", answer.reply.session.id)).await, 1);
    assert_eq!(count(&scene.ledger, "demo.session.>").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_join_is_the_same_agent() {
    let mut scene = Scene::start().await;
    let invite = scene.fabric.invite(Role::Worker, "person:olga").await;
    let key = KeyPair::new_user();
    let signer = Signer::new(copy(&key), scene.fabric.bus.kluster().account(), None);
    let client = scene.fabric.connect(&invite).await.signing(signer);
    scene.doom("sv.fact._.key.").await; // the last of the batch, which commits it
    let join = Join { name: AgentName::new("ada").unwrap(), about: About::default() };
    let (answer, _second) = scene.ask::<call::Join>(&client, &join).await;
    assert_eq!(answer.reply.agent.key, public(&key));
    for filter in [
        "demo.invite.*.redeemed".to_owned(),
        format!("_.key.{}.>", key.public_key()),
        format!("_.agent.{}.>", answer.reply.agent.id),
    ] {
        assert_eq!(count(&scene.ledger, &filter).await, 1, "{filter}");
    }
}
