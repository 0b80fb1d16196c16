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
