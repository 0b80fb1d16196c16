//! Across missions as far as the asker may read.

use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    fault::Code,
    payload::overlap::{Explain, Side, Text, Verdict},
    role::Role,
};
use selvedge_tests::{
    fabric::lasting_session,
    overlap::{note, propose, show},
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
