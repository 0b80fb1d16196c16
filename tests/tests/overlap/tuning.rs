//! What counts as alike, by mission, and what decisions say about it.

use selvedge_contracts::{
    call,
    fault::Code,
    payload::overlap::{Alert, Answer, Calibrate, CreationState, Thresholds, Tune, Verdict},
    role::Role,
};
use selvedge_tests::overlap::{decide, note, propose, stats};

use crate::scene::{Scene, refused};

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_are_a_missions_own() {
    let scene = Scene::start_with(2, |config| config).await;
    scene.fabric.mission("other").await;
    let planner = scene.member("demo", "pia", Role::Planner, "person:pia").await;
    let (ada, eve) = (scene.ada.client(), scene.member("other", "eve", Role::Worker, "person:eve").await);
    let off = Tune { alert: Some(Alert::Off), thresholds: None };
    refused(ada.call::<call::OverlapTune>(&off).await, Code::Denied, "may not publish");
    let set = planner.client().call::<call::OverlapTune>(&off).await.unwrap();
    assert_eq!(set.reply.tuning.alert, Alert::Off);
    let again = planner.client().call::<call::OverlapTune>(&off).await.unwrap();
    assert_eq!(again.reply.revision, set.reply.revision, "what is so already is not said twice");
    for (client, second) in [(ada, Verdict::Clear), (eve.client(), Verdict::Asked)] {
        let first = propose(client, &note("n1", "Trim the ivy")).await.unwrap();
        assert_eq!(first.verdict, Verdict::Clear);
        let reply = propose(client, &note("n2", "trim the ivy")).await.unwrap();
        assert_eq!(reply.verdict, second);
        assert_eq!(reply.checked.candidates.len(), 1, "it is shown in any case");
    }
    let high = Thresholds { strong: 1001, likely: 1001, similar: 1001 };
    let never = Tune { thresholds: Some(high), alert: Some(Alert::Similar) };
    planner.client().call::<call::OverlapTune>(&never).await.unwrap();
    let reply = propose(ada, &note("n3", "trim the ivy")).await.unwrap();
    assert_eq!((reply.verdict, reply.checked.candidates.len()), (Verdict::Clear, 0));
    let upside_down = Thresholds { strong: 1, likely: 2, similar: 3 };
    let wrong = Tune { thresholds: Some(upside_down), alert: None };
    let refusal = planner.client().call::<call::OverlapTune>(&wrong);
    refused(refusal.await, Code::Invalid, "/thresholds");
    assert_eq!(stats(ada).await.unwrap().tuning.thresholds, high);
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_make_the_curve_and_propose_thresholds() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    for at in 0..40 {
        let (what, is_same) = (["heron", "otter", "badger", "lynx"][at % 4], at % 2 == 0);
        let title = format!("Photograph the {what} at gate {}", (b'a' + (at / 4) as u8) as char);
        let first = propose(ada, &note(&format!("a{at}"), &title)).await.unwrap();
        if first.verdict == Verdict::Asked {
            decide(ada, &first.creation, Answer::Proceed).await.unwrap();
        }
        let second = propose(ada, &note(&format!("b{at}"), &title)).await.unwrap();
        assert_eq!(second.verdict, Verdict::Asked, "{second:#?}");
        let best = second.checked.candidates[0].creation.clone();
        let answer = if is_same { Answer::Merge(best) } else { Answer::Proceed };
        decide(ada, &second.creation, answer).await.unwrap();
    }
    let found = ada.call::<call::OverlapCalibrate>(&Calibrate::default()).await.unwrap().reply;
    let decided = scene.count("decided").await as u64;
    assert_eq!((found.decisions, found.merged), (decided, 20));
    assert!(!found.curve.is_empty() && found.curve.is_sorted_by_key(|point| point.threshold), "{found:#?}");
    let proposed = found.proposed.expect("enough decisions");
    assert!(proposed.strong >= proposed.likely && proposed.likely >= proposed.similar, "{proposed:?}");
    let counts = stats(ada).await.unwrap().states;
    assert_eq!(counts.get(&CreationState::Merged), Some(&20), "{counts:?}");
}
