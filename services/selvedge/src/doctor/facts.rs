//! Whether every service can read every fact.

use selvedge_kit::{
    bus::Bus,
    clock::Deadline,
    inspect::{self, Error, Instance},
};

use super::report::Finding;

/// Longest wait for the first answer, in milliseconds.
const ANSWER_MS: u64 = 5_000;
const CHECK: &str = "facts that services could not read";

/// Which running instances had to leave facts out of their views since they started.
pub(super) async fn unread(bus: &Bus) -> Finding {
    judge(inspect::instances(bus, Deadline::in_ms(ANSWER_MS)).await)
}

fn judge(found: Result<Vec<Instance>, Error>) -> Finding {
    let instances = match found {
        Ok(instances) => instances,
        Err(error) => {
            return Finding::warn(CHECK, format!("UNKNOWN: {error}"), "run `selvedge up`, and look again");
        }
    };
    let said = instances.iter().filter_map(|instance| {
        let skipped = instance.skipped?;
        Some(format!(
            "{} ({}): {}, the last at revision {}",
            instance.name, instance.id, skipped.facts, skipped.last_revision
        ))
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() {
        return Finding::ok(CHECK, format!("none, of {} that answer", instances.len()));
    }
    let fix = "what these facts say is missing from what these services know: read each with `selvedge log --from REVISION`, see which version wrote it, and run that version or a newer one; the services' logs name all of them";
    Finding::fail(CHECK, said.join("; "), fix)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::report::Level;

    fn instance(metadata: &serde_json::Value) -> Instance {
        let answer = json!({ "name": "dispatcher", "id": "d-1", "version": "1", "metadata": metadata });
        serde_json::from_value(answer).unwrap()
    }

    #[test]
    fn whoever_left_a_fact_out_is_named_with_the_last_one() {
        let healthy = instance(&json!({}));
        assert_eq!(judge(Ok(vec![healthy.clone()])).level, Level::Ok);
        let behind = instance(&json!({ "skipped_facts": "3", "last_skipped": "812" }));
        let shown = format!("{:?}", judge(Ok(vec![healthy, behind])));
        for wanted in ["Fail", "dispatcher (d-1): 3, the last at revision 812"] {
            assert!(shown.contains(wanted), "{shown}");
        }
    }
}
