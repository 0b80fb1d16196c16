//! Agents that propose the same thing in the same instant.

use std::collections::BTreeSet;

use futures::future::join_all;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use selvedge_contracts::{
    id::CreationId,
    payload::overlap::{ProposeReply, Verdict},
};
use selvedge_tests::overlap::{dispatcher, propose, task};

use crate::scene::{Scene, found};

const WORDS: [&str; 64] = [
    "ledger",
    "billing",
    "invoice",
    "avatar",
    "gateway",
    "thumbnail",
    "webhook",
    "scheduler",
    "catalogue",
    "discount",
    "voucher",
    "shipment",
    "warehouse",
    "telemetry",
    "compass",
    "orchard",
    "violin",
    "harbour",
    "pottery",
    "saddle",
    "lantern",
    "glacier",
    "meadow",
    "turbine",
    "almanac",
    "beacon",
    "canyon",
    "dynamo",
    "ember",
    "falcon",
    "granite",
    "hazel",
    "ivory",
    "jasmine",
    "kettle",
    "lagoon",
    "magnet",
    "nectar",
    "obsidian",
    "parcel",
    "quartz",
    "ribbon",
    "sapphire",
    "thistle",
    "umbrella",
    "velvet",
    "walnut",
    "xylophone",
    "yacht",
    "zeppelin",
    "anchor",
    "bamboo",
    "cobalt",
    "dolphin",
    "eclipse",
    "fountain",
    "galaxy",
    "hammock",
    "igloo",
    "jigsaw",
    "koala",
    "lemon",
    "mango",
    "nutmeg",
];

/// Words of a topic.
const TOPIC: usize = 5;
/// Topics of `TOPIC` words, of which no two share more than one: lines over a field of this order. As many seeds
/// in a row as its square have a topic each.
const ORDER: usize = 11;
/// Seeds in a row that have a topic each.
pub(crate) const TOPICS: usize = ORDER * ORDER;

/// A topic that looks like no other one's.
pub(crate) fn topic(seed: u64) -> String {
    let (slope, start) = (seed as usize / ORDER % ORDER, seed as usize % ORDER);
    let word = |at: usize| WORDS[at * ORDER + (slope * at + start) % ORDER];
    (0..TOPIC).map(word).collect::<Vec<_>>().join(" ")
}

/// One topic, said in as many ways as there are racers.
fn titles(seed: u64, racers: usize) -> Vec<String> {
    let mut random = SmallRng::seed_from_u64(seed);
    let topic = topic(seed);
    let ways = [
        format!("Repair the {topic}"),
        format!("repair {topic}"),
        format!("Repair the {topic}."),
        format!("We should repair the {topic}"),
        format!("Repair our {topic}"),
        format!("REPAIR THE {}", topic.to_uppercase()),
    ];
    (0..racers).map(|racer| ways[(racer + random.random_range(0..6)) % 6].clone()).collect()
}

/// One round: all propose at once, each for an agent of its own. Answers in the order of their places.
pub(crate) async fn race(scene: &Scene, seed: u64, racers: usize) -> Vec<ProposeReply> {
    let wanted: Vec<_> = titles(seed, racers)
        .into_iter()
        .enumerate()
        .map(|(racer, title)| task(&format!("agent{racer}-{racer:08x}"), &format!("{seed}-{racer}"), &title))
        .collect();
    let answers = join_all(wanted.iter().map(|wanted| propose(&scene.dispatcher, wanted))).await;
    let mut answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    answers.sort_by_key(|answer| answer.place);
    answers
}

/// Of one round exactly one stands alone, and every other saw one of those before it.
pub(crate) fn one_stands_alone(seed: u64, answers: &[ProposeReply]) {
    let mut before: BTreeSet<&CreationId> = BTreeSet::new();
    for answer in answers {
        let seen: Vec<_> =
            found(&answer.checked).into_iter().filter(|found| before.contains(found)).collect();
        match answer.verdict {
            Verdict::Clear => {
                assert!(before.is_empty(), "seed {seed}: a second one stands alone: {answers:#?}")
            }
            Verdict::Asked => {
                assert!(!seen.is_empty(), "seed {seed}: {answer:#?} saw none of {before:?}");
            }
            _ => panic!("seed {seed}: {answer:#?}"),
        }
        assert!(answer.checked.basis.up_to_sequence + 1 >= answer.place, "seed {seed}: {answer:#?}");
        before.insert(&answer.creation);
    }
    assert!(matches!(answers[0].verdict, Verdict::Clear), "seed {seed}: the first one sees nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racers_over_two_replicas_one_stands_alone_and_every_other_sees_an_earlier_one() {
    let scene = Scene::start_with(2, |config| config).await;
    let first = rand::random_range(0..1_000_000);
    for seed in first..first + TOPICS as u64 {
        let racers = 2 + (seed % 5) as usize;
        let answers = race(&scene, seed, racers).await;
        one_stands_alone(seed, &answers);
    }
    assert_eq!(scene.replicas.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_that_name_one_thing_one_has_it_and_the_other_is_told_whose_it_is() {
    let scene = Scene::start_with(2, |config| config).await;
    let second = dispatcher(&scene.fabric.bus, "d2").await;
    for round in 0..20 {
        let id = format!("same-{round}");
        let (one, other) =
            (task("ada-00000001", &id, "Repair the sluice"), task("bob-00000002", &id, "Repair the sluice"));
        let (one, other) = tokio::join!(propose(&scene.dispatcher, &one), propose(&second, &other));
        let answers = [one.unwrap(), other.unwrap()];
        let taken: Vec<_> = answers.iter().filter(|answer| answer.verdict == Verdict::Taken).collect();
        assert_eq!(taken.len(), 1, "{answers:#?}");
        assert_eq!(taken[0].checked.candidates[0].creation, answers[0].creation);
        assert_ne!(taken[0].checked.candidates[0].proposer.as_str(), "");
    }
}
