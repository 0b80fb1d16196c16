//! nats-server killed with -9 and started again.

use std::time::Duration;

use selvedge_contracts::{
    call,
    id::{InviteId, Mission, Owner},
    payload::{
        Nothing,
        invite::InviteCreate,
        session::{SessionEnd, SessionStart},
    },
    role::Role,
};
use selvedge_kit::client::Client;
use selvedge_tests::{
    Options,
    fabric::{Fabric, plain_session},
    now_ms,
    raw::{facts, ledger, try_facts},
    wait,
};

use crate::load::Load;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_recorded_twice() {
    let mut fabric = Fabric::start_with(Options::DURABLE).await;
    let _second = fabric.registry_replica("r2").await;
    let load = Load::start(&fabric, 16).await;
    load.goes_on(100, wait::PATIENCE).await;
    for _ in 0..3 {
        fabric.bus.kill9_server(0);
        fabric.bus.restart_server(0).await;
        load.goes_on(200, wait::PATIENCE).await;
    }
    load.ends_with_all_in(&ledger(&fabric.bus).await).await;
}

async fn beats(client: &Client) {
    wait::until("a heartbeat", async || {
        client.call::<call::Heartbeat>(&Nothing {}).await.map_err(|fault| fault.to_string())
    })
    .await;
}

/// nats-server is away for longer than any presence lasts: nobody could say that they live, so all get
/// the time of one TTL to do so, and only who stays quiet is lost.
#[tokio::test(flavor = "multi_thread")]
async fn presence_is_watched_again_after_a_restart() {
    let mut fabric = Fabric::start().await;
    let _second = fabric.registry_replica("r2").await;
    let agent = fabric.agent("ada", Role::Worker).await;
    let start = |presence_ttl_ms| SessionStart { presence_ttl_ms: Some(presence_ttl_ms), ..plain_session() };
    let quiet = fabric.session(&agent, start(2_000)).await.unwrap();
    let loud = fabric.session(&agent, start(2_000)).await.unwrap();
    fabric.bus.kill9_server(0);
    let away_from_ms = now_ms();
    wait::until("more than their TTL to pass", async || match now_ms() - away_from_ms {
        away_ms if away_ms > 2_500 => Ok(()),
        away_ms => Err(away_ms),
    })
    .await;
    fabric.bus.restart_server(0).await;
    let back_at_ms = now_ms();
    let ledger = ledger(&fabric.bus).await;
    let lost = wait::until("the quiet session to be lost", async || {
        beats(&loud.client).await;
        let found = facts(&ledger, &format!("demo.session.{}.lost", quiet.session.id)).await;
        found.first().cloned().ok_or(found.len())
    })
    .await;
    let after_ms = lost.at_ms - back_at_ms;
    assert!((1_000..6_000).contains(&after_ms), "lost {after_ms} ms after the restart");
    assert_eq!(facts(&ledger, &format!("demo.session.{}.lost", loud.session.id)).await.len(), 0);
    fabric.session(&agent, start(2_000)).await.expect("a new session");
}

/// The timer is due while the server is away, and fires when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_timer_fires_after_a_restart() {
    let mut fabric = Fabric::start().await;
    let create = InviteCreate {
        id: InviteId::new("invite_short").unwrap(),
        mission: Mission::new("demo").unwrap(),
        role: Role::Worker,
        owner: Owner::new("person:olga").unwrap(),
        ttl_ms: 10_000,
    };
    let invite = fabric.operator.call::<call::InviteCreate>(&create).await.unwrap().reply.invite;
    let jetstream = async_nats::jetstream::new(fabric.bus.connect_as_root().await);
    wait::until("the timer to be armed", async || {
        let state = jetstream
            .get_stream("TIMERS_registry")
            .await
            .map_err(|error| error.to_string())?
            .cached_info()
            .state
            .clone();
        if state.messages == 1 { Ok(()) } else { Err(format!("{state:?}")) }
    })
    .await;
    fabric.bus.kill9_server(0);
    wait::until("its time to pass", async || {
        let left_ms = (invite.expires_at_ms + 500).saturating_sub(now_ms());
        if left_ms == 0 { Ok(()) } else { Err(left_ms) }
    })
    .await;
    fabric.bus.restart_server(0).await;
    let ledger = ledger(&fabric.bus).await;
    wait::until("the invite to expire", async || {
        match try_facts(&ledger, "demo.invite.invite_short.expired").await {
            Ok(found) if found.len() == 1 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_stays_ended_on_every_replica_after_a_restart() {
    let mut fabric = Fabric::start().await;
    let _second = fabric.registry_replica("r2").await;
    let (_, working) = fabric.worker("ada").await;
    working.client.call::<call::SessionEnd>(&SessionEnd::default()).await.unwrap();
    fabric.bus.kill9_server(0);
    fabric.bus.restart_server(0).await;
    for _ in 0..50 {
        let refused = wait::until_within(Duration::from_secs(10), "an answer", async || {
            match working.client.call::<call::Whoami>(&Nothing {}).await {
                Err(fault) if fault.is_retryable() => Err(fault.to_string()),
                other => Ok(other.map(|answer| answer.reply)),
            }
        })
        .await;
        assert_eq!(refused.unwrap_err().code, selvedge_contracts::fault::Code::Denied);
    }
}
