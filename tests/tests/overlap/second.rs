//! A second model has a say in the order of what is found, and decides nothing.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use selvedge_contracts::{
    call,
    payload::overlap::{Answer, Check, Checked, Verdict},
};
use selvedge_overlap::service::{Config, SecondConfig};
use selvedge_tests::overlap::{decide, note, propose, show};
use serde_json::{Value, json};

use crate::scene::Scene;

/// How the server behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Texts that say "password" point the same way as each other, and elsewhere than all others.
    Answers,
    /// Status 500.
    Fails,
    /// It takes the question and says nothing.
    Silent,
    /// A vector too few.
    Short,
}

struct Server {
    manner: Manner,
    texts: AtomicUsize,
}

async fn embeddings(State(server): State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((headers["authorization"].to_str().unwrap(), &asked["model"]), ("Bearer s3cret", &json!("m")));
    let texts: Vec<&str> =
        asked["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    server.texts.fetch_add(texts.len(), Ordering::SeqCst);
    let vector = |text: &&str| if text.contains("password") { json!([0.0, 2.0]) } else { json!([1.0, 0.1]) };
    let mut data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({ "object": "embedding", "index": index, "embedding": vector(text) }))
        .collect();
    match server.manner {
        Manner::Answers => data.reverse(),
        Manner::Fails => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Manner::Silent => std::future::pending().await,
        Manner::Short => drop(data.pop()),
    }
    json!({ "object": "list", "data": data, "model": "m" }).to_string().into_response()
}

async fn start(manner: Manner) -> (Scene, Arc<Server>) {
    let server = Arc::new(Server { manner, texts: AtomicUsize::new(0) });
    let app = Router::new().route("/v1/embeddings", post(embeddings)).with_state(Arc::clone(&server));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = format!("http://{}/v1/embeddings", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let folder = tempfile::tempdir().unwrap();
    let key_file = key(&folder.keep());
    let scene = Scene::start_with(1, |config| Config {
        second: Some(SecondConfig {
            place: place.clone(),
            model: Some("m".to_owned()),
            key_file: Some(key_file.clone()),
            timeout_ms: 500,
        }),
        ..config
    })
    .await;
    (scene, server)
}

fn key(folder: &std::path::Path) -> PathBuf {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let path = folder.join("key");
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    file.write_all(b"s3cret\n").unwrap();
    path
}

const WANTED: &str = "Fix the login form of the shop";
const NEAR: &str = "Fix the login form of the shop again";
const FAR: &str = "Fix the login of the shop: it loses the password";

/// Two things that look like what is wanted; by the first model the one that does not speak of passwords is nearer.
async fn two(scene: &Scene) {
    for (id, title) in [("n1", NEAR), ("n2", FAR)] {
        let reply = propose(scene.ada.client(), &note(id, title)).await.unwrap();
        if reply.verdict == Verdict::Asked {
            decide(scene.ada.client(), &reply.creation, Answer::Proceed).await.unwrap();
        }
    }
}

async fn check(scene: &Scene, title: &str) -> Checked {
    let check = Check { title: title.to_owned(), at_least: Some(0), ..Check::default() };
    scene.ada.client().call::<call::OverlapCheck>(&check).await.unwrap().reply
}

fn titles(checked: &Checked) -> Vec<&str> {
    checked.candidates.iter().map(|candidate| candidate.title.as_str()).collect()
}

#[tokio::test]
async fn what_is_found_comes_in_its_order_and_what_is_recorded_does_not_change() {
    let (scene, server) = start(Manner::Answers).await;
    two(&scene).await;
    let about = format!("{NEAR} password");
    let found = check(&scene, &about).await;
    assert_eq!(titles(&found), [FAR, NEAR]);
    let seconds: Vec<_> = found.candidates.iter().map(|candidate| candidate.second).collect();
    assert_eq!(seconds, [Some(1_000), Some(100)]);
    assert!(found.candidates[0].score < found.candidates[1].score, "{found:?}");
    let second = found.second.unwrap();
    assert_eq!((second.model.as_str(), second.failed), ("m", None));

    let asked = server.texts.load(Ordering::SeqCst);
    check(&scene, &about).await;
    assert_eq!(server.texts.load(Ordering::SeqCst), asked, "known vectors are not asked for again");

    // What is decided in order knows nothing of it; whoever looks sees it.
    let proposed = propose(scene.ada.client(), &note("n3", &about)).await.unwrap();
    assert!(proposed.verdict == Verdict::Asked && proposed.checked.second.is_none(), "{proposed:?}");
    let shown = show(scene.ada.client(), &proposed.creation).await.unwrap().creation.checked.unwrap();
    assert_eq!(titles(&shown).first(), Some(&FAR));
    assert!(shown.second.is_some());
}

#[tokio::test]
async fn what_does_not_answer_leaves_the_order_and_is_named() {
    for (manner, said) in [
        (Manner::Fails, "status 500"),
        (Manner::Silent, "not within 500 ms"),
        (Manner::Short, "2 embeddings for 3 texts"),
    ] {
        let (scene, _server) = start(manner).await;
        two(&scene).await;
        let found = check(&scene, WANTED).await;
        assert_eq!(titles(&found), [NEAR, FAR]);
        assert!(found.candidates.iter().all(|candidate| candidate.second.is_none()));
        let failed = found.second.unwrap().failed.unwrap();
        assert!(failed.contains(said) && !failed.contains("127.0.0.1"), "{failed}");
    }
}
