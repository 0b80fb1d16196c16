//! Whether tokens still count.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    payload::lease::{Check, CheckReply, Standing, Verdict},
};
use selvedge_kit::service::{Answer, Call};

use super::{decide, place};
use crate::{decision::Decision, routing::at_owner_if_any, state::Leases};

pub(super) async fn check(state: Arc<Leases>, call: Arc<Call>, wanted: Check) -> Answer<CheckReply> {
    let (place, wanted) = (place(&call, &wanted.space), Arc::new(wanted));
    let checked = at_owner_if_any::<call::LeaseCheck, _, _>(&state, &call, &place, |slot| {
        let (state, call, wanted) = (Arc::clone(&state), Arc::clone(&call), Arc::clone(&wanted));
        async move {
            decide(&state, &call, &slot, |owned, now_ms| {
                let verdicts = owned.space.check(&wanted.tokens, now_ms);
                Ok(Decision { outcome: reply(verdicts), writes: Vec::new() })
            })
            .await
        }
    })
    .await?;
    Ok(checked.unwrap_or_else(|| reply(wanted.tokens.iter().map(Verdict::gone).collect())))
}

fn reply(verdicts: Vec<Verdict>) -> CheckReply {
    let all_valid = verdicts.iter().all(|verdict| verdict.standing == Standing::Valid);
    CheckReply { verdicts, all_valid }
}
