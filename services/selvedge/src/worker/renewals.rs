//! Keeping a claim while its command runs, and knowing without anybody's help when it cannot be relied on.

use std::time::{Duration, Instant};

use selvedge_contracts::{
    call,
    fault::Fault,
    id::TaskId,
    payload::task::{Claim, TaskRenew},
};
use selvedge_kit::client::{Client, Options};

/// Pause after a renewal that nobody answered.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest margin before the end of a claim at which it counts as lost, in milliseconds.
const MOST_MARGIN_MS: u64 = 5_000;

/// Renews a claim, which was asked for at `since`, until it is lost; gives the reason.
pub(super) async fn keep(client: &Client, task: TaskId, claim: &Claim, since: Instant) -> String {
    let wanted = TaskRenew { task, token: claim.token.clone() };
    let margin_ms = (claim.ttl_ms / 10).min(MOST_MARGIN_MS);
    let pause = Duration::from_millis(claim.ttl_ms / 3);
    let rely = Duration::from_millis(claim.ttl_ms.saturating_sub(margin_ms));
    let mut confirmed = since;
    loop {
        tokio::time::sleep(pause.saturating_sub(confirmed.elapsed())).await;
        match renewed(client, &wanted, confirmed + rely).await {
            Ok(at) => confirmed = at,
            Err(reason) => return reason,
        }
    }
}

/// Renews once; asks again until the claim cannot be relied on any more.
async fn renewed(client: &Client, wanted: &TaskRenew, until: Instant) -> Result<Instant, String> {
    let mut last = None;
    loop {
        let sent_at = Instant::now();
        let left = until.saturating_duration_since(sent_at);
        if left.is_zero() {
            let last = last.map_or_else(String::new, |fault: Fault| format!(" ({fault})"));
            return Err(format!("no renewal of the claim was confirmed in time{last}"));
        }
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
        let options = Options { timeout_ms: Some(left_ms), ..Options::default() };
        let call = client.call_with::<call::TaskRenew>(wanted, &options);
        match tokio::time::timeout(left, call).await {
            Ok(Ok(_)) => return Ok(sent_at),
            Ok(Err(fault)) if fault.is_retryable() => last = Some(fault),
            Ok(Err(fault)) => return Err(fault.message),
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE.min(until.saturating_duration_since(Instant::now()))).await;
    }
}
