//! Across missions as far as the asker may read.

use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    fault::Code,
    payload::overlap::{Answer, Candidate, Checked, Explain, Side, Text, Verdict},
    role::Role,
};
use selvedge_tests::{
    fabric::lasting_session,
    overlap::{decide, note, propose, show, stats},
};

use crate::scene::{Scene, check, found, refused};

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_another_mission_is_shown_to_its_members_alone() {
    let scene = Scene::start().await;
    scene.fabric.mission("secret").await;
    let (ada, eve) = (scene.ada.client(), scene.member("secret", "eve", Role::Worker, "person:eve").await);
    let hidden = propose(eve.client(), &note("n1", "Catalogue the meteorites")).await.unwrap();
    assert!(check(ada, "Catalogue the meteorites").await.candidates.is_empty());
    let own = propose(ada, &note("n1", "Catalogue the meteorites")).await.unwrap();
    assert_eq!(own.verdict, Verdict::Clear, "what one may not read raises no alarm");
    refused(show(ada, &hidden.creation).await, Code::NotFound, "that you may read");
    let text = Side::Text(Text { title: "x".to_owned(), ..Text::default() });
    let explain = Explain { one: Side::Creation(hidden.creation.clone()), other: text };
    refused(ada.call::<call::OverlapExplain>(&explain).await, Code::NotFound, "that you may read");
    // A member of both is shown both, and asked about the other mission's.
    let key = KeyPair::new_user();
    let invite = scene.fabric.invite_to("secret", Role::Worker, "person:both").await;
    scene.fabric.join(&invite, "both", &key).await.unwrap();
    let invite = scene.fabric.invite_to("demo", Role::Worker, "person:both").await;
    let both = scene.fabric.join(&invite, "both", &key).await.unwrap();
    let both = scene.fabric.session(&both, lasting_session()).await.unwrap();
    let checked = check(&both.client, "Catalogue the meteorites").await;
    let missions: Vec<_> = checked.candidates.iter().map(|found| found.mission.as_str()).collect();
    assert_eq!(missions, ["demo", "secret"], "one's own mission counts for more: {checked:#?}");
    assert_eq!(show(&both.client, &hidden.creation).await.unwrap().creation.creation, hidden.creation);
    let eves = check(eve.client(), "Catalogue the meteorites").await;
    assert_eq!(found(&eves), [&hidden.creation]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_in_another_mission_is_recorded_without_what_it_says() {
    let scene = Scene::start().await;
    scene.fabric.mission("secret").await;
    let eve = scene.member("secret", "eve", Role::Worker, "person:eve").await;
    let hidden = propose(eve.client(), &note("obscura-1", "Acquire the obscura lens")).await.unwrap();
    let key = KeyPair::new_user();
    let invite = scene.fabric.invite_to("secret", Role::Worker, "person:xen").await;
    scene.fabric.join(&invite, "xen", &key).await.unwrap();
    let invite = scene.fabric.invite_to("demo", Role::Worker, "person:xen").await;
    let xen = scene.fabric.join(&invite, "xen", &key).await.unwrap();
    let xen = scene.fabric.session(&xen, lasting_session()).await.unwrap().client;
    let hearing = scene.fabric.bus.connect_as(&scene.ada.working.credential).await;
    let mut live = hearing.subscribe("sv.live.demo.creation.*.checked").await.unwrap();
    hearing.flush().await.unwrap();
    let asked = propose(&xen, &note("n1", "Acquire the obscura lens")).await.unwrap();
    assert_eq!((asked.verdict, found(&asked.checked)), (Verdict::Asked, vec![&hidden.creation]));
    assert_eq!(asked.checked.candidates[0].title, "Acquire the obscura lens");
    let fact = tokio::time::timeout(selvedge_tests::wait::PATIENCE, futures::StreamExt::next(&mut live));
    let fact = String::from_utf8_lossy(&fact.await.unwrap().unwrap().payload).into_owned();
    assert!(fact.contains(hidden.creation.as_str()), "{fact}");
    for secret in ["obscura-1", "person:eve"] {
        assert!(!fact.contains(secret), "{secret} in {fact}");
    }
    // Who may read one mission is shown that there was something, who may read both what it was.
    let shown = show(scene.ada.client(), &asked.creation).await.unwrap().creation.checked.unwrap();
    assert!(shown.candidates.is_empty() && shown.elsewhere.is_empty(), "{shown:#?}");
    let shown = show(&xen, &asked.creation).await.unwrap().creation.checked.unwrap();
    assert_eq!(said(&shown), said(&asked.checked));
    let again = propose(&xen, &note("n1", "Acquire the obscura lens")).await.unwrap();
    assert_eq!(said(&again.checked), said(&asked.checked), "asked again, it is shown again");
    let merged = decide(&xen, &asked.creation, Answer::Merge(hidden.creation.clone())).await.unwrap();
    let checked = merged.creation.checked.unwrap();
    assert!(checked.candidates.is_empty(), "{checked:#?}");
    assert_eq!(checked.elsewhere[0].creation, hidden.creation);
    let curve = ada_curve(&scene).await;
    assert_eq!((curve.decisions, curve.merged), (1, 1), "it counts for what agents decide");
}

/// What is shown of each candidate, but for how rare its words are.
fn said(checked: &Checked) -> Vec<(&str, &str, u16, bool)> {
    let said = |found| {
        let Candidate { creation, title, score, reasons, .. }: &Candidate = found;
        (creation.as_str(), title.as_str(), *score, !reasons.is_empty())
    };
    checked.candidates.iter().map(said).collect()
}

async fn ada_curve(scene: &Scene) -> selvedge_contracts::payload::overlap::Calibration {
    let wanted = selvedge_contracts::payload::overlap::Calibrate::default();
    scene.ada.client().call::<call::OverlapCalibrate>(&wanted).await.unwrap().reply
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_may_read_everything_shows_nothing_of_it_to_a_mission() {
    let scene = Scene::start().await;
    scene.fabric.mission("secret").await;
    let eve = scene.member("secret", "eve", Role::Worker, "person:eve").await;
    propose(eve.client(), &note("n1", "Acquire the obscura lens")).await.unwrap();
    let mission = selvedge_contracts::id::Mission::new("demo").unwrap();
    let operator = scene.fabric.operator.clone().in_mission(mission);
    let asked = propose(&operator, &note("n2", "Acquire the obscura lens")).await.unwrap();
    assert_eq!((asked.verdict, asked.checked.candidates.len()), (Verdict::Asked, 1));
    let shown = show(scene.ada.client(), &asked.creation).await.unwrap().creation.checked.unwrap();
    assert!(shown.candidates.is_empty(), "{shown:#?}");
    let shown = show(&operator, &asked.creation).await.unwrap().creation.checked.unwrap();
    assert_eq!(said(&shown), said(&asked.checked));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_of_the_missions_that_one_may_read() {
    let scene = Scene::start().await;
    scene.fabric.mission("secret").await;
    let eve = scene.member("secret", "eve", Role::Worker, "person:eve").await;
    for at in 0..5 {
        let titles = ["Catalogue meteorites", "Tune the harp", "Feed the otters", "Dig a well", "Buy stamps"];
        propose(eve.client(), &note(&format!("n{at}"), titles[at])).await.unwrap();
    }
    propose(scene.ada.client(), &note("n1", "Sharpen the scythe")).await.unwrap();
    let (own, others) = (stats(scene.ada.client()).await.unwrap(), stats(eve.client()).await.unwrap());
    assert_eq!((own.whole, own.items, own.text_bytes), (false, 1, 0), "{own:#?}");
    assert_eq!(own.states.values().sum::<u64>(), 1, "{own:#?}");
    assert_eq!(others.items, 5);
    let whole = stats(&scene.fabric.operator).await.unwrap();
    assert_eq!((whole.whole, whole.items), (true, 6), "{whole:#?}");
    assert!(whole.text_bytes > 0 && whole.index_bytes > 0);
}
