//! Whether tokens still count.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    payload::lease::{Check, CheckReply, Standing},
};
use selvedge_kit::service::{Answer, Call};

use super::place;
use crate::{error::Miss, routing::at_owner, state::Leases};

pub(super) async fn check(state: Arc<Leases>, call: Arc<Call>, wanted: Check) -> Answer<CheckReply> {
    let (place, wanted) = (place(&call, &wanted.space), Arc::new(wanted));
    at_owner::<call::LeaseCheck, _, _>(&state, &call, &place, |slot| {
        let (state, wanted) = (Arc::clone(&state), Arc::clone(&wanted));
        async move {
            let confirmed = slot.confirm(&state).await?;
            slot.with(|owned, now_ms| {
                if owned.revision != confirmed {
                    return Err(Miss::Lost);
                }
                let verdicts: Vec<_> =
                    wanted.tokens.iter().map(|token| owned.space.check(token, now_ms)).collect();
                let all_valid = verdicts.iter().all(|verdict| verdict.standing == Standing::Valid);
                Ok(CheckReply { verdicts, all_valid })
            })
        }
    })
    .await
}
