//! Merging, chains, and what follows when what was merged into is gone.

use selvedge_contracts::{
    fault::Code,
    payload::overlap::{Answer, CreationState, Verdict},
    role::Role,
};
use selvedge_tests::{
    overlap::{decide, note, propose, show, task},
    wait::until,
};

use crate::scene::{Scene, check, found, refused};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_merged_into_something_discarded_is_open_again_and_its_proposer_told() {
    let scene = Scene::start().await;
    let (ada, wanted) = (scene.ada.client(), task("bob-00000002", "t2", "tune the harpsichord"));
    let first = scene.task("ada-00000001", "t1", "Tune the harpsichord").await;
    let second = propose(&scene.dispatcher, &wanted).await.unwrap();
    assert_eq!((second.verdict, found(&second.checked)), (Verdict::Asked, vec![&first.creation]));
    let shown = &second.checked.candidates[0];
    assert_eq!((shown.proposer.as_str(), shown.state), ("ada-00000001", CreationState::Pending));
    let merged = decide(ada, &second.creation, Answer::Merge(first.creation.clone())).await.unwrap();
    assert_eq!((merged.state, merged.root), (CreationState::Merged, Some(first.creation.clone())));
    let basis = merged.creation.decision.unwrap().basis.unwrap();
    assert_eq!(basis, second.checked.basis, "the decision says what it rests on");
    assert_eq!(merged.creation.checked.unwrap(), second.checked, "and what was shown");
    let again = propose(&scene.dispatcher, &wanted).await.unwrap();
    let (into, root) = (first.creation.clone(), first.creation.clone());
    assert_eq!(again.verdict, Verdict::Merged { into, root });
    let hearing = scene.fabric.bus.connect_as(&scene.ada.working.credential).await;
    let mut told = hearing.subscribe("sv.live.demo.creation.*.reopened").await.unwrap();
    hearing.flush().await.unwrap();
    decide(ada, &first.creation, Answer::Discard).await.unwrap();
    let fact = tokio::time::timeout(selvedge_tests::wait::PATIENCE, futures::StreamExt::next(&mut told));
    let fact = fact.await.unwrap().unwrap();
    assert!(fact.subject.contains(second.creation.as_str()), "{}", fact.subject);
    scene.comes_to(&second.creation, CreationState::Cleared).await;
    let open = show(ada, &second.creation).await.unwrap().creation;
    assert!(open.place > second.place, "it is checked at a new place");
    assert_eq!(propose(&scene.dispatcher, &wanted).await.unwrap().verdict, Verdict::Clear);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_came_in_between_is_seen_by_what_is_opened_again() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    let first = scene.task("ada-00000001", "t1", "Count the swans on the pond").await;
    let second = scene.task("bob-00000002", "t2", "count the swans on the pond").await;
    decide(ada, &second.creation, Answer::Merge(first.creation.clone())).await.unwrap();
    let third = scene.task("cy-00000003", "t3", "Count swans on the pond").await;
    assert_eq!(found(&third.checked), [&first.creation], "what is merged is no candidate");
    decide(ada, &third.creation, Answer::Proceed).await.unwrap();
    decide(ada, &first.creation, Answer::Discard).await.unwrap();
    scene.comes_to(&second.creation, CreationState::Asked).await;
    let checked = show(ada, &second.creation).await.unwrap().creation.checked.unwrap();
    assert_eq!(found(&checked), [&third.creation], "of the two that are left, one sees the other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_resolved_to_its_root() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    let mut all = Vec::new();
    for (at, title) in ["Dig a well", "dig a well", "Dig the well", "DIG A WELL"].iter().enumerate() {
        all.push(scene.task(&format!("agent-0000000{at}"), &format!("t{at}"), title).await.creation);
    }
    for pair in all.windows(2).rev() {
        let merged = decide(ada, &pair[1], Answer::Merge(pair[0].clone())).await.unwrap();
        assert_eq!(merged.root, Some(pair[0].clone()));
    }
    let last = show(ada, &all[3]).await.unwrap();
    assert_eq!((last.state, last.root), (CreationState::Merged, Some(all[0].clone())));
    let again = scene.task("agent-00000003", "t3", "DIG A WELL").await;
    assert_eq!(again.verdict, Verdict::Merged { into: all[2].clone(), root: all[0].clone() });
    let back = decide(ada, &all[0], Answer::Merge(all[3].clone())).await;
    refused(back, Code::Conflict, "was merged into");
    let itself = decide(ada, &all[0], Answer::Merge(all[0].clone())).await;
    refused(itself, Code::Invalid, "itself");
    let fresh = scene.task("agent-00000009", "t9", "dig a well!").await;
    assert_eq!(found(&fresh.checked), [&all[0]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_that_merge_into_each_other_one_stands() {
    let scene = Scene::start_with(2, |config| config).await;
    let ada = scene.ada.client();
    for round in 0..15 {
        let title = format!("{} bridge", ["Oak", "Iron", "Rope", "Stone", "Toll"][round % 5]);
        let one = scene.task("ada-00000001", &format!("a{round}"), &title).await.creation;
        let other = scene.task("bob-00000002", &format!("b{round}"), &title).await.creation;
        let (first, second) = tokio::join!(
            decide(ada, &one, Answer::Merge(other.clone())),
            decide(ada, &other, Answer::Merge(one.clone()))
        );
        let decided = [first, second];
        assert!(decided.iter().any(Result::is_ok), "round {round}: {decided:?}");
        for refusal in decided.iter().filter_map(|decided| decided.as_ref().err()) {
            assert_eq!(refusal.code, Code::Conflict, "round {round}: {refusal}");
        }
        until("one of them to stand", async || {
            let states = [scene.state_of(&one).await, scene.state_of(&other).await];
            let merged = states.iter().filter(|state| **state == CreationState::Merged).count();
            let alive = states.iter().filter(|state| state.is_alive()).count();
            if (merged, alive) == (1, 1) { Ok(()) } else { Err(states) }
        })
        .await;
        for id in [&one, &other] {
            let _ = decide(ada, id, Answer::Discard).await; // so that the next round finds nothing of this one
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_deciders_one_is_heard_and_the_other_told_what_was_decided() {
    let scene = Scene::start_with(2, |config| config).await;
    let planner = scene.member("demo", "pia", Role::Planner, "person:pia").await;
    for round in 0..15 {
        let id =
            scene.task("ada-00000001", &format!("t{round}"), &format!("Errand {round} to the mill")).await;
        let (one, other) = tokio::join!(
            decide(scene.ada.client(), &id.creation, Answer::Proceed),
            decide(planner.client(), &id.creation, Answer::Discard)
        );
        let (heard, told) = match (one, other) {
            (Ok(heard), Err(told)) | (Err(told), Ok(heard)) => (heard, told),
            both => panic!("round {round}: {both:?}"),
        };
        assert_eq!(told.code, Code::Conflict);
        assert!(told.message.contains("that stands"), "{told}");
        assert!(matches!(heard.state, CreationState::Cleared | CreationState::Discarded));
        let again = match heard.state {
            CreationState::Cleared => decide(scene.ada.client(), &id.creation, Answer::Proceed).await,
            _ => decide(planner.client(), &id.creation, Answer::Discard).await,
        };
        assert_eq!(again.unwrap().revision, heard.revision, "the same answer again is a success");
    }
    assert_eq!(scene.count("decided").await, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_part_in_it_does_not_decide() {
    let scene = Scene::start().await;
    let paul = scene.member("demo", "paul", Role::Worker, "person:paul").await;
    let id = scene.task("ada-00000001", "t1", "Whitewash the barn").await.creation;
    refused(decide(paul.client(), &id, Answer::Discard).await, Code::Denied, "ada-00000001 proposed it");
    let nobody = selvedge_contracts::id::CreationId::from_number(7);
    refused(decide(paul.client(), &nobody, Answer::Discard).await, Code::NotFound, "overlap.list");
    refused(
        decide(scene.ada.client(), &id, Answer::Merge(nobody)).await,
        Code::NotFound,
        "that you may read",
    );
    decide(scene.ada.client(), &id, Answer::Discard).await.unwrap();
    assert!(check(scene.ada.client(), "Whitewash the barn").await.candidates.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thing_of_a_missions_own_kind_that_is_open_again_waits_for_an_answer() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    let first = propose(ada, &note("n1", "Bees prefer lavender")).await.unwrap();
    let second = propose(ada, &note("n2", "bees prefer the lavender")).await.unwrap();
    decide(ada, &second.creation, Answer::Merge(first.creation.clone())).await.unwrap();
    decide(ada, &first.creation, Answer::Discard).await.unwrap();
    scene.comes_to(&second.creation, CreationState::Asked).await;
    let open = show(ada, &second.creation).await.unwrap().creation;
    assert!(
        open.reopened && open.checked.unwrap().candidates.is_empty(),
        "nothing is like it, and nobody said so"
    );
    let again = propose(ada, &note("n2", "bees prefer the lavender")).await.unwrap();
    assert_eq!(again.verdict, Verdict::Asked);
    let went_on = decide(ada, &second.creation, Answer::Proceed).await.unwrap();
    assert_eq!((went_on.state, went_on.creation.reopened), (CreationState::Existing, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_decided_against_something_may_think_better_of_it() {
    let scene = Scene::start().await;
    let ada = scene.ada.client();
    scene.task("ada-00000001", "t1", "Trim the ivy").await;
    let second = scene.task("bob-00000002", "t2", "trim the ivy").await;
    assert_eq!(second.verdict, Verdict::Asked);
    decide(ada, &second.creation, Answer::Discard).await.unwrap();
    let again = scene.task("bob-00000002", "t2", "trim the ivy").await;
    assert_eq!(again.verdict, Verdict::Discarded { reason: None });
    assert_eq!(check(ada, "trim the ivy").await.candidates.len(), 1);
    let back = decide(ada, &second.creation, Answer::Proceed).await.unwrap();
    assert_eq!(back.state, CreationState::Cleared);
    assert_eq!(scene.task("bob-00000002", "t2", "trim the ivy").await.verdict, Verdict::Clear);
    assert_eq!(check(ada, "trim the ivy").await.candidates.len(), 2, "others see it again");
}
