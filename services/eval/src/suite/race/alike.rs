//! Agents that want to create what looks alike, at once.

use std::collections::BTreeSet;

use futures::future::join_all;
use selvedge_contracts::{
    call,
    id::CreationId,
    payload::overlap::{CreationReply, CreationState, ProposeReply, Verdict},
};
use serde_json::json;

use crate::{
    arena::{Arena, ask, until},
    case::Trial,
    error::{Miss, Trialled, holds},
};

/// Words of which topics are made, one out of each row.
const WORDS: [[&str; 7]; 4] = [
    ["ledger", "avatar", "gateway", "webhook", "catalogue", "voucher", "warehouse"],
    ["compass", "orchard", "violin", "harbour", "pottery", "saddle", "lantern"],
    ["glacier", "meadow", "turbine", "almanac", "beacon", "canyon", "dynamo"],
    ["falcon", "granite", "jasmine", "kettle", "lagoon", "magnet", "obsidian"],
];

/// A topic that shares at most one word with any other of the first 49.
fn topic(number: usize) -> String {
    let (slope, start) = (number / 7 % 7, number % 7);
    let word = |(row, words): (usize, &[&'static str; 7])| words.get((slope * row + start) % 7).copied();
    WORDS.iter().enumerate().filter_map(word).collect::<Vec<_>>().join(" ")
}

fn ways(topic: &str) -> [String; 5] {
    [
        format!("Repair the {topic}"),
        format!("repair {topic}"),
        format!("We should repair the {topic}"),
        format!("Repair our {topic}."),
        format!("REPAIR THE {}", topic.to_uppercase()),
    ]
}

pub(super) async fn alike(arena: &Arena, trial: &mut Trial) -> Trialled {
    let ways = ways(&topic(trial.index as usize));
    let titles: Vec<String> = arena.workers.iter().filter_map(|_| trial.pick(&ways).cloned()).collect();
    trial.tries(format!("{titles:?}"));
    ask_about_what_is_alike(arena, &trial.tag).await?;
    let answers = proposed(arena, &trial.tag, &titles).await;
    arena.tune("off").await?;
    let mut answers = answers?;
    answers.sort_by_key(|answer| answer.place);
    judge(&answers)?;
    let mut standing = 0;
    for answer in &answers {
        let show = json!({ "creation": answer.creation });
        let shown: CreationReply = ask::<call::OverlapShow>(&arena.operator, show).await?;
        standing += usize::from(matches!(shown.state, CreationState::Cleared | CreationState::Existing));
    }
    holds(standing <= 1, || format!("{standing} stand alone, by the service afterwards: {answers:?}"))
}

/// Has the mission asked about what is alike, and waits until it is.
async fn ask_about_what_is_alike(arena: &Arena, tag: &str) -> Result<(), Miss> {
    arena.tune("likely").await?;
    let mut round = 0;
    until("what is alike to be asked about", async || {
        round += 1;
        let canary = vec![format!("Calibrate {tag} canary {round} zeppelin"); 2];
        let answers = proposed(arena, &format!("{tag}-canary-{round}"), &canary).await?;
        let is_asked = answers.iter().any(|answer| answer.verdict == Verdict::Asked);
        Ok(if is_asked { Ok(()) } else { Err(format!("{answers:?}")) })
    })
    .await
}

async fn proposed(arena: &Arena, tag: &str, titles: &[String]) -> Result<Vec<ProposeReply>, Miss> {
    let proposing = arena.workers.iter().zip(titles).enumerate().map(|(index, (worker, title))| {
        let wanted = json!({ "what": "note", "id": format!("{tag}-{index}"), "title": title });
        ask::<call::OverlapPropose>(worker.client(), wanted)
    });
    let answers = join_all(proposing).await;
    Ok(answers.into_iter().collect::<Result<Vec<_>, _>>()?)
}

/// At most the first stands alone, and each that does not was shown one that came before it.
fn judge(answers: &[ProposeReply]) -> Trialled {
    let mut before: BTreeSet<&CreationId> = BTreeSet::new();
    for answer in answers {
        let candidates = &answer.checked.candidates;
        let saw_one_of_these = candidates.iter().any(|candidate| before.contains(&candidate.creation));
        let saw_an_earlier = candidates.iter().any(|candidate| candidate.place < answer.place);
        match answer.verdict {
            Verdict::Clear => {
                holds(before.is_empty(), || format!("a second one stands alone: {answers:?}"))?;
            }
            // The first one may have seen what an earlier run left.
            Verdict::Asked => holds(saw_one_of_these || (before.is_empty() && saw_an_earlier), || {
                format!("{} saw none of those before it: {answers:?}", answer.creation)
            })?,
            Verdict::Pending => {
                return Err(Miss::Unable("the service overlap did not decide in time".to_owned()));
            }
            ref other => return Err(Miss::Broken(format!("{other:?}: {answers:?}"))),
        }
        before.insert(&answer.creation);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_topics_share_more_than_one_word() {
        let words = |n| topic(n).split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        for one in 0..49 {
            assert_eq!(words(one).len(), 4);
            for other in 0..one {
                assert!(words(one).intersection(&words(other)).count() <= 1, "{one} {other}");
            }
        }
    }
}
