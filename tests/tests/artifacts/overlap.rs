//! Names that look like each other: asked about before the first version of one is published.

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::Digest,
    payload::{artifact::VersionReply, overlap::Answer},
    role::Role,
};
use selvedge_kit::{
    client::{Client, Options},
    creation::{Asking, asked_about},
    transfer,
};
use selvedge_tests::{
    artifacts::{plain, publish},
    fabric::plain_session,
    overlap::{decide, replica},
    raw::{count, ledger},
};

use crate::scene::Scene;

async fn put(client: &Client, content: &str) -> Digest {
    transfer::put_bytes(client, content.to_owned().into()).await.unwrap().digest
}

async fn shortly(client: &Client, name: &str, digest: &Digest) -> Result<VersionReply, Fault> {
    let wanted = plain(name, digest);
    let options = Options { timeout_ms: Some(3_000), ..Options::default() };
    client.call_with::<call::ArtifactPublish>(&wanted, &options).await.map(|answered| answered.reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_names_that_are_alike_one_is_asked_about_and_versions_of_a_name_are_not() {
    let scene = Scene::start_with(|config| config.overlap = Asking::Required).await;
    let overlap = replica(&scene.fabric.bus, "o1").await;
    let facts = ledger(&scene.fabric.bus).await;
    let agent = scene.fabric.agent("bob", Role::Worker).await;
    let bob = scene.fabric.session(&agent, plain_session()).await.unwrap();
    let (ada, bob) = (scene.client(), &bob.client);
    let digests = [put(ada, "one").await, put(bob, "two").await];
    let names = ["research/login-redirect-analysis", "research/login_redirect_analysis"];
    let (first, second) =
        tokio::join!(publish(ada, names[0], &digests[0]), publish(bob, names[1], &digests[1]));
    let (made, refusal, loser, place) = match (first, second) {
        (Ok(made), Err(fault)) => (made, fault, bob, 1),
        (Err(fault), Ok(made)) => (made, fault, ada, 0),
        both => panic!("one and only one is there: {both:?}"),
    };
    let creation = asked_about(&refusal).unwrap_or_else(|| panic!("{refusal:?}"));
    assert!(refusal.details.iter().any(|detail| detail.message.contains(made.name.as_str())), "{refusal:?}");
    assert_eq!(count(&facts, "demo.artifact.>").await, 1, "nothing of the other one is there");
    assert!(made.version.checked.is_some());
    decide(loser, &creation, Answer::Proceed).await.unwrap();
    let second = publish(loser, names[place], &digests[place]).await.unwrap();
    assert_eq!(second.version.checked.as_ref().map(|checked| &checked.creation), Some(&creation));
    let again = publish(loser, names[place], &digests[place]).await.unwrap();
    assert_eq!(again, second, "the same again is that version");
    overlap.drain().await;
    // Nobody has to answer for a next version.
    let third = put(loser, "three").await;
    let next = shortly(loser, names[place], &third).await.unwrap();
    assert_eq!((next.version.version, next.version.checked), (2, None));
    let down = shortly(loser, "research/quite-another", &third).await.unwrap_err();
    assert_eq!(down.code, Code::Unavailable, "{down:?}");
    assert_eq!(count(&facts, "demo.artifact.>").await, 3, "nothing half done");
}
