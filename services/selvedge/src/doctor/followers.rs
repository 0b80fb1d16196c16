//! Whether followers had to leave messages behind.

use selvedge_contracts::{stream::AUDIT, subject::DEAD_LETTERS};
use selvedge_kit::{
    bus::Bus,
    clock::Deadline,
    inspect::{self, Error},
    tap::Refusal,
};

use super::report::Finding;

/// Longest wait for the answer, in milliseconds.
const ANSWER_MS: u64 = 5_000;
const CHECK: &str = "what follows from facts";

/// How many are on the audit stream, and the last one.
pub(super) async fn left_behind(bus: &Bus) -> Finding {
    judge(inspect::matching(bus, AUDIT, DEAD_LETTERS, Deadline::in_ms(ANSWER_MS)).await)
}

fn judge(found: Result<Option<(u64, Vec<u8>)>, Error>) -> Finding {
    match found {
        Ok(None) => Finding::ok(CHECK, "no message was left behind"),
        Ok(Some((count, last))) => {
            let last = serde_json::from_slice::<Refusal>(&last).map_or_else(
                |error| format!("unreadable: {error}"),
                |record| format!("{} ({})", record.message, record.subject),
            );
            let fix = "nothing followed from them: read each in its stream, do by hand what should have followed, and report what wrote it; the records, on AUDIT under sv.audit.*.*.*.dead, are kept for 30 days";
            Finding::warn(CHECK, format!("{count} left behind within 30 days; the last: {last}"), fix)
        }
        Err(error) => {
            Finding::fail(CHECK, error.to_string(), "run `selvedge up`, or `selvedge init --provision`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn what_was_left_behind_is_told_of_with_its_reason() {
        assert_eq!(judge(Ok(None)).level, Level::Ok);
        let record = br#"{"at_ms":1,"code":"invalid","message":"registry_ends left message 7 of LEDGER behind: no","subject":"s"}"#;
        let shown = format!("{:?}", judge(Ok(Some((3, record.to_vec())))));
        for wanted in ["Warn", "3 left behind", "message 7 of LEDGER", "sv.audit.*.*.*.dead"] {
            assert!(shown.contains(wanted), "{shown}");
        }
    }
}
