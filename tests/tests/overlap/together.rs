//! Many texts at once, and what others are answered meanwhile.

use std::time::{Duration, Instant};

use selvedge_contracts::{
    call,
    payload::{
        Nothing,
        overlap::{CheckAll, Text, Verdict},
    },
};
use selvedge_tests::overlap::{note, propose};

use crate::scene::{Scene, check};

/// Longest that anybody waits behind many texts: far less than these take, and far more than an answer does on a
/// machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_long_texts_hold_up_nobody_else() {
    let scene = Scene::start().await;
    let ada = scene.ada.client().clone();
    propose(&ada, &note("there", "Repair the login form of the clinic")).await.unwrap();
    let text = |at: usize| Text {
        title: format!("t{at} fix login form page number"),
        description: format!("abc def {at} ").repeat(300),
        ..Text::default()
    };
    let texts = (0..60).map(text).collect();
    let asking = ada.clone();
    let many = tokio::spawn(async move {
        let asked = CheckAll { texts, ..CheckAll::default() };
        asking.call::<call::OverlapCheckAll>(&asked).await
    });
    let (mut slowest, mut answered) = (Duration::ZERO, 0);
    while !many.is_finished() {
        let started = Instant::now();
        let wanted = note(&format!("n{answered}"), &format!("Count the storks of village {answered}"));
        let reply = propose(&ada, &wanted).await.unwrap();
        assert_ne!(reply.verdict, Verdict::Pending, "{reply:#?}");
        check(&ada, "Repair the login form").await;
        ada.call::<call::Whoami>(&Nothing {}).await.unwrap();
        slowest = slowest.max(started.elapsed());
        answered += 1;
    }
    assert!(answered > 1 && slowest < PATIENCE, "{answered} answers, the slowest after {slowest:?}");
    let reply = many.await.unwrap().unwrap().reply;
    assert_eq!(reply.checked.len(), 60);
    assert!(!reply.pairs.is_empty() && reply.pairs.is_sorted_by(|one, other| one.score >= other.score));
    assert!(reply.pairs.iter().all(|pair| pair.one < pair.other));
}
