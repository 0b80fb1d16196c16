//! What an operator says became of an effect.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fault::Fault,
    id::Owner,
    payload::intent::{Intent, IntentReply, Receipt, Settle},
};
use selvedge_kit::service::{Answer, Call, Route, Routes};
use tracing::warn;

use crate::{
    record,
    state::{Committer, entity},
};

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Committer> {
    vec![Route::wait::<call::IntentSettle, _>(settle)]
}

async fn settle(state: Arc<Committer>, call: Arc<Call>, request: Settle) -> Answer<IntentReply> {
    let owner: Owner = call.owner().cloned().ok_or_else(|| Fault::denied("nobody answers for the caller"))?;
    let receipt = Receipt::Settled { by: call.subject.caller.clone(), owner, note: request.note.clone() };
    let about = entity(call.mission(), &request.intent);
    let decide = |current: Option<&Intent>| record::settle(current, &request, &receipt);
    let recorded = call.writer.record(&state.intents, &about, decide).await?;
    warn!(intent = %request.intent, by = %call.subject.caller, outcome = ?request.outcome, "settled by a person");
    Ok(IntentReply { intent: recorded.state.as_ref().clone(), revision: recorded.revision })
}
