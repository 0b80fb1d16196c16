//! The kit's pipelined writes: stored and settled in order, all of them lost once one is.

use selvedge_contracts::{role::Service, stream::LEASES};
use selvedge_kit::{
    bucket::{Bucket, Expect},
    clock::Deadline,
    credential::Login,
    pipeline::{Flight, Lane, Lost, Operation, Publisher, Write},
};
use selvedge_tests::{Bus, Options, fabric::connect_bus, wait};
use tokio::sync::mpsc;

const OWNER: &str = "demo.shop._owner";
/// More than may be in flight at once, and more than one batch holds.
const WRITES: u32 = 2_500;

type Settled = mpsc::Receiver<(u32, Result<u64, Lost>)>;

async fn lane(bus: &Bus, flight: Flight) -> (Bucket, Publisher, Lane<u32>, Settled) {
    let login = Login::held(bus.service_credential(Service::Leases, "one"));
    let connection = connect_bus(bus, login).await;
    let bucket = Bucket::new(connection.clone(), LEASES);
    let revision = wait::until("an owner", async || {
        bucket.keep(OWNER, "me".into(), Expect::Revision(0), Deadline::in_ms(2_000)).await
    })
    .await;
    let publisher = Publisher::start(connection).await.unwrap();
    let (tell, settled) = mpsc::channel(2 * WRITES as usize);
    let lane = publisher.lane(flight, LEASES, (OWNER, revision), move |tag, stored| {
        tell.try_send((tag, stored)).expect("room");
    });
    (bucket, publisher, lane, settled)
}

fn write(number: u32) -> Write<u32> {
    let operation = Operation::Put(format!("{number}").into(), Some(60_000));
    Write { key: format!("demo.shop.lease_{number}"), operation, tag: number }
}

async fn next(settled: &mut Settled) -> (u32, Result<u64, Lost>) {
    tokio::time::timeout(wait::PATIENCE, settled.recv()).await.expect("settled in time").expect("a write")
}

async fn stores_in_order_until_another_owns(options: Options, flight: Flight) {
    let bus = Bus::start_with(options).await;
    let (bucket, _publisher, lane, mut settled) = lane(&bus, flight).await;
    lane.send([write(0)]).unwrap();
    lane.send((1..WRITES).map(write)).unwrap();
    let mut last = 0;
    for number in 0..WRITES {
        let (tag, stored) = next(&mut settled).await;
        let revision = stored.unwrap();
        assert_eq!(tag, number);
        assert!(revision > last, "write {number} at {revision}, after {last}");
        last = revision;
    }
    // What is told is what is stored.
    for number in [0, 1, 2, WRITES / 2, WRITES - 1] {
        let value = bucket.get(&write(number).key, Deadline::in_ms(5_000)).await.unwrap().unwrap();
        assert_eq!(value.bytes, format!("{number}"));
        assert_eq!(value.revision, last - u64::from(WRITES - 1 - number), "nobody else wrote in between");
    }
    bucket.keep(OWNER, "other".into(), Expect::Anything, Deadline::in_ms(5_000)).await.unwrap();
    lane.send((0..10).map(write)).unwrap();
    for number in 0..10 {
        assert_eq!(next(&mut settled).await, (number, Err(Lost)));
    }
    assert_eq!(lane.send([write(0)]), Err(Lost));
    let kept = bucket.get(&write(0).key, Deadline::in_ms(5_000)).await.unwrap().unwrap();
    assert!(kept.revision <= last, "what was lost is not stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_in_flight_are_stored_in_order_and_lost_together() {
    stores_in_order_until_another_owns(Options::LAZY, Flight::Many).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_on_three_servers_are_stored_in_order_and_lost_together() {
    stores_in_order_until_another_owns(Options::CLUSTER, Flight::One).await;
}
