//! Views that missed something find out and catch up.

use selvedge_contracts::{
    call,
    payload::{
        agent::{About, AgentShow, Register},
        request::{RequestList, RequestOpen},
    },
    role::Role,
};
use selvedge_kit::client::Options as Asking;
use selvedge_tests::{
    fabric::{Fabric, plain_session},
    valve::Valve,
    wait,
};

fn about(model: &str) -> Register {
    Register { about: About { model: Some(model.to_owned()), ..About::default() } }
}

/// One replica writes while the other's connection is cut or stalled; then the other one is asked alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_cut_off_catches_up() {
    const FACTS: usize = 40;
    let mut fabric = Fabric::start().await;
    let valve = Valve::start(fabric.bus.url_of(0)).await;
    let second = fabric.registry_replica_at(&valve.url(), "r2").await;
    let (agent, working) = fabric.worker("ada").await;
    let planner = fabric.agent("pia", Role::Planner).await;
    let planning = fabric.session(&planner, plain_session()).await.unwrap();
    let long = Asking { timeout_ms: Some(20_000), ..Asking::default() };
    let mut last = 0;
    for n in 0..FACTS {
        match n % 4 {
            1 => valve.stall(true),
            2 => valve.cut(),
            3 => valve.stall(false),
            _ => {}
        }
        last =
            working.client.call_with::<call::Register>(&about(&format!("m{n}")), &long).await.unwrap().as_of;
        let open = RequestOpen { title: format!("r{n}"), text: String::new() };
        last = planning.client.call_with::<call::RequestOpen>(&open, &long).await.unwrap().as_of.max(last);
    }
    valve.stall(false);
    fabric.registry.take().unwrap().drain().await;
    let at_least = Asking { at_least: last, ..long };
    let shown = working
        .client
        .call_with::<call::AgentShow>(&AgentShow { agent: agent.record.id.clone() }, &at_least)
        .await
        .unwrap();
    assert_eq!(shown.reply.agent.about.model, Some(format!("m{}", FACTS - 1)));
    let listed =
        planning.client.call_with::<call::RequestList>(&RequestList::default(), &at_least).await.unwrap();
    assert_eq!(listed.reply.requests.len(), FACTS);
    second.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_agree_after_nats_server_was_away() {
    let mut fabric = Fabric::start().await;
    let second = fabric.registry_replica("r2").await;
    let (agent, working) = fabric.worker("ada").await;
    for round in 0..3 {
        let model = format!("m{round}");
        let long = Asking { timeout_ms: Some(20_000), ..Asking::default() };
        working.client.call_with::<call::Register>(&about(&model), &long).await.unwrap();
        fabric.bus.kill9_server(0);
        fabric.bus.restart_server(0).await;
        // Without any demand on the revision: both have what was recorded before, once they answer.
        for _ in 0..20 {
            let shown = wait::until("an answer", async || {
                working
                    .client
                    .call_with::<call::AgentShow>(&AgentShow { agent: agent.record.id.clone() }, &long)
                    .await
                    .map_err(|fault| fault.to_string())
            })
            .await;
            assert_eq!(shown.reply.agent.about.model.as_deref(), Some(model.as_str()), "round {round}");
        }
    }
    second.drain().await;
}
