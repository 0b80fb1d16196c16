//! Putting what was found into an order by score and second model together.

use std::time::Duration;

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

/// Logits that a cosine of one adds to a score. Measured with all-MiniLM-L6-v2 on two corpora (`bench/README.md`,
/// "Overlap"): from 3 to 8 both were ordered better than by the score, and by the cosine alone both worse.
const COSINE_LOGITS: f64 = 6.0;

/// Puts the candidates into an order by score and second model together, and says how near each is; what does not
/// come in time leaves them as they are.
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

/// Best first; equal ones as they were.
fn order(candidates: &mut [Candidate], near: &[u16]) {
    for (candidate, near) in candidates.iter_mut().zip(near) {
        candidate.second = Some(*near);
    }
    let place = |candidate: &Candidate| rank(candidate.score, candidate.second.unwrap_or(0));
    candidates.sort_by(|one, other| place(other).total_cmp(&place(one)));
}

/// A score's logit, and what nearness adds to it; both in thousandths.
fn rank(score: u16, near: u16) -> f64 {
    // Nothing is certain: half a thousandth is left.
    let share = f64::from(score.min(1_000)).clamp(0.5, 999.5) / 1_000.0;
    (share / (1.0 - share)).ln() + COSINE_LOGITS * f64::from(near) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearness_moves_what_scores_alike_and_does_not_overrule_a_score_that_is_far_above() {
        assert!(rank(480, 800) > rank(520, 700));
        assert!(rank(900, 100) > rank(270, 500));
        assert!(rank(900, 100) < rank(270, 800));
    }

    #[test]
    fn more_of_either_never_ranks_lower_also_at_the_ends() {
        for step in 0..1_000 {
            assert!(rank(step + 1, 500) >= rank(step, 500), "{step}");
            assert!(rank(500, step + 1) > rank(500, step), "{step}");
        }
        assert!(rank(0, 0).is_finite() && rank(u16::MAX, 1_000).is_finite());
    }
}
