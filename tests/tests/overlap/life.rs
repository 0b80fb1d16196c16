//! A creation from its proposal to its end: retries, edits, expiry, kinds of a mission's own.

use selvedge_contracts::{
    fault::Code,
    payload::overlap::{Answer, CreationList, CreationState, Explain, Propose, Side, Text, Verdict},
};
use selvedge_overlap::service::Config;
use selvedge_tests::{
    overlap::{decide, note, propose, show, stats, task},
    wait::until,
};

use crate::scene::{Scene, called, check, found, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_finds_itself_and_never_matches_itself() {
    let scene = Scene::start().await;
    let first = scene.task("ada-00000001", "t1", "Sharpen the scythe").await;
    for _ in 0..3 {
        let again = scene.task("ada-00000001", "t1", "Sharpen the scythe").await;
        assert_eq!(
            (&again.creation, again.place, &again.verdict),
            (&first.creation, first.place, &Verdict::Clear)
        );
        assert_eq!(found(&again.checked), Vec::<&selvedge_contracts::id::CreationId>::new());
    }
    assert_eq!(scene.count("*").await, 1, "below the threshold nothing more is recorded");
    let clearance = first.clearance().unwrap();
    assert_eq!((clearance.creation, clearance.basis), (first.creation.clone(), first.checked.basis));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_a_fact_and_is_checked_again() {
    let scene = Scene::start().await;
    let other = scene.task("bob-00000002", "t2", "Varnish the kitchen table").await;
    let first = scene.task("ada-00000001", "t1", "Sharpen the scythe").await;
    let edited = scene.task("ada-00000001", "t1", "Varnish the kitchen table").await;
    assert_eq!((edited.verdict, found(&edited.checked)), (Verdict::Asked, vec![&other.creation]));
    assert!(edited.place > first.place);
    assert!(check(scene.ada.client(), "Sharpen the scythe").await.candidates.is_empty());
    let known = check(scene.ada.client(), "Varnish the kitchen table").await;
    assert_eq!(known.candidates.len(), 2, "{known:#?}");
    let back = scene.task("ada-00000001", "t1", "Sharpen the scythe").await;
    assert_eq!(back.verdict, Verdict::Clear);
    assert_eq!((scene.count("proposed").await, scene.count("edited").await), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_creates_expires_and_may_be_proposed_anew() {
    let scene =
        Scene::start_with(2, |config| Config { pending_ttl_ms: 400, complete_ms: 100, ..config }).await;
    let first = scene.task("ada-00000001", "t1", "Bury the time capsule").await;
    scene.comes_to(&first.creation, CreationState::Expired).await;
    assert!(check(scene.ada.client(), "Bury the time capsule").await.candidates.is_empty());
    assert_eq!(scene.count("expired").await, 1, "of two replicas one records it");
    let late = decide(scene.ada.client(), &first.creation, Answer::Proceed).await;
    refused(late, Code::Conflict, "expired");
    let anew = scene.task("ada-00000001", "t1", "Bury the time capsule").await;
    assert_eq!((anew.verdict, &anew.creation), (Verdict::Clear, &first.creation));
    assert!(anew.place > first.place);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thing_of_a_missions_own_kind_is_there_once_it_is_cleared() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    let first = propose(ada, &note("n1", "Bees prefer lavender")).await.unwrap();
    assert_eq!(first.verdict, Verdict::Clear);
    assert_eq!(scene.state_of(&first.creation).await, CreationState::Existing);
    let second = propose(ada, &note("n2", "bees prefer the lavender")).await.unwrap();
    assert_eq!(
        (second.verdict, second.checked.candidates[0].state),
        (Verdict::Asked, CreationState::Existing)
    );
    let went_on = decide(ada, &second.creation, Answer::Proceed).await.unwrap();
    assert_eq!(went_on.state, CreationState::Existing);
    let ended = decide(ada, &first.creation, Answer::Discard).await.unwrap();
    assert_eq!(ended.state, CreationState::Discarded);
    assert_eq!(found(&check(ada, "bees prefer lavender").await), [&second.creation]);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_names_of_artifacts_are_evidence_too() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    let with = |id: &str, title: &str| Propose {
        paths: vec!["src/auth/login.rs".to_owned()],
        artifacts: vec!["research/auth".to_owned()],
        ..note(id, title)
    };
    let first = propose(ada, &with("n1", "Rework the login form")).await.unwrap();
    let plain = propose(ada, &note("n2", "Login page changes")).await.unwrap();
    let same = propose(ada, &with("n3", "Login page changes")).await.unwrap();
    let score = |reply: &selvedge_contracts::payload::overlap::ProposeReply| {
        let found = reply.checked.candidates.iter().find(|found| found.creation == first.creation);
        found.map_or(0, |found| found.score)
    };
    assert!(score(&same) > score(&plain), "{same:#?} {plain:#?}");
    let reasons = format!("{:?}", same.checked.candidates);
    assert!(reasons.contains("src/auth/login.rs") && reasons.contains("research/auth"), "{reasons}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_a_service_is_proposed_by_it_alone() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    for what in ["task", "artifact", "intent"] {
        let wanted = Propose { what: what.parse().unwrap(), ..note("x", "A thing") };
        refused(propose(ada, &wanted).await, Code::Denied, "overlap.check");
    }
    let intent = Propose { what: "intent".parse().unwrap(), ..task("ada-00000001", "x", "A thing") };
    refused(propose(&scene.dispatcher, &intent).await, Code::Denied, "intents are proposed");
    let for_nobody = Propose { on_behalf: None, ..task("ada-00000001", "x", "A thing") };
    refused(propose(&scene.dispatcher, &for_nobody).await, Code::Invalid, "/on_behalf");
    let for_another = Propose { on_behalf: task("bob-00000002", "x", "").on_behalf, ..note("x", "A thing") };
    refused(propose(ada, &for_another).await, Code::Denied, "/on_behalf");
    assert_eq!(scene.count("*").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn creations_are_listed_shown_and_explained() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    let wanted = note("n0", "Feed the carp twice a day");
    let mut all = Vec::new();
    for at in 0..5 {
        all.push(propose(ada, &called(&wanted, &format!("n{at}"))).await.unwrap().creation);
    }
    decide(ada, &all[4], Answer::Merge(all[0].clone())).await.unwrap();
    let list = async |wanted: CreationList| {
        ada.call::<selvedge_contracts::call::OverlapList>(&wanted).await.unwrap().reply
    };
    let asked =
        list(CreationList { state: Some(CreationState::Asked), mine: true, ..CreationList::default() }).await;
    assert_eq!(asked.creations.len(), 3);
    let merged = list(CreationList { state: Some(CreationState::Merged), ..CreationList::default() }).await;
    assert_eq!(
        (merged.creations[0].title.as_str(), merged.creations.len()),
        ("Feed the carp twice a day", 1)
    );
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = list(CreationList { after, limit: Some(2), ..CreationList::default() }).await;
        seen.extend(page.creations.iter().map(|found| found.creation.clone()));
        after = seen.last().cloned();
        if !page.more {
            break;
        }
    }
    all.sort();
    assert_eq!(seen, all);
    let side = |title: &str| Side::Text(Text { title: title.to_owned(), ..Text::default() });
    let explain = Explain { one: Side::Creation(all[0].clone()), other: side("feed the carp") };
    let explained = ada.call::<selvedge_contracts::call::OverlapExplain>(&explain).await.unwrap().reply;
    assert!(explained.score > 300 && !explained.reasons.is_empty(), "{explained:#?}");
    let opposite =
        Explain { one: side("Enable the cache for search"), other: side("Disable the cache for search") };
    let opposite = ada.call::<selvedge_contracts::call::OverlapExplain>(&opposite).await.unwrap().reply;
    assert_eq!(opposite.level.map(|level| level.name()), Some("opposite?"), "{opposite:#?}");
    assert_eq!(show(ada, &all[0]).await.unwrap().creation.proposer.owner.as_str(), "person:olga");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_has_so_much_under_way_and_no_more() {
    let scene = Scene::start_with(1, |config| Config { open_per_owner: 3, own_per_owner: 2, ..config }).await;
    let titles = ["Bury the time capsule", "Order stamps", "Tune the harpsichord", "Mend the fence"];
    for (at, title) in titles.iter().enumerate().take(3) {
        scene.task("ada-00000001", &format!("t{at}"), title).await;
    }
    let fourth = task("bob-00000002", "t3", titles[3]);
    refused(propose(&scene.dispatcher, &fourth).await, Code::Conflict, "overlap.open_per_owner");
    let again = scene.task("ada-00000001", "t0", titles[0]).await;
    assert_eq!(again.verdict, Verdict::Clear, "what is known is answered");
    decide(scene.ada.client(), &again.creation, Answer::Discard).await.unwrap();
    propose(&scene.dispatcher, &fourth).await.unwrap();
    let eve = scene.member("demo", "eve", selvedge_contracts::role::Role::Worker, "person:eve").await;
    let first = propose(eve.client(), &note("n1", "Bees prefer lavender")).await.unwrap();
    propose(eve.client(), &note("n2", "Herons nest in March")).await.unwrap();
    until("both to be there", async || {
        let states = stats(eve.client()).await.unwrap().states;
        if states.get(&CreationState::Existing) == Some(&2) { Ok(()) } else { Err(states) }
    })
    .await;
    let third = note("n3", "Otters like rain");
    refused(propose(eve.client(), &third).await, Code::Conflict, "overlap.own_per_owner");
    decide(eve.client(), &first.creation, Answer::Discard).await.unwrap();
    propose(eve.client(), &third).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_an_artifact_is_not_kept_from_others_by_who_was_asked_about_it() {
    let scene = Scene::start().await;
    let artifacts = scene.artifacts().await;
    let named = |agent: &str, id: &str| Propose {
        what: "artifact".parse().unwrap(),
        artifacts: vec![id.to_owned()],
        ..task(agent, id, &id.replace('/', " "))
    };
    propose(&artifacts, &named("cy-00000003", "research/glacier thickness")).await.unwrap();
    let bob = propose(&artifacts, &named("bob-00000002", "research/glacier-thickness map")).await.unwrap();
    assert_eq!(bob.verdict, Verdict::Asked, "{bob:#?}");
    let ada = propose(&artifacts, &named("ada-00000001", "research/glacier-thickness map")).await.unwrap();
    assert_eq!((ada.verdict, &ada.creation), (Verdict::Asked, &bob.creation), "she is asked in his place");
    assert_eq!(
        show(scene.ada.client(), &ada.creation).await.unwrap().creation.proposer.agent.as_str(),
        "ada-00000001"
    );
    decide(scene.ada.client(), &ada.creation, Answer::Proceed).await.unwrap();
    let clear = propose(&artifacts, &named("ada-00000001", "research/glacier-thickness map")).await.unwrap();
    assert_eq!(clear.verdict, Verdict::Clear);
}
