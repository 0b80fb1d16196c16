//! Putting what was found into the second model's order.

use std::{cmp::Reverse, time::Duration};

use futures::{StreamExt as _, stream};
use selvedge_contracts::{
    id::{CreationId, Mission},
    payload::overlap::{Candidate, Checked, Second},
};
use selvedge_kit::service::Call;

use super::{SecondError, SecondModel};
use crate::service::handlers::creation::read;

/// Texts of candidates that are read from the ledger at once.
const READ_AT_ONCE: usize = 16;
/// Time left for the answer on its way, in milliseconds.
const ANSWER_MS: u64 = 200;

/// Puts the candidates into the second model's order, and says how near each is; what does not come in time
/// leaves them as they are.
pub(crate) async fn reorder(model: &SecondModel, call: &Call, text: &str, checked: &mut Checked) {
    let left = call.deadline().remaining().saturating_sub(Duration::from_millis(ANSWER_MS));
    let patience = left.min(Duration::from_millis(model.timeout_ms));
    let asked = tokio::time::timeout(patience, near(model, call, text, &checked.candidates)).await;
    let late = || SecondError::Unanswered(format!("not within {} ms", patience.as_millis()));
    let failed = match asked.unwrap_or_else(|_| Err(late())) {
        Ok(near) => {
            order(&mut checked.candidates, &near);
            None
        }
        Err(error) => {
            tracing::warn!(model = model.name(), %error, "the second model is left out");
            Some(error.to_string())
        }
    };
    checked.second = Some(Second { model: model.name().to_owned(), failed });
}

/// How near the candidates are, in their order.
async fn near(
    model: &SecondModel,
    call: &Call,
    text: &str,
    candidates: &[Candidate],
) -> Result<Vec<u16>, SecondError> {
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let named = |candidate: &Candidate| {
        (candidate.mission.clone(), candidate.creation.clone(), candidate.title.clone())
    };
    let named: Vec<_> = candidates.iter().map(named).collect();
    let texts = named.into_iter().map(|(mission, creation, title)| of(call, mission, creation, title));
    let texts: Vec<String> = stream::iter(texts).buffered(READ_AT_ONCE).collect().await;
    model.near(text, &texts).await
}

/// What a candidate says: its title, and as much of the rest as its creation keeps.
async fn of(call: &Call, mission: Mission, creation: CreationId, title: String) -> String {
    match read(call, &mission, &creation).await {
        Ok(creation) => joined(&creation.state.title, &creation.state.description),
        // Its thing was created without asking: the title is all there is.
        Err(_) => title,
    }
}

/// A title and the rest as one text.
pub(crate) fn joined(title: &str, description: &str) -> String {
    if description.is_empty() { title.to_owned() } else { format!("{title}\n{description}") }
}

/// Nearest first; of equal nearness as they were.
fn order(candidates: &mut [Candidate], near: &[u16]) {
    for (candidate, near) in candidates.iter_mut().zip(near) {
        candidate.second = Some(*near);
    }
    candidates.sort_by_key(|candidate| Reverse(candidate.second));
}
