//! Pools: so many at once, and never one more.

use selvedge_contracts::{
    call,
    fault::Code,
    id::PoolName,
    payload::{
        claim::Claim,
        lease::{Acquire, LeaseState, PoolList, PoolSet},
    },
};

use selvedge_kit::client::Options;

use crate::scene::{Scene, space, wanted};

fn slots(slots: u32) -> Claim {
    Claim::Slots { pool: PoolName::new("gpu").unwrap(), slots }
}

#[tokio::test]
async fn a_pool_holds_so_many_and_never_one_more() {
    const SIZE: u32 = 3;
    let scene = Scene::start().await;
    let planner = scene.planner("pia").await;
    let set = PoolSet { space: space(), pool: PoolName::new("gpu").unwrap(), slots: SIZE };
    let made = planner.call::<call::PoolSet>(&set).await.unwrap().reply.pool;
    assert_eq!((made.pool.slots, made.held), (SIZE, 0));
    let worker = scene.worker("ada").await;
    let unknown = Claim::Slots { pool: PoolName::new("tpu").unwrap(), slots: 1 };
    for impossible in [unknown, slots(SIZE + 1)] {
        let refused = worker.acquire(&wanted(vec![impossible])).await.unwrap_err();
        assert_eq!((refused.code, refused.details[0].at.as_str()), (Code::Invalid, "/claims/0"), "{refused}");
    }
    let denied = worker.client.call::<call::PoolSet>(&set).await.unwrap_err();
    assert_eq!(denied.code, Code::Denied);
    let asking = (0..12).map(|index| {
        let worker = &worker;
        async move { worker.keyed(&format!("k{index}"), &wanted(vec![slots(1)])).await }
    });
    let asked = futures::future::join_all(asking).await;
    let held: Vec<_> = asked.iter().filter_map(|asked| asked.as_ref().ok()).collect();
    assert_eq!(held.len(), SIZE as usize, "{asked:?}");
    let pools = worker.client.call::<call::PoolList>(&PoolList { space: space() }).await.unwrap().reply.pools;
    assert_eq!((pools[0].held, pools[0].waited_for), (u64::from(SIZE), 0));
    let waiting = Acquire { wait_ms: Some(15_000), ..wanted(vec![slots(2)]) };
    let freeing = async {
        for lease in &held[..2] {
            worker.release(&lease.lease).await.unwrap();
        }
    };
    let (two, ()) = tokio::join!(worker.acquire(&waiting), freeing);
    assert_eq!(two.unwrap().lease.state, LeaseState::Held);
    assert_eq!(worker.acquire(&wanted(vec![slots(1)])).await.unwrap_err().code, Code::Conflict);
}

#[tokio::test]
async fn a_late_repetition_of_what_set_a_pool_undoes_nothing_also_by_way_of_another_replica() {
    let scene = Scene::start().await;
    let planner = scene.planner("pia").await;
    let Scene { fabric, leases } = scene;
    let set = async |key: &str, slots: u32| {
        let set = PoolSet { space: space(), pool: PoolName::new("gpu").unwrap(), slots };
        let options = Options { idempotency_key: Some(key.to_owned()), ..Options::default() };
        planner.call_with::<call::PoolSet>(&set, &options).await.unwrap().reply.pool.pool
    };
    let stands = async || {
        let list = PoolList { space: space() };
        planner.call::<call::PoolList>(&list).await.unwrap().reply.pools.remove(0).pool
    };
    let first = set("first", 2).await;
    set("second", 5).await;
    let late = set("first", 2).await;
    assert_eq!(late, first, "its first answer");
    assert_eq!((stands().await.slots, stands().await.settings.len()), (5, 0));
    // Whoever takes the space over finds it in the record.
    let _other = fabric.leases_replica("l2").await;
    for replica in leases {
        replica.drain().await;
    }
    let late = set("first", 2).await;
    assert_eq!((late.slots, late.set_at_ms), (first.slots, first.set_at_ms));
    assert_eq!(stands().await.slots, 5);
    assert_eq!(set("third", 1).await.slots, 1);
}
