//! Spaces come with the first lease or pool and go when nothing is in them: names cost nothing for ever.

use selvedge_contracts::{
    call,
    fault::Code,
    id::{LeaseId, SpaceId},
    payload::{
        claim::Claim,
        lease::{Acquire, Before, Check, Checked, ForceRelease, Lease, PoolList, Release, Renew, Standing},
    },
    role::{Role, Service},
    stream::LEASES,
};
use selvedge_kit::{bucket::Bucket, clock::Deadline, credential::Login, metrics::Metrics};
use selvedge_leases::SpaceLimits;
use selvedge_tests::{
    Options,
    fabric::{connect_bus, plain_session},
    wait,
};

use crate::scene::{Scene, Worker, path, wanted};

async fn scene_with(spaces: SpaceLimits) -> Scene {
    let mut scene = Scene::start_with(Options::LAZY, 0).await;
    let url = scene.fabric.bus.url();
    scene.leases.push(scene.fabric.leases_with(&url, "l0", spaces, &Metrics::default()).await);
    scene
}

async fn bucket(scene: &Scene) -> Bucket {
    let login = Login::held(scene.fabric.bus.service_credential(Service::Leases, "looks"));
    Bucket::new(connect_bus(&scene.fabric.bus, login).await, LEASES)
}

async fn exists(bucket: &Bucket, space: &str) -> bool {
    bucket.has_under(&format!("demo.{space}"), Deadline::in_ms(5_000)).await.unwrap()
}

fn named(space: &str) -> SpaceId {
    SpaceId::new(space).unwrap()
}

fn in_space(space: &str, claims: Vec<Claim>) -> Acquire {
    Acquire { space: named(space), ..wanted(claims) }
}

async fn take(worker: &Worker, space: &str) -> Lease {
    wait::until("a lease", async || worker.acquire(&in_space(space, vec![path("a")])).await).await.lease
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_nothing_makes_no_space() {
    let scene = Scene::start().await;
    let (ada, bucket) = (scene.worker("ada").await, bucket(&scene).await);
    let (space, lease) = (named("ghost"), LeaseId::new("lease_00").unwrap());
    let renew = Renew { space: space.clone(), lease: lease.clone(), token: 1, ttl_ms: None };
    let refused = ada.client.call::<call::LeaseRenew>(&renew).await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound, "{refused}");
    let release = Release { space: space.clone(), lease: lease.clone() };
    let released = ada.client.call::<call::LeaseRelease>(&release).await.unwrap().reply;
    assert_eq!(released.was, Before::Gone);
    let tokens = vec![Checked { lease: lease.clone(), token: 1 }; 2];
    let check = Check { space: space.clone(), tokens };
    let checked = ada.client.call::<call::LeaseCheck>(&check).await.unwrap().reply;
    assert!(!checked.all_valid);
    assert_eq!(
        checked.verdicts.iter().map(|verdict| verdict.standing).collect::<Vec<_>>(),
        [Standing::Gone; 2]
    );
    let pools = ada.client.call::<call::PoolList>(&PoolList { space: space.clone() }).await.unwrap().reply;
    assert_eq!(pools.pools, []);
    let force = ForceRelease { space: space.clone(), lease, reason: "a test".to_owned() };
    let operator = scene.fabric.operator.clone().in_mission("demo".parse().unwrap());
    let refused = operator.call::<call::LeaseForceRelease>(&force).await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound, "{refused}");
    let refused = ada.acquire(&in_space("ghost", vec![path("/not/one")])).await.unwrap_err();
    assert_eq!(refused.code, Code::Invalid, "{refused}");
    assert!(!exists(&bucket, "ghost").await, "nobody owns it");
    take(&ada, "ghost").await;
    assert!(exists(&bucket, "ghost").await, "a lease makes it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_space_goes_by_itself_and_comes_again_with_higher_tokens() {
    let scene = scene_with(SpaceLimits { idle_space_ms: 100, ..SpaceLimits::default() }).await;
    let (ada, bucket) = (scene.worker("ada").await, bucket(&scene).await);
    let (held, mut last) = (take(&ada, "held").await, None);
    for round in 0..2 {
        let lease = take(&ada, "shop").await;
        assert!(lease.token > last, "round {round}: {lease:?} after {last:?}");
        last = lease.token;
        assert_eq!(ada.standing(&lease).await, Standing::Valid);
        assert_eq!(ada.release(&lease).await.unwrap(), Before::Held);
        wait::until("the space to go", async || match exists(&bucket, "shop").await {
            false => Ok(()),
            true => Err("it is there"),
        })
        .await;
        assert_eq!(ada.standing(&lease).await, Standing::Gone);
    }
    assert!(exists(&bucket, "held").await, "what has a lease in it stays");
    assert_eq!(ada.standing(&held).await, Standing::Valid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mission_has_so_many_spaces_and_others_have_theirs() {
    let limits = SpaceLimits { spaces_per_mission: 2, idle_space_ms: 100, ..SpaceLimits::default() };
    let scene = scene_with(limits).await;
    let ada = scene.worker("ada").await;
    let (one, _two) = (take(&ada, "one").await, take(&ada, "two").await);
    let refused = ada.acquire(&in_space("three", vec![path("a")])).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "{refused}");
    assert!(refused.message.contains("2 spaces"), "{refused}");
    scene.fabric.mission("other").await;
    let invite = scene.fabric.invite_to("other", Role::Worker, "person:olga").await;
    let bob = scene.fabric.join(&invite, "bob", &nkeys::KeyPair::new_user()).await.unwrap();
    let bob = scene.fabric.session(&bob, plain_session()).await.unwrap();
    let elsewhere = bob.client.call::<call::LeaseAcquire>(&in_space("three", vec![path("a")])).await.unwrap();
    assert_eq!(elsewhere.reply.lease.mission.as_str(), "other");
    assert_eq!(ada.release(&one).await.unwrap(), Before::Held);
    take(&ada, "three").await; // as soon as the empty one is gone
}
