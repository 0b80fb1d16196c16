//! One mission's flood, and another mission that wants one thing done.

use selvedge_contracts::{
    id::{IntentId, Mission},
    payload::intent::{Effect, HttpEffect, IntentState, Repeat},
    role::Role,
};
use selvedge_tests::{
    committer::{Scene, once},
    fabric::lasting_session,
    governance,
    wait::until,
};
use serde_json::json;

use crate::{REPLICA, target::Target};

/// More than one committer carries out at once.
const FLOOD: usize = 70;

#[tokio::test(flavor = "multi_thread")]
async fn no_mission_keeps_another_waiting() {
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    let mut flood: Vec<IntentId> = Vec::new();
    for n in 0..FLOOD {
        // Nobody answers for a minute, which is longer than this test waits for anything.
        let silent =
            HttpEffect { timeout_ms: Some(60_000), ..target.post(&format!("/silent/{n}"), Repeat::Unsafe) };
        flood.push(scene.approved(&once(Effect::Http(silent), "flood")).await.intent.id);
    }
    scene.fabric.mission("other").await;
    let invite = scene.fabric.invite_to("other", Role::Worker, "person:oona").await;
    let agent = scene.fabric.join(&invite, "oona", &nkeys::KeyPair::new_user()).await.unwrap();
    let oona = scene.fabric.session(&agent, lasting_session()).await.unwrap();
    assert_eq!(oona.session.mission, Mission::new("other").unwrap());

    let _committer = scene.committer("c1");
    until("the flood to be under way", async || {
        // Whichever is first: as many as there is memory for are asked at once.
        let asked = (0..FLOOD).filter(|n| target.asked("POST", &format!("/silent/{n}")) > 0).count();
        if asked > 1 { Ok(()) } else { Err(asked) }
    })
    .await;
    let wanted = once(governance::memory("one/thing", json!(1)), "other");
    let id = governance::propose(&oona.client, &wanted).await.unwrap().intent.id;
    until("the other mission's record to be written", async || {
        match governance::show(&oona.client, &id).await.unwrap().intent.state {
            IntentState::Committed => Ok(()),
            state => Err(state),
        }
    })
    .await;
    for id in flood {
        let state = scene.intent(&id).await.state;
        assert!(matches!(state, IntentState::Approved | IntentState::Executing), "{state:?}");
    }
}
