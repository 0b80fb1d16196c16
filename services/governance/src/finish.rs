//! Brings a proposed intent to its verdict: by the call that proposed it, or by a follower after a crash.

use selvedge_contracts::{
    fault::Fault,
    payload::intent::{Intent, IntentState},
};
use selvedge_kit::{
    clock::{Deadline, now_ms},
    rule::Verdict,
    service::{Answer, Recorded, Writer},
};

use crate::{
    intent,
    state::{Governance, entity},
    verify,
};

/// Looks at the world and records what was found, if the intent still stands as it was seen; answers with
/// how it stands then.
///
/// # Errors
/// `unavailable` if something cannot be looked at now; the intent stays proposed, and is taken up again.
pub(crate) async fn finish(
    state: &Governance,
    writer: &Writer,
    proposed: Recorded<Intent>,
    deadline: Deadline,
) -> Answer<Recorded<Intent>> {
    if proposed.state.state != IntentState::Proposed {
        return Ok(proposed);
    }
    let seen = proposed.state;
    let looked = verify::look(state, &seen, deadline).await?;
    let decide = |current: Option<&Intent>| -> Result<Verdict<Intent>, Fault> {
        let current = current.ok_or_else(|| Fault::not_found("the ledger does not know it"))?;
        Ok(intent::verify(current, &seen, &looked.finding, now_ms()))
    };
    writer.record(&state.intents, &entity(&seen.mission, &seen.id), decide).await
}
