//! Canonical records: compare and set, history, who wrote what.

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::RecordKey,
    payload::{
        intent::{Effect, Intent, IntentState, MemoryEffect},
        memory::{MemoryGet, MemoryHistory, MemoryList, RecordReply, Records},
    },
};
use selvedge_kit::client::{Client, Options};
use selvedge_tests::committer::{Scene, once, start};
use serde_json::{Value, json};

use crate::REPLICA;

fn key(key: &str) -> RecordKey {
    RecordKey::new(key).unwrap()
}

fn record(name: &str, value: Option<Value>, revision: u64) -> Effect {
    Effect::Memory(MemoryEffect { key: key(name), value, revision, sources: Vec::new() })
}

async fn carried(scene: &Scene, effect: Effect) -> Intent {
    let proposed = scene.approved(&once(effect, "once")).await;
    scene.reaches(&proposed.intent.id, &[IntentState::Committed, IntentState::Failed]).await
}

async fn get(client: &Client, name: &str) -> Result<RecordReply, Fault> {
    let options = Options { at_least: 1, ..Options::default() };
    let answered = client.call_with::<call::MemoryGet>(&MemoryGet { key: key(name) }, &options).await?;
    Ok(answered.reply)
}

async fn list(client: &Client, prefix: &str, after: Option<&str>, limit: u32) -> Records {
    let wanted = MemoryList { prefix: Some(prefix.into()), after: after.map(key), limit: Some(limit) };
    client.call::<call::MemoryList>(&wanted).await.unwrap().reply
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_replaced_as_its_writer_knew_it_or_not_at_all() {
    let scene = Scene::start(REPLICA).await;
    let committer = start(&scene.fabric.bus, "c1").await;
    let ada = scene.ada.client();
    assert_eq!(get(ada, "plan/a").await.unwrap_err().code, Code::NotFound);
    let first = carried(&scene, record("plan/a", Some(json!({ "n": 1 })), 0)).await;
    assert_eq!(first.state, IntentState::Committed, "{:?}", first.reasons);
    let one = get(ada, "plan/a").await.unwrap();
    assert_eq!((&one.record.value, &one.record.intent), (&Some(json!({ "n": 1 })), &first.id));
    assert_eq!(one.record.author.as_str(), scene.ada.agent.record.id.as_str());

    let second = carried(&scene, record("plan/a", Some(json!({ "n": 2 })), one.revision)).await;
    assert_eq!(second.state, IntentState::Committed, "{:?}", second.reasons);
    let two = get(ada, "plan/a").await.unwrap();
    let stale = carried(&scene, record("plan/a", Some(json!({ "n": 3 })), one.revision)).await;
    assert_eq!(stale.state, IntentState::Failed);
    let both = format!("the record is at revision {}, not {}", two.revision, one.revision);
    assert_eq!(stale.reasons[0].message, both);

    let gone = carried(&scene, record("plan/a", None, two.revision)).await;
    assert_eq!(gone.state, IntentState::Committed, "{:?}", gone.reasons);
    let deleted = get(ada, "plan/a").await.unwrap();
    assert_eq!((&deleted.record.value, deleted.revision > two.revision), (&None, true));
    let wanted = MemoryHistory { key: key("plan/a"), after: 0, limit: None };
    let history = ada.call::<call::MemoryHistory>(&wanted).await.unwrap().reply;
    assert_eq!(history, Records { records: vec![one.clone(), two.clone(), deleted], more: false });
    let page = MemoryHistory { after: one.revision, limit: Some(1), ..wanted };
    let page = ada.call::<call::MemoryHistory>(&page).await.unwrap().reply;
    assert_eq!(page, Records { records: vec![two], more: true });
    committer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_listed_by_prefix_and_page_and_at_least_as_new_as_asked() {
    let scene = Scene::start(REPLICA).await;
    let committer = start(&scene.fabric.bus, "c1").await;
    for name in ["a/1", "a/2", "a/3", "b"] {
        carried(&scene, record(name, Some(json!(name)), 0)).await;
    }
    let names = |records: &Records| {
        records.records.iter().map(|reply| reply.record.key.to_string()).collect::<Vec<_>>()
    };
    let first = list(scene.ada.client(), "a/", None, 2).await;
    assert_eq!((names(&first), first.more), (vec!["a/1".to_owned(), "a/2".to_owned()], true));
    let rest = list(scene.ada.client(), "a/", Some("a/2"), 2).await;
    assert_eq!((names(&rest), rest.more), (vec!["a/3".to_owned()], false));
    let options = Options { at_least: u64::MAX, timeout_ms: Some(500), ..Options::default() };
    let future =
        scene.ada.client().call_with::<call::MemoryGet>(&MemoryGet { key: key("b") }, &options).await;
    assert_eq!(future.unwrap_err().code, Code::Invalid, "no fact has that revision");
    committer.drain().await;
}
