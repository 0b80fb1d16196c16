//! Whether the leases that an intent is done under are still its proposer's.

use std::collections::BTreeMap;

use selvedge_contracts::{
    call,
    fault::{Code, Detail, Fault},
    id::SpaceId,
    payload::{
        intent::{FencingToken, Intent},
        lease::{Check, CheckReply, Checked, Standing, Verdict},
    },
};
use selvedge_kit::{
    client::Options,
    clock::Deadline,
    sabotage::{Guard, is_broken},
    service::Answer,
};

use crate::{intent::detail, state::Governance};

/// What was found about the leases.
#[derive(Debug, Default)]
pub(super) struct Leases {
    pub(super) reasons: Vec<Detail>,
    /// When the first of them ends (Unix time in milliseconds).
    pub(super) until_ms: Option<u64>,
}

/// Asks the service that grants leases, once for each space.
pub(super) async fn check(state: &Governance, intent: &Intent, deadline: Deadline) -> Answer<Leases> {
    if is_broken(Guard::Fence) {
        return Ok(Leases::default());
    }
    let mut by_space: BTreeMap<&SpaceId, Vec<(usize, &FencingToken)>> = BTreeMap::new();
    for (index, token) in intent.tokens.iter().enumerate() {
        by_space.entry(&token.space).or_default().push((index, token));
    }
    let mut found = Leases::default();
    for (space, tokens) in by_space {
        match ask(state, intent, space, &tokens, deadline).await {
            Ok(reply) => {
                for ((index, _), verdict) in tokens.iter().zip(&reply.verdicts) {
                    found.judge(intent, *index, verdict);
                }
            }
            Err(fault) if fault.is_retryable() || fault.code == Code::Internal => return Err(fault),
            Err(fault) => {
                found.reasons.push(detail("/tokens", format!("space {space}: {}", fault.message)));
            }
        }
    }
    Ok(found)
}

async fn ask(
    state: &Governance,
    intent: &Intent,
    space: &SpaceId,
    tokens: &[(usize, &FencingToken)],
    deadline: Deadline,
) -> Answer<CheckReply> {
    let tokens = tokens.iter().map(|(_, of)| Checked { lease: of.lease.clone(), token: of.token }).collect();
    let check = Check { space: space.clone(), tokens };
    let timeout_ms = u64::try_from(deadline.remaining().as_millis()).ok();
    let client = state.client.clone().in_mission(intent.mission.clone());
    let options = Options { timeout_ms, ..Options::default() };
    let answered = client.call_with::<call::LeaseCheck>(&check, &options).await?.reply;
    if answered.verdicts.len() != check.tokens.len() {
        return Err(Fault::internal(
            "the service leases answered about other tokens than it was asked about",
        ));
    }
    Ok(answered)
}

impl Leases {
    fn judge(&mut self, intent: &Intent, index: usize, verdict: &Verdict) {
        let at = format!("/tokens/{index}");
        let lease = match (&verdict.standing, &verdict.now) {
            (Standing::Valid, Some(lease)) => lease,
            (standing, _) => {
                let message =
                    format!("{} under token {} is {}", verdict.lease, verdict.token, in_words(*standing));
                return self.reasons.push(detail(&at, message));
            }
        };
        if lease.holder != intent.proposer {
            let message = format!("{} is held by {}, not by {}", lease.id, lease.holder, intent.proposer);
            return self.reasons.push(detail(&at, message));
        }
        self.until_ms =
            Some(self.until_ms.map_or(lease.expires_at_ms, |until| until.min(lease.expires_at_ms)));
    }
}

fn in_words(standing: Standing) -> &'static str {
    match standing {
        Standing::Valid => "told without its record",
        Standing::Gone => "gone",
        Standing::Expired => "past its deadline",
        Standing::Waiting => "waiting: nobody holds it",
        Standing::OtherToken => "held under another token by now",
    }
}
