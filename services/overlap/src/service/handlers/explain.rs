//! `overlap.explain`.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    payload::overlap::{Explain, Explained, FeatureShare, Side},
};
use selvedge_kit::service::{Answer, Call, Route, Routes};

use super::{check::item_of, creation, mission};
use crate::{
    Features, Item, NAMES, ONE, State,
    measured::Measured,
    service::{
        book::index_id,
        content::{self, Kept},
        replica::thresholds,
        shown,
        state::Overlap,
    },
};

/// Which handler serves which call.
pub(super) fn routes() -> Routes<Overlap> {
    vec![Route::wait::<call::OverlapExplain, _>(explain)]
}

async fn explain(state: Arc<Overlap>, call: Arc<Call>, request: Explain) -> Answer<Explained> {
    let scope = mission(&call)?.to_string();
    let one = item(&state, &call, &request.one, "/one").await?;
    let other = item(&state, &call, &request.other, "/other").await?;
    let embedder = Arc::clone(&state.embedder);
    state
        .compute(move |replica| {
            let [mut one, mut other] = [one, other].map(|item| Measured::new(&*embedder, &item));
            let (tuning, weights, basis) = replica.read(|held| {
                held.index.weigh(&mut one);
                held.index.weigh(&mut other);
                let (sequence, index_hash, model_hash) = held.index.basis();
                let basis = shown::basis(sequence, &index_hash, &model_hash);
                (held.book.tuning(&scope), held.index.weights(), basis)
            });
            let explained = one.explain(&other, &weights, &thresholds(&tuning.thresholds));
            Explained {
                score: explained.score,
                level: explained.level.map(shown::level),
                reasons: explained.reasons.into_iter().map(shown::reason).collect(),
                features: features(&explained.features),
                basis,
            }
        })
        .await
}

/// What is compared: a text, or a creation's, from the index or, if it is over, from the ledger.
async fn item(state: &Overlap, call: &Call, side: &Side, at: &str) -> Answer<Item> {
    match side {
        Side::Text(text) => {
            content::says_something(&text.title, &format!("{at}/text/title"))?;
            Ok(item_of(text, call.mission().as_str()))
        }
        Side::Creation(id) => {
            let mission = creation::find(state, call, id).await?;
            let held = state.replica.read(|held| held.index.item(&index_id(id.number())));
            if let Some(item) = held {
                return Ok(item);
            }
            let recorded = creation::read(call, &mission, id).await?;
            Ok(Kept::of(&recorded.state).into_item(index_id(id.number()), mission.as_str(), State::Pending))
        }
    }
}

/// All that a score is made of, in thousandths.
fn features(features: &Features) -> Vec<FeatureShare> {
    let thousandths = |share: i32| i32::try_from(i64::from(share) * 1_000 / i64::from(ONE)).unwrap_or(0);
    let named = |name: &str, share: i32| FeatureShare { name: name.to_owned(), share };
    let whole = |is_so: bool| if is_so { 1_000 } else { 0 };
    let learned = NAMES.iter().zip(features.shares).map(|(name, share)| named(name, thousandths(share)));
    let rules = [
        named("paths", thousandths(features.paths)),
        named("artifacts", thousandths(features.artifacts)),
        named("same mission", whole(features.same_scope)),
        named("numbers differ", whole(features.numbers_differ)),
        named("opposite", whole(features.is_opposite)),
        named("order differs", whole(features.order_differs)),
        named("words differ", whole(features.words_differ)),
    ];
    learned.chain(rules).collect()
}
