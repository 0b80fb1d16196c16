//! A fabric as it should be.

use selvedge_contracts::{
    call,
    id::Mission,
    payload::{
        agent::{AgentList, AgentStatus},
        lease::LeaseList,
        session::{SessionList, SessionStatus},
    },
};
use selvedge_eval::{News, Options, Suite, Verdict};
use selvedge_tests::eval::Whole;
use tokio_util::sync::CancellationToken;

use crate::{alone, options, tried};

async fn holds(suite: Suite, trials: u32) {
    let _alone = alone().await;
    let whole = Whole::start().await;
    let report = tried(&whole, &options(suite, trials)).await;
    assert_eq!(report.verdict, Verdict::Held, "{}", report.human());
    assert!(report.cases.len() >= 3 && report.cases.iter().all(|case| case.held == case.trials));
    nothing_is_left(&whole, &report.mission).await;
    whole.stop().await;
}

async fn nothing_is_left(whole: &Whole, mission: &Mission) {
    let operator = whole.fabric.operator.clone().in_mission(mission.clone());
    let list = AgentList { mission: Some(mission.clone()), limit: Some(1_000), ..AgentList::default() };
    let agents = operator.call::<call::AgentList>(&list).await.unwrap().reply.agents;
    assert!(agents.len() >= 9, "{agents:?}");
    assert!(agents.iter().all(|agent| agent.status == AgentStatus::Retired), "{agents:?}");
    let list = SessionList {
        mission: Some(mission.clone()),
        status: Some(SessionStatus::Open),
        ..SessionList::default()
    };
    let sessions = operator.call::<call::SessionList>(&list).await.unwrap().reply.sessions;
    assert_eq!(sessions, []);
    let leases = operator.call::<call::LeaseList>(&LeaseList::default()).await.unwrap().reply.leases;
    assert_eq!(leases, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn races_hold() {
    holds(Suite::Race, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staleness_holds() {
    holds(Suite::Staleness, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_hold() {
    holds(Suite::Replay, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn escalation_holds() {
    holds(Suite::Escalation, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compensation_holds() {
    holds(Suite::Compensation, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_tries_the_same_and_another_one_something_else() {
    let _alone = alone().await;
    let whole = Whole::start().await;
    let mut digests = Vec::new();
    for seed in [1, 1, 2] {
        let report = tried(&whole, &Options { seed, ..options(Suite::Compensation, 3) }).await;
        digests.push(report.cases.iter().map(|case| case.tried_digest.clone()).collect::<Vec<_>>());
    }
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[1], digests[2]);
    whole.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_it_half_way_finds_everything_taken_back() {
    let _alone = alone().await;
    let whole = Whole::start().await;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    // In the middle of a case that leaves leases and plans.
    let news = move |news: News<'_>| {
        if let News::Trial { case: "task-claims", .. } = news {
            stopping.cancel();
        }
    };
    let wanted = options(Suite::Race, 50);
    let report = selvedge_eval::run(whole.deployment(), &wanted, stop, &news).await.unwrap();
    assert_eq!(report.verdict, Verdict::Unfinished, "{}", report.human());
    assert_eq!(report.ended.as_deref(), Some("it was interrupted"));
    nothing_is_left(&whole, &report.mission).await;
    let xml = report.junit().unwrap();
    assert!(xml.contains("<error"), "{xml}");
    whole.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fabric_that_lacks_a_service_is_not_told_to_hold() {
    let _alone = alone().await;
    let fabric = selvedge_tests::fabric::Fabric::start().await;
    let deployment = selvedge_eval::Deployment {
        url: fabric.bus.url(),
        connect_timeout_ms: 5_000,
        kluster: fabric.bus.keyring().kluster(fabric.bus.kluster().name()).unwrap(),
        operator: selvedge_kit::credential::Login::held(fabric.operator_credential.clone()),
        tells_denials: false,
    };
    let wanted = Options { timeout_ms: 3_000, ..options(Suite::Race, 1) };
    let run = selvedge_eval::run(deployment, &wanted, CancellationToken::new(), &|_| {}).await;
    assert!(run.is_err() || run.is_ok_and(|report| report.verdict == Verdict::Unfinished));
}
