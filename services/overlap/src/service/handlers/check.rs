//! Checks that write nothing.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    payload::overlap::{
        self, Candidate, Check, CheckAll, CheckAllReply, Checked, DEFAULT_CANDIDATES, Pair, Text, Tuning,
    },
};
use selvedge_kit::service::{Answer, Call, Route, Routes};

use super::mission;
use crate::{
    Item, Query, Readable, State,
    service::{
        content::{self, Kept},
        replica::{Held, thresholds},
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

async fn check_all(state: Arc<Overlap>, call: Arc<Call>, request: CheckAll) -> Answer<CheckAllReply> {
    let scope = mission(&call)?.to_string();
    for (at, text) in request.texts.iter().enumerate() {
        content::says_something(&text.title, &format!("/texts/{at}/title"))?;
    }
    let readable = state.readable(&call);
    state.compute(move |replica| replica.read(|held| all(held, request, &scope, &readable))).await
}

fn all(held: &Held, request: CheckAll, scope: &str, readable: &Readable) -> CheckAllReply {
    let CheckAll { texts, limit, at_least } = request;
    let tuning = held.book.tuning(scope);
    let pairs = pairs(held, &texts, scope, &tuning, at_least);
    let one = |text: Text| {
        let query = query(text, scope.to_owned(), &tuning);
        let keep = |found: &Candidate| is_shown(at_least, found.score, found.level.is_some());
        held.search(&query, readable, (most(limit), most(limit)), keep)
    };
    CheckAllReply { checked: texts.into_iter().map(one).collect(), pairs }
}

/// Those of the texts that look like each other, best first, then in their order.
fn pairs(held: &Held, texts: &[Text], scope: &str, tuning: &Tuning, at_least: Option<u16>) -> Vec<Pair> {
    let items: Vec<Item> = texts.iter().map(|text| item_of(text, scope)).collect();
    let thresholds = thresholds(&tuning.thresholds);
    let mut found = Vec::new();
    for (one, first) in items.iter().enumerate() {
        for (other, second) in items.iter().enumerate().skip(one + 1) {
            let explained = held.index.explain(first, second, &thresholds);
            if is_shown(at_least, explained.score, explained.level.is_some()) {
                found.push(Pair {
                    one: one as u32,
                    other: other as u32,
                    score: explained.score,
                    level: explained.level.map(shown::level),
                    reasons: explained.reasons.into_iter().map(shown::reason).collect(),
                });
            }
        }
    }
    found.sort_by_key(|pair| (std::cmp::Reverse(pair.score), pair.one, pair.other));
    found.truncate(overlap::MAX_PAIRS);
    found
}

/// A text as the index compares it.
pub(super) fn item_of(text: &Text, scope: &str) -> Item {
    let kept = Kept::new(&text.title, &text.description, &text.paths, &text.artifacts);
    kept.into_item(String::new(), scope, State::Pending)
}
