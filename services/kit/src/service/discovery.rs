//! `$SRV.PING/INFO/STATS` (NATS ADR-32), so that `nats micro ls|info|stats` and any client finds us.

use selvedge_contracts::subject::REQUEST_PREFIX;
use serde_json::{Value, json};

use super::Route;
use crate::metrics::CallMetrics;

/// Who answers.
pub(super) struct Introduction {
    pub(super) name: &'static str,
    pub(super) instance: String,
    pub(super) started: String,
}

/// Metadata: facts of the ledger that the instance could not read since it started.
pub(crate) const SKIPPED_FACTS: &str = "skipped_facts";
/// Metadata: revision of the last of them.
pub(crate) const LAST_SKIPPED: &str = "last_skipped";
/// Verbs of the protocol.
pub(super) const VERBS: [&str; 3] = ["PING", "INFO", "STATS"];

/// The subjects on which one instance answers one verb.
pub(super) fn subjects(verb: &str, name: &str, instance: &str) -> [String; 3] {
    [format!("$SRV.{verb}"), format!("$SRV.{verb}.{name}"), format!("$SRV.{verb}.{name}.{instance}")]
}

impl Introduction {
    /// The answer to one verb.
    pub(super) fn answer<S>(
        &self,
        verb: &str,
        routes: &[Route<S>],
        stats: &[CallMetrics],
        skipped: Option<(usize, u64)>,
    ) -> Value {
        // Values of the metadata are texts (NATS ADR-32).
        let metadata = skipped.map_or_else(
            || json!({}),
            |(facts, last)| json!({ SKIPPED_FACTS: facts.to_string(), LAST_SKIPPED: last.to_string() }),
        );
        let mut answer = json!({
            "type": format!("io.nats.micro.v1.{}_response", verb.to_lowercase()),
            "name": self.name,
            "id": self.instance,
            "version": env!("CARGO_PKG_VERSION"),
            "metadata": metadata,
        });
        let endpoints: Vec<Value> = match verb {
            "INFO" => routes.iter().map(|route| self.endpoint(route)).collect(),
            "STATS" => routes.iter().zip(stats).map(|(route, stats)| self.measured(route, stats)).collect(),
            _ => return answer,
        };
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("endpoints".to_owned(), endpoints.into());
            match verb {
                "INFO" => fields.insert("description".to_owned(), format!("Selvedge {}", self.name).into()),
                _ => fields.insert("started".to_owned(), self.started.clone().into()),
            };
        }
        answer
    }

    fn endpoint<S>(&self, route: &Route<S>) -> Value {
        let call = &route.row;
        json!({
            "name": call.name,
            "subject": subject_of(route),
            "queue_group": self.name,
            "metadata": { "summary": call.summary.trim(), "kind": call.request_kind().to_string() },
        })
    }

    fn measured<S>(&self, route: &Route<S>, stats: &CallMetrics) -> Value {
        let seen = stats.snapshot();
        json!({
            "name": route.row.name,
            "subject": subject_of(route),
            "queue_group": self.name,
            "num_requests": seen.requests,
            "num_errors": seen.errors,
            "last_error": seen.last_error,
            "processing_time": seen.processing_ns,
            "average_processing_time": seen.average_processing_ns(),
        })
    }
}

fn subject_of<S>(route: &Route<S>) -> String {
    format!("{REQUEST_PREFIX}.*.*.*.{}", route.row)
}
