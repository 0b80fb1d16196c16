//! One replica: what the calls promise.

use selvedge_contracts::{
    fault::Code,
    payload::lease::{Before, LeaseState, Standing},
};

use crate::scene::{Scene, path, wanted};

#[tokio::test]
async fn a_lease_is_held_until_it_is_released() {
    let scene = Scene::start().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let lease = ada.take("src/auth").await;
    assert_eq!((lease.state, lease.holder.as_str()), (LeaseState::Held, ada.id()));
    let refused = bob.acquire(&wanted(vec![path("src/auth/login.rs")])).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "{refused:?}");
    assert!(refused.message.contains(ada.id()) && refused.message.contains("a test"), "{refused}");
    assert_eq!(refused.details[0].at, "/claims/0");
    assert_eq!(bob.release(&lease).await.unwrap_err().code, Code::Denied);
    assert_eq!(ada.standing(&lease).await, Standing::Valid);
    assert_eq!(ada.release(&lease).await.unwrap(), Before::Held);
    assert_eq!(ada.release(&lease).await.unwrap(), Before::Gone);
    assert_eq!(ada.standing(&lease).await, Standing::Gone);
    let next = bob.take("src/auth/login.rs").await;
    assert!(next.token > lease.token, "{next:?}");
}
