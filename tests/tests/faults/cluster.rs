//! Three servers, one of which dies.

use std::time::Duration;

use async_nats::jetstream;
use selvedge_contracts::{
    call,
    fact::EntityName,
    id::EntityId,
    payload::{
        agent::{About, Register},
        history::History,
    },
    stream::LEDGER,
};
use selvedge_kit::client::Options as Asking;
use selvedge_tests::{Bus, Options, fabric::Fabric, raw::ledger, wait};

use crate::load::Load;

/// The server that leads the ledger.
async fn leader(bus: &Bus) -> usize {
    let jetstream = jetstream::new(bus.connect_as_root().await);
    wait::until("the ledger to have a leader", async || {
        let stream = jetstream.get_stream(LEDGER).await.map_err(|error| error.to_string())?;
        let leader = stream.cached_info().cluster.as_ref().and_then(|cluster| cluster.leader.clone());
        leader.and_then(|name| name.strip_prefix('n')?.parse().ok()).ok_or_else(|| "none".to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaders_death_loses_no_acknowledged_write() {
    let mut fabric = Fabric::start_with(Options::CLUSTER).await;
    let _second = fabric.registry_replica("r2").await;
    let load = Load::start(&fabric, 16).await;
    load.goes_on(100, wait::PATIENCE).await;
    for _ in 0..2 {
        let node = leader(&fabric.bus).await;
        fabric.bus.kill9_server(node);
        load.goes_on(50, Duration::from_secs(20)).await;
        fabric.bus.restart_server(node).await;
        load.goes_on(50, Duration::from_secs(20)).await;
    }
    load.ends_with_all_in(&ledger(&fabric.bus).await).await;
}

/// A replica that lags must not hide from a reader what it has just written.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_read_right_after_a_write_holds_it() {
    let fabric = Fabric::start_with(Options::CLUSTER).await;
    let _replicas = [fabric.registry_replica("r2").await, fabric.registry_replica("r3").await];
    let (agent, working) = fabric.worker("ada").await;
    let long = Asking { timeout_ms: Some(20_000), ..Asking::default() };
    for round in 0..150 {
        let about = Register { about: About { model: Some(format!("m{round}")), ..About::default() } };
        let written = working.client.call_with::<call::Register>(&about, &long).await.unwrap();
        let ask = History {
            entity: EntityName::Agent,
            id: EntityId::from(&agent.record.id),
            after: written.as_of - 1,
            limit: None,
        };
        let read = working.client.call_with::<call::History>(&ask, &long).await.unwrap();
        assert_eq!(read.reply.facts.last().map(|line| line.revision), Some(written.as_of), "round {round}");
    }
}
