//! What answers of a target mean, secrets, and outcomes that nobody knows.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _};

use selvedge_contracts::{
    call,
    fault::Code,
    id::{MediaType, SecretName},
    payload::{
        artifact::Get,
        intent::{Effect, HttpEffect, Intent, IntentState, Receipt, Repeat, Settle, Settlement},
    },
};
use selvedge_kit::{client::Client, transfer};
use selvedge_tests::{
    artifacts::meant,
    committer::{Scene, loopback, once, start_reaching},
    wait::until,
};

use crate::{
    REPLICA,
    target::{SECRET, Target},
};

const ENDS: &[IntentState] = &[IntentState::Committed, IntentState::Failed, IntentState::Unknown];

fn settlement(intent: &Intent, outcome: Settlement) -> Settle {
    let execution = intent.execution.clone().unwrap();
    Settle {
        intent: intent.id.clone(),
        outcome,
        note: "looked at the target".into(),
        round: intent.round,
        attempt: execution.attempt,
        executor: execution.executor,
    }
}

async fn settle(client: &Client, wanted: &Settle) -> Result<Intent, selvedge_contracts::fault::Fault> {
    client.call::<call::IntentSettle>(wanted).await.map(|answered| answered.reply.intent)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_and_a_refusal_says_why() {
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    let _committer = scene.committer("c1");
    let carried = async |effect: HttpEffect| {
        let approved = scene.approved(&once(Effect::Http(effect), "once")).await;
        scene.reaches(&approved.intent.id, ENDS).await
    };
    let made = carried(target.post("/orders/kept", Repeat::Unsafe)).await;
    let Some(Receipt::Http { status, response, content_type }) = made.receipt else { panic!("{made:?}") };
    assert_eq!((status, content_type.unwrap().as_str()), (Some(201), "application/json"));
    let get = Get { artifact: meant(response.unwrap().as_str()), offset: 0, len: None };
    let (_, body) =
        scene.operator.call_bytes::<call::ArtifactGet>(&get, "".into(), &Default::default()).await.unwrap();
    assert_eq!(body.as_ref(), br#"{"made":true}"#);

    for (path, words) in [("/status/404", "404"), ("/status/409", "409"), ("/moved/x", "/orders/elsewhere")] {
        let refused = carried(target.post(path, Repeat::Unsafe)).await;
        assert_eq!(refused.state, IntentState::Failed, "{path}");
        assert!(refused.reasons[0].message.contains(words), "{:?}", refused.reasons);
        assert_eq!(target.asked("POST", path), 1, "{path}");
    }
    assert_eq!(target.done("/orders/elsewhere"), 0, "no redirect is followed");

    let patient = carried(target.post("/flaky/f", Repeat::ByKey)).await;
    assert_eq!(patient.state, IntentState::Committed, "{:?}", patient.reasons);
    assert_eq!((target.asked("POST", "/flaky/f"), target.done("/flaky/f")), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_nobody_knows_stops_until_a_person_settles_it() {
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    let _committer = scene.committer("c1");
    for (path, outcome, state) in [
        ("/silent/a", Settlement::Happened, IntentState::Committed),
        ("/silent/b", Settlement::DidNot, IntentState::Failed),
        ("/status/500", Settlement::DidNot, IntentState::Failed),
    ] {
        let effect = Effect::Http(target.post(path, Repeat::Unsafe));
        let approved = scene.approved(&once(effect, "once")).await;
        let unknown = scene.reaches(&approved.intent.id, ENDS).await;
        assert_eq!(unknown.state, IntentState::Unknown, "{path}: {:?}", unknown.reasons);
        let wanted = settlement(&unknown, outcome);
        for outdated in [
            Settle { executor: "another".parse().unwrap(), ..wanted.clone() },
            Settle { attempt: wanted.attempt + 1, ..wanted.clone() },
            Settle { round: wanted.round + 1, ..wanted.clone() },
        ] {
            assert_eq!(settle(&scene.operator, &outdated).await.unwrap_err().code, Code::Conflict);
        }
        assert_eq!(settle(scene.ada.client(), &wanted).await.unwrap_err().code, Code::Denied);
        let settled = settle(&scene.operator, &wanted).await.unwrap();
        assert_eq!(settled.state, state, "{path}");
        assert_eq!(settle(&scene.operator, &wanted).await.unwrap(), settled, "it is settled");
        if let Some(Receipt::Settled { owner, note, .. }) = &settled.receipt {
            assert_eq!((owner.as_str(), note.as_str()), ("person:olga", "looked at the target"));
        }
        assert_eq!(settled.receipt.is_some(), state == IntentState::Committed);
        assert_eq!(target.asked("POST", path), 1, "{path} was never asked again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_repetition_does_not_say_that_nothing_was_done() {
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    let _committer = scene.committer("c1");
    let carried = async |effect: Effect| {
        let approved = scene.approved(&once(effect, "once")).await;
        scene.reaches(&approved.intent.id, ENDS).await
    };
    let blind = carried(Effect::Http(target.post("/taken/a", Repeat::ByKey))).await;
    assert_eq!((blind.state, target.done("/taken/a")), (IntentState::Unknown, 1), "{:?}", blind.reasons);
    let Effect::Http(probed) = target.probed("/taken/b") else { panic!("no request") };
    let told = carried(Effect::Http(HttpEffect { repeat: Repeat::ByKey, ..probed })).await;
    assert_eq!((told.state, target.done("/taken/b")), (IntentState::Committed, 1), "{:?}", told.reasons);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_tried_until_it_expires() {
    let scene = Scene::start(REPLICA).await;
    let _committer = scene.committer("c1");
    let gone = Target::start().await;
    let effect = Effect::Http(gone.post("/orders/x", Repeat::Unsafe));
    drop(gone);
    let mut wanted = once(effect, "once");
    wanted.expires_after_ms = Some(4_000);
    let approved = scene.approved(&wanted).await;
    let failed = scene.reaches(&approved.intent.id, ENDS).await;
    assert_eq!(failed.state, IntentState::Failed, "nothing was ever sent: {:?}", failed.reasons);
    assert!(failed.execution.unwrap().attempt > 1, "it was tried again");
    assert_eq!(failed.reasons[0].message, "its time ran out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_to_the_target_and_nowhere_else() {
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    let file = scene.fabric.bus.path().join("secrets.toml");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let _committer = scene.committer("c1");
    let effect = |path: &str| HttpEffect {
        secrets: BTreeMap::from([("authorization".to_owned(), SecretName::new("token").unwrap())]),
        ..target.post(path, Repeat::Unsafe)
    };
    let carried = async |path: &str| {
        let approved = scene.approved(&once(Effect::Http(effect(path)), "once")).await;
        scene.reaches(&approved.intent.id, ENDS).await
    };
    let missing = carried("/secret/missing").await;
    assert_eq!(missing.reasons[0].message, "there is no secret token");
    // The file is read anew for every use.
    fs::write(&file, format!("token = {SECRET:?}\n")).unwrap();
    let done = carried("/secret/done").await;
    assert_eq!((done.state, target.done("/secret/done")), (IntentState::Committed, 1), "{:?}", done.reasons);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let open = carried("/secret/open").await;
    assert!(open.reasons[0].message.contains("chmod 600"), "{:?}", open.reasons);
    assert_eq!(target.asked("POST", "/secret/open"), 0);
    let facts = until("all facts", async || {
        let facts = selvedge_tests::raw::facts(&scene.ledger, ">").await;
        if facts.is_empty() { Err("none") } else { Ok(facts) }
    });
    for fact in facts.await {
        let text = String::from_utf8_lossy(&fact.envelope.payload).into_owned();
        assert!(!text.contains("s3cret"), "revision {} tells the secret", fact.revision);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_says_back_of_a_secret_is_kept_nowhere() {
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    let file = scene.fabric.bus.path().join("secrets.toml");
    fs::write(&file, format!("token = {SECRET:?}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let _committer = scene.committer("c1");
    let carried = async |path: &str| {
        let effect = HttpEffect {
            secrets: BTreeMap::from([("authorization".to_owned(), SecretName::new("token").unwrap())]),
            headers: BTreeMap::from([("x-note".to_owned(), "a note".to_owned())]),
            ..target.post(path, Repeat::Unsafe)
        };
        let approved = scene.approved(&once(Effect::Http(effect), "once")).await;
        scene.reaches(&approved.intent.id, ENDS).await
    };
    let echoed = carried("/echo/a").await;
    let Some(Receipt::Http { response: Some(response), .. }) = echoed.receipt else { panic!("{echoed:?}") };
    let get = Get { artifact: meant(response.as_str()), offset: 0, len: None };
    let (_, body) =
        scene.operator.call_bytes::<call::ArtifactGet>(&get, "".into(), &Default::default()).await.unwrap();
    assert_eq!(body.as_ref(), b"you said [secret token] and a note");
    let told = carried("/tell/b").await;
    let why = &told.reasons[0].message;
    assert!(why.contains("said=[secret token]") && !why.contains("s3cret-of"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_public_is_not_asked_whatever_it_is_called() {
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    let committer = start_reaching(&scene.fabric.bus, "c1", Vec::new()).await;
    for (host, n) in [("127.0.0.1", 1), ("localhost", 2), ("2130706433", 3), ("[::ffff:7f00:1]", 4)] {
        let url = format!("http://{host}:{}/orders/x", target.port());
        let effect = HttpEffect { url, ..target.post("/", Repeat::Unsafe) };
        let approved = scene.approved(&once(Effect::Http(effect), &n.to_string())).await;
        let refused = scene.reaches(&approved.intent.id, ENDS).await;
        assert_eq!(refused.state, IntentState::Failed, "{host}");
        assert!(refused.reasons[0].message.contains("committer.allowed_networks"), "{:?}", refused.reasons);
    }
    assert_eq!((target.asked("POST", "/orders/x"), target.done("/orders/x")), (0, 0));
    committer.drain().await;
    // The same name is asked where a setting allows what it stands for.
    let committer = start_reaching(&scene.fabric.bus, "c2", loopback()).await;
    let url = format!("http://localhost:{}/orders/y", target.port());
    let effect = HttpEffect { url, ..target.post("/", Repeat::Unsafe) };
    let approved = scene.approved(&once(Effect::Http(effect), "allowed")).await;
    let done = scene.reaches(&approved.intent.id, ENDS).await;
    assert_eq!((done.state, target.done("/orders/y")), (IntentState::Committed, 1), "{:?}", done.reasons);
    committer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_sent_as_it_was_stored() {
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    let _committer = scene.committer("c1");
    // Larger than one message, so that it comes in pieces.
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let stored = transfer::put_bytes(scene.ada.client(), content.clone().into()).await.unwrap();
    let effect = HttpEffect {
        body: Some(stored.digest),
        content_type: Some(MediaType::new("text/csv").unwrap()),
        timeout_ms: Some(10_000),
        ..target.post("/bodied/a", Repeat::Unsafe)
    };
    let approved = scene.approved(&once(Effect::Http(effect), "once")).await;
    let done = scene.reaches(&approved.intent.id, ENDS).await;
    assert_eq!(done.state, IntentState::Committed, "{:?}", done.reasons);
    let [(content_type, body)] = &target.bodies("/bodied/a")[..] else { panic!("it came once") };
    assert_eq!((content_type.as_str(), body == &content), ("text/csv", true), "{} bytes", body.len());
}
