//! Whether the service overlap could take up its snapshots when it started.

use selvedge_contracts::{
    call,
    fault::Fault,
    payload::{Nothing, overlap::Stats},
};
use selvedge_kit::client::{Client, Options};

use super::report::Finding;

/// Longest wait for the answer, in milliseconds.
const ANSWER_MS: u64 = 5_000;
const CHECK: &str = "snapshots of overlap";

/// What the replica that answers says.
pub(super) async fn of_overlap(client: &Client) -> Finding {
    let options = Options { timeout_ms: Some(ANSWER_MS), ..Options::default() };
    let answered = client.call_with::<call::OverlapStats>(&Nothing {}, &options).await;
    judge(answered.map(|answered| answered.reply))
}

fn judge(found: Result<Stats, Fault>) -> Finding {
    let found = match found {
        Ok(found) => found,
        Err(fault) => return Finding::ok(CHECK, format!("not looked at: {}", fault.message)),
    };
    let Some(first) = found.refused_snapshots.first() else {
        return Finding::ok(CHECK, "none was refused at the start");
    };
    let (count, instance) = (found.refused_snapshots.len(), &found.instance);
    let said = format!(
        "{count} of no use to {instance} when it started; the one up to {}: {}",
        first.sequence, first.reason
    );
    let fix = "its index was made from an older one, or from the whole ledger, and is complete: delete the files if they come from another fabric, or from before the ledger was restored";
    Finding::warn(CHECK, said, fix)
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        id::Digest,
        payload::overlap::{Basis, RefusedSnapshot, Tuning},
    };

    use super::*;

    #[test]
    fn what_was_of_no_use_is_told_of_with_its_reason() {
        let digest = Digest::new(&"0".repeat(64)).unwrap();
        let basis = Basis { up_to_sequence: 1, index_hash: digest.clone(), model_hash: digest };
        let refused = RefusedSnapshot { sequence: 40, reason: "made from other facts".into() };
        let stats = |refused_snapshots| Stats {
            instance: "o1".into(),
            basis: basis.clone(),
            whole: true,
            items: 0,
            states: Default::default(),
            watched: 0,
            tail: 0,
            cells: 0,
            text_bytes: 0,
            index_bytes: 0,
            snapshot: None,
            refused_snapshots,
            tuning: Tuning::default(),
            reindex: None,
        };
        let shown = format!("{:?}", judge(Ok(stats(vec![refused]))));
        for part in ["Warn", "o1", "40", "made from other facts"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let none = format!("{:?}", judge(Ok(stats(Vec::new()))));
        assert!(none.contains("Ok") && none.contains("none was refused"), "{none}");
    }
}
