//! Attempts at an intent's effect or undo: how one begins.
//!
//! An attempt is a fact before it is a deed: it says who acts and until when nobody else may. Nothing is begun
//! before governance has said, at that moment, that it may be, and the approvers' signatures have been checked.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    payload::intent::{Effect, Execution, Intent, Redeem},
};
use selvedge_kit::{
    client::Options,
    clock::{Deadline, now_ms},
    view::Entry,
};
use tracing::{error, warn};

use crate::{
    approvals,
    effects::{self, Earlier, Side},
    record,
    state::{Committer, entity},
};

/// Longest wait for governance and for one write, in milliseconds.
pub(crate) const STEP_MS: u64 = 10_000;

/// An attempt that is on record.
pub(crate) struct Attempt {
    /// The intent, as the fact of this attempt left it.
    pub(crate) intent: Arc<Intent>,
    pub(crate) revision: u64,
    pub(crate) earlier: Earlier,
    pub(crate) deadline: Deadline,
}

/// Begins an attempt at what was `seen`; nothing if it turns out that nobody may act on it.
///
/// # Errors
/// `unavailable` if governance or the ledger does not answer.
pub(crate) async fn begin(state: &Committer, seen: &Entry<Intent>) -> Result<Option<Attempt>, Fault> {
    let intent = seen.state.as_ref();
    if !intent.is_ready() {
        let earlier = if intent.state.is_settled() { Earlier::None } else { Earlier::Begun };
        let token = intent.execution.as_ref().and_then(|execution| execution.highest_token);
        return unless_moved_on(record(state, intent, token, earlier, 0).await);
    }
    if !approvals_hold(state, intent).await? {
        return Ok(None);
    }
    let request = Redeem { intent: intent.id.clone(), revision: seen.revision, token: intent.token.clone() };
    let options = Options { timeout_ms: Some(STEP_MS), ..Options::default() };
    let client = state.client.clone().in_mission(intent.mission.clone());
    let redeemed = match client.call_with::<call::IntentRedeem>(&request, &options).await {
        Ok(answered) => answered.reply,
        Err(fault) if fault.is_retryable() => return Err(fault),
        Err(fault) => {
            // What is stale governance has rejected, on the record.
            warn!(intent = %intent.id, error = %fault, "may not be executed");
            return Ok(None);
        }
    };
    state.config.steps.reached("redeemed");
    if now_ms() > redeemed.until_ms {
        return Err(Fault::unavailable("governance's word is too old by now"));
    }
    unless_moved_on(record(state, intent, redeemed.highest_token, Earlier::None, 0).await)
}

/// Holds the approvers' signatures against what is to be done; where they do not match it, that is the end.
async fn approvals_hold(state: &Committer, intent: &Intent) -> Result<bool, Fault> {
    let flaws = approvals::confirmed_flaws(intent, state).await?;
    if flaws.is_empty() {
        return Ok(true);
    }
    error!(intent = %intent.id, mission = %intent.mission, ?flaws, "approvals do not hold: not executed");
    let writer = state.writer(intent, "void", Deadline::in_ms(STEP_MS));
    let about = entity(&intent.mission, &intent.id);
    let recorded =
        writer.record(&state.intents, &about, |current| record::void(current, intent, &flaws)).await;
    unless_moved_on(recorded)?;
    state.metrics.effects("failed").inc();
    Ok(false)
}

/// Records the next attempt at what was `seen`, to be made after a pause.
pub(crate) async fn record(
    state: &Committer,
    seen: &Intent,
    highest_token: Option<u64>,
    earlier: Earlier,
    pause_ms: u64,
) -> Result<Attempt, Fault> {
    let own_ms = of(seen).map_or(0, |(_, effect)| effects::own_ms(state, seen, effect));
    let takeover_ms = state.config.takeover_ms;
    // Counted from before it is on record, and shorter: other machines' clocks differ, and between the last
    // look and the deed there is a moment.
    let deadline = Deadline::in_ms(pause_ms + own_ms + takeover_ms * 3 / 4);
    let execution = Execution {
        executor: state.ledger.bus().me().scope.id.clone(),
        attempt: record::next_attempt(seen),
        until_ms: now_ms() + pause_ms + own_ms + takeover_ms,
        highest_token,
    };
    let writer = state.writer(seen, "attempt", Deadline::in_ms(STEP_MS));
    let about = entity(&seen.mission, &seen.id);
    let decide = |current: Option<&Intent>| record::attempt(current, seen, &execution);
    let recorded = writer.record(&state.intents, &about, decide).await?;
    state.config.steps.reached("executing");
    Ok(Attempt { intent: recorded.state, revision: recorded.revision, earlier, deadline })
}

fn unless_moved_on<T>(recorded: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match recorded {
        Ok(recorded) => Ok(Some(recorded)),
        Err(fault) if fault.code == Code::Conflict => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// What an intent's attempts carry out.
pub(crate) fn of(intent: &Intent) -> Option<(Side, &Effect)> {
    match record::side(intent)? {
        Side::Do => Some((Side::Do, &intent.effect)),
        Side::Undo => intent.undo.as_ref().map(|undo| (Side::Undo, undo)),
    }
}
