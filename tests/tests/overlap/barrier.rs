//! The index is behind: the answer says so, and the check is completed later.

use std::sync::{Arc, Condvar, Mutex};

use selvedge_contracts::payload::overlap::{Answer, CreationList, CreationState, Verdict};
use selvedge_kit::steps::Steps;
use selvedge_overlap::service::Config;
use selvedge_tests::overlap::{decide, note, propose, replica_with, task};

use crate::scene::{Scene, found};

/// Holds facts up while it is set.
#[derive(Clone, Default)]
struct Held(Arc<(Mutex<bool>, Condvar)>);

impl Held {
    fn set(&self, held: bool) {
        *self.0.0.lock().unwrap() = held;
        self.0.1.notify_all();
    }

    fn steps(&self) -> Steps {
        let held = self.clone();
        Steps::new(move |step| {
            if step == "take" {
                drop(held.0.1.wait_while(held.0.0.lock().unwrap(), |held| *held).unwrap());
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn past_the_deadline_the_answer_says_up_to_where_and_the_check_is_completed() {
    let held = Held::default();
    let scene = Scene::start_with(0, |config| config).await;
    let bus = &scene.fabric.bus;
    let _replica = replica_with(bus, &bus.url(), "o1", |config| Config {
        steps: held.steps(),
        barrier_ms: 50,
        ..config
    })
    .await;
    let first = scene.task("ada-00000001", "t1", "Mend the north fence").await;
    assert_eq!(first.verdict, Verdict::Clear);
    held.set(true);
    let second = scene.task("bob-00000002", "t2", "mend the north fence").await;
    let other = scene.task("cy-00000003", "t3", "Order stamps and envelopes").await;
    for answer in [&second, &other] {
        assert_eq!(answer.verdict, Verdict::Pending, "{answer:#?}");
        assert!(answer.checked.basis.up_to_sequence < answer.place, "{answer:#?}");
    }
    assert_eq!(found(&second.checked), [&first.creation], "what is known so far is shown");
    // Asked again meanwhile, it is the same creation at the same place.
    let again = scene.task("bob-00000002", "t2", "mend the north fence").await;
    assert_eq!((again.verdict, again.place), (Verdict::Pending, second.place));
    held.set(false);
    scene.comes_to(&second.creation, CreationState::Asked).await;
    scene.comes_to(&other.creation, CreationState::Cleared).await;
    assert_eq!(scene.count("checked").await, 2, "both were told");
    let answer = scene.task("bob-00000002", "t2", "mend the north fence").await;
    assert_eq!((answer.verdict, found(&answer.checked)), (Verdict::Asked, vec![&first.creation]));
    assert_eq!(scene.task("cy-00000003", "t3", "Order stamps and envelopes").await.verdict, Verdict::Clear);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_is_behind_delays_only_itself() {
    let held = Held::default();
    let scene = Scene::start().await;
    let bus = &scene.fabric.bus;
    let _behind = replica_with(bus, &bus.url(), "behind", |config| Config {
        steps: held.steps(),
        barrier_ms: 50,
        ..config
    })
    .await;
    held.set(true);
    let mut verdicts = Vec::new();
    for at in 0..12 {
        let wanted =
            task("ada-00000001", &format!("t{at}"), &format!("{} the bell tower", ["Ring", "Paint"][at % 2]));
        verdicts.push(propose(&scene.dispatcher, &wanted).await.unwrap().verdict);
    }
    held.set(false);
    // Which of the two answered which is chance; none of the later ones may be clear.
    assert!(verdicts.iter().skip(2).all(|verdict| *verdict != Verdict::Clear), "{verdicts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_check_of_an_edit_of_what_is_there_is_completed_too() {
    let held = Held::default();
    let scene = Scene::start_with(0, |config| config).await;
    let bus = &scene.fabric.bus;
    let _replica = replica_with(bus, &bus.url(), "o1", |config| Config {
        steps: held.steps(),
        barrier_ms: 50,
        complete_ms: 200,
        ..config
    })
    .await;
    let ada = scene.ada.client();
    let other = propose(ada, &note("n1", "Mend the north fence")).await.unwrap();
    let own = propose(ada, &note("n2", "Order stamps and envelopes")).await.unwrap();
    let third = propose(ada, &note("n3", "Tune the harpsichord")).await.unwrap();
    scene.comes_to(&third.creation, CreationState::Existing).await;
    held.set(true);
    for (id, title) in [("n2", "mend the north fence"), ("n3", "Bury the time capsule")] {
        assert_eq!(propose(ada, &note(id, title)).await.unwrap().verdict, Verdict::Pending);
    }
    held.set(false);
    scene.comes_to(&own.creation, CreationState::Asked).await;
    scene.comes_to(&third.creation, CreationState::Existing).await;
    let asked = CreationList { state: Some(CreationState::Asked), ..CreationList::default() };
    let asked = ada.call::<selvedge_contracts::call::OverlapList>(&asked).await.unwrap().reply;
    let asked: Vec<_> = asked.creations.iter().map(|found| (&found.creation, found.state)).collect();
    assert_eq!(asked, [(&own.creation, CreationState::Asked)], "it is found where answers are waited for");
    let again = propose(ada, &note("n2", "mend the north fence")).await.unwrap();
    assert_eq!((again.verdict, found(&again.checked)), (Verdict::Asked, vec![&other.creation]));
    let went_on = decide(ada, &own.creation, Answer::Proceed).await.unwrap();
    assert_eq!(went_on.state, CreationState::Existing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_edit_that_nobody_answers_expires_and_may_be_made_again() {
    let scene =
        Scene::start_with(1, |config| Config { pending_ttl_ms: 3_000, complete_ms: 100, ..config }).await;
    let ada = scene.ada.client();
    propose(ada, &note("n1", "Mend the north fence")).await.unwrap();
    let own = propose(ada, &note("n2", "Order stamps and envelopes")).await.unwrap();
    let edit = note("n2", "mend the north fence");
    assert_eq!(propose(ada, &edit).await.unwrap().verdict, Verdict::Asked);
    assert_eq!(scene.state_of(&own.creation).await, CreationState::Asked);
    scene.comes_to(&own.creation, CreationState::Existing).await;
    assert_eq!(scene.count("expired").await, 1, "the edit is over, its thing is there");
    let again = propose(ada, &edit).await.unwrap();
    assert_eq!(again.verdict, Verdict::Asked, "{again:#?}");
}
