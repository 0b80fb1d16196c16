//! Scratchpads: an agent's own, bounded, and forgotten by themselves.

use futures::{StreamExt as _, TryStreamExt as _};
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::RecordKey,
    payload::memory::{MAX_SCRATCH_ENTRIES, ScratchGet, ScratchPut, ScratchReply},
};
use selvedge_kit::client::Client;
use selvedge_tests::{
    committer::{Scene, start},
    wait::until,
};
use serde_json::{Value, json};

use crate::REPLICA;

fn wanted(key: &str, value: Option<Value>) -> ScratchPut {
    ScratchPut { key: RecordKey::new(key).unwrap(), value, ttl_ms: None, revision: None }
}

async fn put(client: &Client, wanted: &ScratchPut) -> Result<ScratchReply, Fault> {
    client.call::<call::ScratchPut>(wanted).await.map(|answered| answered.reply)
}

async fn get(client: &Client, key: &str) -> ScratchReply {
    let wanted = ScratchGet { key: RecordKey::new(key).unwrap() };
    client.call::<call::ScratchGet>(&wanted).await.unwrap().reply
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_its_agents_own_and_guarded_by_its_revision() {
    let scene = Scene::start(REPLICA).await;
    let committer = start(&scene.fabric.bus, "c1").await;
    let (ada, paula) = (scene.ada.client(), scene.paula.client());
    let first = put(ada, &wanted("notes/a", Some(json!([1])))).await.unwrap();
    assert_eq!(get(ada, "notes/a").await, first);
    assert_eq!((get(paula, "notes/a").await.value, get(ada, "notes").await.value), (None, None));
    let at = |revision, value| ScratchPut { revision: Some(revision), ..wanted("notes/a", value) };
    let second = put(ada, &at(first.revision, Some(json!([2])))).await.unwrap();
    for stale in [first.revision, 0] {
        assert_eq!(put(ada, &at(stale, Some(json!([3])))).await.unwrap_err().code, Code::Conflict);
        assert_eq!(put(ada, &at(stale, None)).await.unwrap_err().code, Code::Conflict);
    }
    assert_eq!(get(ada, "notes/a").await, second);
    put(ada, &at(second.revision, None)).await.unwrap();
    assert_eq!(get(ada, "notes/a").await.value, None);
    // What was removed may be put anew at once, as something new.
    let anew = put(ada, &at(0, Some(json!([4])))).await.unwrap();
    assert_eq!(get(ada, "notes/a").await, anew);
    let large = Value::String("x".repeat(65_536));
    assert_eq!(put(ada, &wanted("large", Some(large))).await.unwrap_err().code, Code::Invalid);
    committer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_dies_by_itself_and_a_pad_has_room_for_so_many() {
    let scene = Scene::start(REPLICA).await;
    let committer = start(&scene.fabric.bus, "c1").await;
    let ada = scene.ada.client();
    let short = ScratchPut { ttl_ms: Some(1_000), ..wanted("short", Some(json!(1))) };
    put(ada, &short).await.unwrap();
    until("the entry to die", async || {
        let found = get(ada, "short").await;
        if found.value.is_none() { Ok(()) } else { Err(found) }
    })
    .await;
    let put_nth = |n: usize| {
        let wanted = wanted(&format!("many/{n}"), Some(json!(n)));
        async move { put(ada, &wanted).await }
    };
    // The one that died counts for a while.
    let puts = futures::stream::iter(0..MAX_SCRATCH_ENTRIES - 1).map(put_nth).buffer_unordered(8);
    puts.try_collect::<Vec<_>>().await.unwrap();
    let more = wanted("many/more", Some(json!(0)));
    let full = put(ada, &more).await.unwrap_err();
    assert_eq!(full.code, Code::Conflict, "{full}");
    put_nth(0).await.unwrap(); // one that is there is replaced
    put(scene.paula.client(), &more).await.unwrap(); // and others have their own
    committer.drain().await;
}
