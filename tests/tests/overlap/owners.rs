//! What the owners of things say: that a thing is there, or has ended.

use selvedge_contracts::{
    call,
    id::{CreationId, KindName, Mission},
    payload::{
        intent::{IntentCancel, Propose as ProposeIntent},
        overlap::{Answer, CreationState, Propose, Verdict},
    },
    role::Service,
};
use selvedge_kit::{client::Client, credential::Login};
use selvedge_tests::{
    fabric::connect_bus,
    governance::{self, external, wanting},
    overlap::{behalf, decide, note, propose},
    wait::until,
};

use crate::scene::{Scene, check, found};

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_there_from_its_own_fact_and_gone_with_it() {
    let scene = Scene::start().await;
    let _governance = governance::start(&scene.fabric.bus, "g1").await;
    let ada = scene.ada.client();
    let title = "Tell the subscribers about the outage".to_owned();
    let wanted = ProposeIntent { title, ..wanting(external("send")) };
    let intent = governance::propose(ada, &wanted).await.unwrap().intent;
    let creation = CreationId::of(&Mission::new("demo").unwrap(), &KindName::intent(), intent.id.as_str());
    let candidate = until("the intent to be a candidate", async || {
        let checked = check(ada, "tell subscribers about the outage").await;
        checked.candidates.first().cloned().ok_or(checked)
    })
    .await;
    assert_eq!((&candidate.creation, candidate.state), (&creation, CreationState::Existing));
    assert_eq!((candidate.proposer, candidate.id), (intent.proposer.clone(), intent.id.to_string()));
    // The service that owns it asks: it is there.
    let service = Login::held(scene.fabric.bus.service_credential(Service::Governance, "g2"));
    let service = Client::new(connect_bus(&scene.fabric.bus, service).await);
    let service = service.in_mission(Mission::new("demo").unwrap());
    let again = Propose {
        what: KindName::intent(),
        on_behalf: Some(behalf("ada-00000001", "person:olga")),
        ..note(intent.id.as_str(), &intent.title)
    };
    assert_eq!(propose(&service, &again).await.unwrap().verdict, Verdict::Clear);
    // Something is merged into it, and opened again once it is taken back.
    let second = propose(ada, &note("n1", "Tell subscribers about the outage")).await.unwrap();
    assert_eq!((second.verdict, found(&second.checked)), (Verdict::Asked, vec![&creation]));
    decide(ada, &second.creation, Answer::Merge(creation.clone())).await.unwrap();
    let cancel = IntentCancel { intent: intent.id.clone(), reason: "it is over".to_owned() };
    ada.call::<call::IntentCancel>(&cancel).await.unwrap();
    scene.comes_to(&second.creation, CreationState::Asked).await;
    let known = check(ada, "Tell the subscribers about the outage").await;
    assert_eq!(found(&known), [&second.creation]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_intent_neither_expires_nor_waits_once_it_is_there() {
    let config =
        |config| selvedge_overlap::service::Config { pending_ttl_ms: 1_500, complete_ms: 200, ..config };
    let scene = Scene::start_with(1, config).await;
    let bus = &scene.fabric.bus;
    let _governance = governance::start(bus, "g1").await;
    let ada = scene.ada.client();
    let service = Login::held(bus.service_credential(Service::Governance, "g2"));
    let service = Client::new(connect_bus(bus, service).await).in_mission(Mission::new("demo").unwrap());
    let wanted = ProposeIntent { title: "Send the almanac".to_owned(), ..wanting(external("almanac")) };
    // As governance does: the id is known before the intent is.
    let id = {
        let intent = governance::propose(ada, &wanted).await.unwrap().intent;
        intent.id
    };
    let other = Propose {
        what: KindName::intent(),
        on_behalf: Some(behalf("ada-00000001", "person:olga")),
        ..note("intent_never_made", "Print the gazette")
    };
    let never = propose(&service, &other).await.unwrap();
    scene.comes_to(&never.creation, CreationState::Expired).await;
    let creation = CreationId::of(&Mission::new("demo").unwrap(), &KindName::intent(), id.as_str());
    assert_eq!(found(&check(ada, "send the almanac").await), [&creation], "it outlives what never came");
}
