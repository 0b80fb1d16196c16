//! Whether tokens still count.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    payload::lease::{Check, CheckReply, Standing},
};
use selvedge_kit::service::{Answer, Call};

use super::{decide, place};
use crate::{decision::Decision, routing::at_owner, state::Leases};

pub(super) async fn check(state: Arc<Leases>, call: Arc<Call>, wanted: Check) -> Answer<CheckReply> {
    let (place, wanted) = (place(&call, &wanted.space), Arc::new(wanted));
    at_owner::<call::LeaseCheck, _, _>(&state, &call, &place, |slot| {
        let (state, call, wanted) = (Arc::clone(&state), Arc::clone(&call), Arc::clone(&wanted));
        async move {
            decide(&state, &call, &slot, |owned, now_ms| {
                let verdicts: Vec<_> =
                    wanted.tokens.iter().map(|token| owned.space.check(token, now_ms)).collect();
                let all_valid = verdicts.iter().all(|verdict| verdict.standing == Standing::Valid);
                Ok(Decision { outcome: CheckReply { verdicts, all_valid }, writes: Vec::new() })
            })
            .await
        }
    })
    .await
}
