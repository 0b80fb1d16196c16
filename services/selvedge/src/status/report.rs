//! What `status` shows, and how.

use selvedge_contracts::id::KlusterName;
use selvedge_kit::inspect::Stream;
use serde::Serialize;

use super::count::Counts;
use crate::connect::UpState;

#[derive(Serialize)]
pub(super) struct Status {
    pub(super) up: Option<UpState>,
    pub(super) url: String,
    pub(super) klusters: Vec<Kluster>,
}

#[derive(Serialize)]
pub(super) struct Kluster {
    pub(super) kluster: KlusterName,
    #[serde(flatten)]
    pub(super) seen: Seen,
}

/// What is seen of a kluster, or why nothing.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Seen {
    Reached(Box<Reached>),
    Unreached { error: String },
}

#[derive(Serialize)]
pub(super) struct Reached {
    pub(super) services: Vec<Service>,
    pub(super) streams: Vec<Stream>,
    pub(super) counts: Option<Counts>,
}

#[derive(Serialize)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) instance: String,
    pub(super) version: String,
    pub(super) started: String,
    pub(super) requests: u64,
    pub(super) errors: u64,
    /// Of a request that does not wait for something to happen, in microseconds.
    pub(super) average_us: u64,
}

pub(super) fn human(status: &Status) -> String {
    let mut lines = vec![match &status.up {
        Some(up) => format!("selvedge is up at {} (process {}, nats-server {})", up.url, up.pid, up.nats_pid),
        None => format!("no `selvedge up` runs on this folder; looking at {}", status.url),
    }];
    lines.extend(
        status.up.iter().filter_map(|up| up.probe_url.as_ref()).map(|url| format!("probe {url}/readyz")),
    );
    for Kluster { kluster, seen } in &status.klusters {
        lines.push(format!("\nkluster {kluster}"));
        match seen {
            Seen::Reached(reached) => lines.extend(table(reached)),
            Seen::Unreached { error } => lines.push(format!("  cannot be reached: {error}")),
        }
    }
    lines.join("\n")
}

fn table(reached: &Reached) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(Counts { missions, agents, open_sessions }) = &reached.counts {
        lines.push(format!("  {missions} missions, {agents} agents, {open_sessions} open sessions"));
    }
    lines.push(format!(
        "  {:<12} {:<34} {:>10} {:>8} {:>9}",
        "SERVICE", "INSTANCE", "REQUESTS", "ERRORS", "AVERAGE"
    ));
    for Service { name, instance, requests, errors, average_us, .. } in &reached.services {
        let average_ms = format!("{}.{} ms", average_us / 1_000, average_us % 1_000 / 100);
        lines.push(format!("  {name:<12} {instance:<34} {requests:>10} {errors:>8} {average_ms:>9}"));
    }
    if reached.services.is_empty() {
        lines.push("  none answers: `selvedge up` or `selvedge serve registry` starts it".to_owned());
    }
    lines.push(format!(
        "  {:<12} {:>34} {:>10} {:>8} {:>9}",
        "STREAM", "LAST REVISION", "MESSAGES", "COPIES", "SIZE"
    ));
    for Stream { name, messages, bytes, last_revision, replicas, .. } in &reached.streams {
        lines.push(format!(
            "  {name:<12} {last_revision:>34} {messages:>10} {replicas:>8} {:>9}",
            size(*bytes)
        ));
    }
    lines
}

/// A size for people: three digits and a unit.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut shown, mut units) = (bytes, UNITS.iter());
    let mut unit = units.next().unwrap_or(&"B");
    while shown >= 1_024 {
        let Some(next) = units.next() else { break };
        (shown, unit) = (shown / 1_024, next);
    }
    format!("{shown} {unit}")
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_short() {
        for (bytes, wanted) in
            [(0, "0 B"), (1_023, "1023 B"), (1_024, "1 KiB"), (5 << 30, "5 GiB"), (u64::MAX, "16777215 TiB")]
        {
            assert_eq!(size(bytes), wanted);
        }
    }
}
