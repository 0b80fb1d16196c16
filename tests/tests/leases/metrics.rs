//! What the service counts.

use selvedge_contracts::{
    call,
    payload::lease::{Acquire, ForceRelease},
};
use selvedge_kit::metrics::Metrics;
use selvedge_leases::SpaceLimits;
use selvedge_tests::{Options, wait};

use crate::scene::{Scene, path, space, wanted};

/// Waits until the page holds these lines.
async fn shows(metrics: &Metrics, lines: &[&str]) {
    wait::until("the counts", async || {
        let page = metrics.text();
        let missing: Vec<_> =
            lines.iter().filter(|line| !page.lines().any(|found| found == **line)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} not in\n{page}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_refusals_waiters_ends_and_spaces_are_counted() {
    let mut scene = Scene::start_with(Options::LAZY, 0).await;
    let (url, metrics) = (scene.fabric.bus.url(), Metrics::default());
    scene.leases.push(scene.fabric.leases_with(&url, "l0", SpaceLimits::default(), &metrics).await);
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let none = ["selvedge_lease_grants_total 0", "selvedge_lease_refusals_total{reason=\"conflict\"} 0"];
    shows(&metrics, &none).await;
    let (first, second) = (ada.take("a").await, ada.take("b").await);
    bob.acquire(&wanted(vec![path("a")])).await.unwrap_err();
    bob.acquire(&wanted(vec![path("/a")])).await.unwrap_err();
    let waiting = Acquire { wait_ms: Some(20_000), ..wanted(vec![path("a")]) };
    let counting = async {
        let held = [
            "selvedge_lease_grants_total 2",
            "selvedge_lease_refusals_total{reason=\"conflict\"} 1",
            "selvedge_lease_refusals_total{reason=\"invalid\"} 1",
            "selvedge_leases 3",
            "selvedge_lease_waiters 1",
            "selvedge_spaces_owned 1",
            "selvedge_space_takeovers_total 1",
        ];
        shows(&metrics, &held).await;
        ada.release(&first).await.unwrap();
    };
    let (waited, ()) = tokio::join!(bob.keyed("k", &waiting), counting);
    waited.unwrap();
    let force = ForceRelease { space: space(), lease: second.id, reason: "a test".to_owned() };
    let operator = scene.fabric.operator.clone().in_mission(second.mission.clone());
    operator.call::<call::LeaseForceRelease>(&force).await.unwrap();
    let short = Acquire { ttl_ms: Some(1_000), ..wanted(vec![path("short")]) };
    ada.acquire(&short).await.unwrap();
    let ended = [
        "selvedge_lease_grants_total 4",
        "selvedge_lease_ends_total{how=\"released\"} 1",
        "selvedge_lease_ends_total{how=\"forced\"} 1",
        "selvedge_lease_ends_total{how=\"expired\"} 1",
        "selvedge_leases 1",
        "selvedge_lease_waiters 0",
    ];
    shows(&metrics, &ended).await;
}
