//! Checks that write nothing.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fault::Fault,
    payload::overlap::{
        self, Candidate, Check, CheckAll, CheckAllReply, Checked, DEFAULT_CANDIDATES, Pair, Text, Tuning,
    },
};
use selvedge_kit::service::{Answer, Call, Route, Routes};

use super::mission;
use crate::{
    Embedder, Item, Query, Readable, State, Weights,
    measured::Measured,
    service::{
        content::{self, Kept},
        replica::{Replica, thresholds},
        second, shown,
        state::Overlap,
    },
};

/// Which handler serves which call.
pub(super) fn routes() -> Routes<Overlap> {
    vec![Route::wait::<call::OverlapCheck, _>(check), Route::wait::<call::OverlapCheckAll, _>(check_all)]
}

/// Which candidates are shown: those of a level, or of the score that is asked for.
fn is_shown(asked: Option<u16>, score: u16, has_level: bool) -> bool {
    asked.map_or(has_level, |least| score >= least)
}

fn most(limit: Option<u32>) -> usize {
    limit.map_or(DEFAULT_CANDIDATES, |limit| (limit as usize).clamp(1, overlap::MAX_CANDIDATES))
}

async fn check(state: Arc<Overlap>, call: Arc<Call>, request: Check) -> Answer<Checked> {
    let scope = mission(&call)?.to_string();
    content::says_something(&request.title, "/title")?;
    let readable = state.readable(&call);
    let Check { title, description, paths, artifacts, what, limit, at_least } = request;
    let wanted = state.second.as_ref().map(|_| second::joined(&title, &description));
    let mut checked = state
        .compute(move |replica| {
            replica.read(|held| {
                let tuning = held.book.tuning(&scope);
                let keep = |found: &Candidate| {
                    is_shown(at_least, found.score, found.level.is_some())
                        && what.as_ref().is_none_or(|what| *what == found.what)
                };
                let text = Text { title, description, paths, artifacts };
                let most = most(limit);
                // The best ones may be of other kinds.
                let of = if what.is_some() { overlap::MAX_CANDIDATES } else { most };
                held.search(&query(text, scope, &tuning), &readable, (most, of), keep)
            })
        })
        .await?;
    if let (Some(model), Some(wanted)) = (&state.second, wanted) {
        second::reorder(model, &call, &wanted, &mut checked).await;
    }
    Ok(checked)
}

fn query(text: Text, scope: String, tuning: &Tuning) -> Query {
    let Text { title, description, paths, artifacts } = text;
    let thresholds = thresholds(&tuning.thresholds);
    Query { title, description, paths, artifacts, scope, before: None, except: None, thresholds }
}

/// How texts are checked that are checked together.
struct Together {
    scope: String,
    readable: Readable,
    tuning: Tuning,
    weights: Weights,
    most: usize,
    at_least: Option<u16>,
}

impl Together {
    fn shows(&self, score: u16, has_level: bool) -> bool {
        is_shown(self.at_least, score, has_level)
    }
}

/// Each text is looked at by itself, and nothing is held in between: others are answered meanwhile.
async fn check_all(state: Arc<Overlap>, call: Arc<Call>, request: CheckAll) -> Answer<CheckAllReply> {
    let scope = mission(&call)?.to_string();
    let CheckAll { texts, limit, at_least } = request;
    for (at, text) in texts.iter().enumerate() {
        content::says_something(&text.title, &format!("/texts/{at}/title"))?;
    }
    let (tuning, weights) = state.replica.read(|held| (held.book.tuning(&scope), held.index.weights()));
    let (readable, most) = (state.readable(&call), most(limit));
    let together = Arc::new(Together { scope, readable, tuning, weights, most, at_least });
    let all = texts.len();
    let in_time = |done: usize| match call.deadline().has_passed() {
        false => Ok(()),
        true => Err(Fault::unavailable(format!(
            "{done} of {all} texts were looked at in the time that there was: ask about fewer at once"
        ))),
    };
    let (mut checked, mut measured) = (Vec::new(), Vec::new());
    for (at, text) in texts.into_iter().enumerate() {
        in_time(at)?;
        let (embedder, together) = (Arc::clone(&state.embedder), Arc::clone(&together));
        let one = state.compute(move |replica| look(replica, &*embedder, text, &together)).await?;
        checked.push(one.0);
        measured.push(one.1);
    }
    let (measured, mut pairs) = (Arc::new(measured), Vec::new());
    for at in 0..all {
        in_time(all)?;
        let (measured, together) = (Arc::clone(&measured), Arc::clone(&together));
        pairs.extend(state.compute(move |_| pairs_of(&measured, at, &together)).await?);
    }
    pairs.sort_by_key(|pair: &Pair| (std::cmp::Reverse(pair.score), pair.one, pair.other));
    pairs.truncate(overlap::MAX_PAIRS);
    Ok(CheckAllReply { checked, pairs })
}

/// What is there that looks like a text, and the text as it is compared with the others.
fn look(replica: &Replica, embedder: &dyn Embedder, text: Text, together: &Together) -> (Checked, Measured) {
    let mut measured = Measured::new(embedder, &item_of(&text, &together.scope));
    let query = query(text, together.scope.clone(), &together.tuning);
    let keep = |found: &Candidate| together.shows(found.score, found.level.is_some());
    let checked = replica.read(|held| {
        held.index.weigh(&mut measured);
        held.search(&query, &together.readable, (together.most, together.most), keep)
    });
    (checked, measured)
}

/// Those of the later texts that look like one.
fn pairs_of(measured: &[Measured], one: usize, together: &Together) -> Vec<Pair> {
    let thresholds = thresholds(&together.tuning.thresholds);
    let Some((first, later)) = measured.get(one..).and_then(|rest| rest.split_first()) else {
        return Vec::new();
    };
    let pair = |(second, other): (&Measured, usize)| {
        let explained = first.explain(second, &together.weights, &thresholds);
        together.shows(explained.score, explained.level.is_some()).then(|| Pair {
            one: one as u32,
            other: other as u32,
            score: explained.score,
            level: explained.level.map(shown::level),
            reasons: explained.reasons.into_iter().map(shown::reason).collect(),
        })
    };
    later.iter().zip(one + 1..).filter_map(pair).collect()
}

/// A text as the index compares it.
pub(super) fn item_of(text: &Text, scope: &str) -> Item {
    let kept = Kept::new(&text.title, &text.description, &text.paths, &text.artifacts);
    kept.into_item(String::new(), scope, State::Pending)
}
