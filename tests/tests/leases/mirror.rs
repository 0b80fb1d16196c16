//! The kit's mirror of a bucket: exact again after messages were lost on their way.

use std::sync::{Arc, Mutex};

use selvedge_contracts::{role::Service, stream::LEASES, subject::LEASE_PREFIX};
use selvedge_kit::{
    bucket::{Bucket, Expect},
    clock::Deadline,
    credential::Login,
    mirror::{Event, Mirror},
};
use selvedge_tests::{
    Bus,
    fabric::{connect_bus, connect_url},
    valve::Valve,
    wait,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

async fn put(bucket: &Bucket, key: &str) -> u64 {
    let key = format!("demo.shop.{key}");
    bucket.put(&key, "x".into(), 60_000, Expect::Anything, Deadline::in_ms(5_000)).await.unwrap()
}

fn keys(mirror: &Mirror) -> Vec<(String, u64)> {
    let under = mirror.under("demo.shop.").into_iter();
    under.map(|(key, value)| (key.trim_start_matches("demo.shop.").to_owned(), value.revision)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_missed_messages_is_read_anew_and_says_so() {
    let bus = Bus::start().await;
    let login = || Login::held(bus.service_credential(Service::Leases, "one"));
    let bucket = Bucket::new(connect_bus(&bus, login()).await, LEASES);
    let first = put(&bucket, "a").await;
    let valve = Valve::start(bus.url_of(0)).await;
    let mirror = Mirror::new(connect_url(&valve.url(), login()).await, LEASES, LEASE_PREFIX);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let hearing = Arc::clone(&heard);
    let listener = move |event: Event<'_>| hearing.lock().unwrap().push(format!("{event:?}"));
    mirror.start(&tasks, stop, listener).await.unwrap();
    assert_eq!(keys(&mirror), [("a".to_owned(), first)], "what was there before");
    let second = put(&bucket, "b").await;
    assert!(mirror.reaches(second, Deadline::in_ms(5_000)).await);
    valve.lose(Some(LEASE_PREFIX));
    put(&bucket, "c").await;
    bucket.delete("demo.shop.a", Deadline::in_ms(5_000)).await.unwrap();
    valve.lose(None);
    let last = put(&bucket, "b").await;
    wait::until("the mirror", async || match keys(&mirror) {
        keys if keys.len() == 2 && keys[0] == ("b".to_owned(), last) && keys[1].0 == "c" => Ok(()),
        keys => Err(keys),
    })
    .await;
    assert!(mirror.watermark() >= last);
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard.iter().filter(|event| *event == "Rebuilt").count(), 1, "{heard:?}");
    assert!(heard.first().unwrap().starts_with("Put(\"demo.shop.b\""), "{heard:?}");
}
