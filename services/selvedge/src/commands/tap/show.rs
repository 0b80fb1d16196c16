//! What was seen, as a line or as JSON.

use selvedge_contracts::envelope::Envelope;
use selvedge_kit::{
    ledger::FactRecord,
    tap::{Refusal, Seen, What},
};
use serde_json::{Value, json};

use crate::output::{Format, instant_ms, say};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Ansi,
    Plain,
}

pub(super) fn show(output: Format, seen: &Seen, paint: Paint) -> std::io::Result<()> {
    match output {
        Format::Human => say(&line(seen, paint)),
        _ => output.print(&whole(seen), |_| String::new()),
    }
}

pub(super) fn line(seen: &Seen, paint: Paint) -> String {
    let time = instant_ms(seen.at_ms);
    let (kind, colour, rest) = match &seen.what {
        What::Fact(fact) => ("fact", 32, fact_line(fact)),
        What::Request { request, envelope, is_signed } => {
            let signed = if *is_signed { "  signed" } else { "" };
            let key = &envelope.idempotency_key;
            let key = if key.is_empty() { String::new() } else { format!("  key {key}") };
            (
                "request",
                36,
                format!(
                    "{}  {}.{}  by {} as {}{signed}{key}",
                    request.mission, request.service, request.call, request.caller, request.scope
                ),
            )
        }
        What::Refusal(Refusal { code, message, subject, left_behind, .. }) => {
            let kind = if left_behind.is_some() { "dead" } else { "refused" };
            (kind, 31, format!("{code}: {message}  {subject}"))
        }
        What::Unreadable { reason } => ("unreadable", 33, format!("{}: {reason}", seen.subject)),
    };
    let kind = match paint {
        Paint::Ansi => format!("\u{1b}[{colour}m{kind:7}\u{1b}[0m"),
        Paint::Plain => format!("{kind:7}"),
    };
    format!("{time}  {kind}  {rest}")
}

fn fact_line(fact: &FactRecord) -> String {
    let FactRecord { revision, fact, envelope, .. } = fact;
    let entity = &fact.entity;
    let root = if envelope.root.is_empty() { String::new() } else { format!("  under {}", envelope.root) };
    format!(
        "{}  {}  {}  by {}  revision {revision}{root}",
        entity.mission, envelope.kind, entity.id, envelope.sender
    )
}

fn whole(seen: &Seen) -> Value {
    let Seen { subject, at_ms, what } = seen;
    match what {
        What::Fact(fact) => {
            json!({ "seen": "fact", "subject": subject, "at_ms": at_ms, "revision": fact.revision, "envelope": envelope(&fact.envelope) })
        }
        What::Request { envelope: sent, is_signed, .. } => {
            json!({ "seen": "request", "subject": subject, "at_ms": at_ms, "signed": is_signed, "envelope": envelope(sent) })
        }
        What::Refusal(refusal) => {
            json!({ "seen": "refusal", "subject": subject, "at_ms": at_ms, "refusal": refusal })
        }
        What::Unreadable { reason } => {
            json!({ "seen": "unreadable", "subject": subject, "at_ms": at_ms, "reason": reason })
        }
    }
}

fn envelope(envelope: &Envelope) -> Value {
    // One whose payload is no JSON is shown as absent: it will be refused, and the refusal says why.
    envelope.to_json().ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}
