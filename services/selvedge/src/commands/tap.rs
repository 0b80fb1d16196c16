//! `selvedge tap`: what happens, as it happens.

use clap::Args;
use selvedge_contracts::{
    envelope::Envelope, fact::EntityName, fault::Fault, id::Mission, subject::Request,
};
use selvedge_kit::{
    ledger::FactRecord,
    tap::{Refusal, Seen, Source, What},
};
use serde_json::{Value, json};

use crate::{
    agent_folder::AgentFolder,
    connect::Context,
    exit::Done,
    output::{Format, hint, is_coloured, say},
    stop,
};

/// Watch facts, requests and refusals as they happen.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge tap
  selvedge tap --mission demo --facts
  selvedge tap --agent ada --requests --audit
  selvedge tap --entity session -o jsonl

Without --facts, --requests or --audit it shows all three. JSON output has whole envelopes. Ctrl-C ends
it. What happens while the connection is down is not shown; `selvedge log` has every fact.")]
pub(crate) struct Tap {
    /// Only this mission; `_` is the kluster itself.
    #[arg(long)]
    mission: Option<Mission>,
    /// Only facts of this sort of entity.
    #[arg(long)]
    entity: Option<EntityName>,
    /// Only what this agent did or what was done to it: its id, or its name if it is registered from here.
    #[arg(long)]
    agent: Option<String>,
    /// Show facts.
    #[arg(long)]
    facts: bool,
    /// Show requests.
    #[arg(long)]
    requests: bool,
    /// Show refusals.
    #[arg(long)]
    audit: bool,
}

impl Tap {
    pub(crate) async fn run(self, context: &Context) -> Done {
        let filter = Filter {
            entity: self.entity,
            agent: self.agent.as_ref().map(|text| named(context, text)),
        };
        let operator = context.operator().await?;
        let tap =
            selvedge_kit::tap::Tap::open(operator.bus(), &self.sources(), self.mission.as_ref())
                .await;
        let mut tap = tap.map_err(|error| Fault::unavailable(error.to_string()))?;
        let paint = if is_coloured(context.environment.get("NO_COLOR")) {
            Paint::Ansi
        } else {
            Paint::Plain
        };
        let stop = stop::on_signal()?;
        if context.output == Format::Human {
            hint("watching; Ctrl-C ends");
        }
        while let Some(Some(seen)) = stop.run_until_cancelled(tap.next()).await {
            if filter.lets_through(&seen.what) {
                show(context.output, &seen, paint)?;
            }
        }
        Ok(())
    }

    fn sources(&self) -> Vec<Source> {
        let asked = [
            (self.facts, Source::Facts),
            (self.requests, Source::Requests),
            (self.audit, Source::Audit),
        ];
        // An entity has facts alone.
        let only_facts = self.entity.is_some();
        let all = !only_facts && asked.iter().all(|(is_asked, _)| !is_asked);
        let wanted = asked.into_iter().filter(|(is_asked, source)| {
            all || *is_asked || (only_facts && *source == Source::Facts)
        });
        wanted.map(|(_, source)| source).collect()
    }
}

/// An id stands for itself: invites and services ask too.
fn named(context: &Context, text: &str) -> String {
    AgentFolder::find(&context.home, &context.kluster, text)
        .map_or_else(|_| text.to_owned(), |folder| folder.record.id.to_string())
}

struct Filter {
    entity: Option<EntityName>,
    agent: Option<String>,
}

impl Filter {
    fn lets_through(&self, what: &What) -> bool {
        let is_agent = |found: &[&str]| {
            self.agent
                .as_deref()
                .is_none_or(|agent| found.contains(&agent))
        };
        match what {
            What::Fact(fact) => {
                let entity = &fact.fact.entity;
                self.entity.is_none_or(|wanted| wanted == entity.name)
                    && is_agent(&[&fact.envelope.sender, entity.id.as_str()])
            }
            What::Request { request, .. } => is_agent(&[request.caller.as_str()]),
            What::Refusal(refusal) => Request::parse(&refusal.subject)
                .map_or(self.agent.is_none(), |request| {
                    is_agent(&[request.caller.as_str()])
                }),
            What::Unreadable { .. } => self.agent.is_none() && self.entity.is_none(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    Ansi,
    Plain,
}

fn show(output: Format, seen: &Seen, paint: Paint) -> std::io::Result<()> {
    match output {
        Format::Human => say(&line(seen, paint)),
        _ => output.print(&whole(seen), |_| String::new()),
    }
}

fn line(seen: &Seen, paint: Paint) -> String {
    let time = selvedge_kit::clock::rfc3339(seen.at_ms);
    let (kind, colour, rest) = match &seen.what {
        What::Fact(fact) => ("fact", 32, fact_line(fact)),
        What::Request {
            request,
            envelope,
            is_signed,
        } => {
            let signed = if *is_signed { "  signed" } else { "" };
            let key = &envelope.idempotency_key;
            let key = if key.is_empty() {
                String::new()
            } else {
                format!("  key {key}")
            };
            (
                "request",
                36,
                format!(
                    "{}  {}.{}  by {} as {}{signed}{key}",
                    request.mission, request.service, request.call, request.caller, request.scope
                ),
            )
        }
        What::Refusal(Refusal {
            code,
            message,
            subject,
            ..
        }) => ("refused", 31, format!("{code}: {message}  {subject}")),
        What::Unreadable { reason } => ("unreadable", 33, format!("{}: {reason}", seen.subject)),
    };
    let kind = match paint {
        Paint::Ansi => format!("\u{1b}[{colour}m{kind:7}\u{1b}[0m"),
        Paint::Plain => format!("{kind:7}"),
    };
    format!("{time}  {kind}  {rest}")
}

fn fact_line(fact: &FactRecord) -> String {
    let FactRecord {
        revision,
        fact,
        envelope,
        ..
    } = fact;
    let entity = &fact.entity;
    let root = if envelope.root.is_empty() {
        String::new()
    } else {
        format!("  under {}", envelope.root)
    };
    format!(
        "{}  {}  {}  by {}  revision {revision}{root}",
        entity.mission, envelope.kind, entity.id, envelope.sender
    )
}

fn whole(seen: &Seen) -> Value {
    let Seen {
        subject,
        at_ms,
        what,
    } = seen;
    match what {
        What::Fact(fact) => {
            json!({ "seen": "fact", "subject": subject, "at_ms": at_ms, "revision": fact.revision, "envelope": envelope(&fact.envelope) })
        }
        What::Request {
            envelope: sent,
            is_signed,
            ..
        } => {
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
    envelope
        .to_json()
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap(line: &str) -> Vec<Source> {
        #[derive(clap::Parser)]
        struct Parsed {
            #[command(flatten)]
            tap: Tap,
        }
        <Parsed as clap::Parser>::parse_from(line.split(' '))
            .tap
            .sources()
    }

    #[test]
    fn everything_is_watched_unless_something_is_asked_for() {
        assert_eq!(tap("tap"), [Source::Facts, Source::Requests, Source::Audit]);
        assert_eq!(tap("tap --audit"), [Source::Audit]);
        assert_eq!(tap("tap --entity session"), [Source::Facts]);
        assert_eq!(
            tap("tap --entity session --requests"),
            [Source::Facts, Source::Requests]
        );
    }

    fn refusal(caller: &str) -> Seen {
        let subject = format!("sv.req.demo.{caller}.worker-session_01.registry.agent_retire");
        let refusal = Refusal {
            at_ms: 0,
            code: "denied".to_owned(),
            message: "no".to_owned(),
            subject,
        };
        Seen {
            subject: "sv.audit.registry".to_owned(),
            at_ms: 0,
            what: What::Refusal(refusal),
        }
    }

    #[test]
    fn an_agents_refusals_are_its_own() {
        let filter = Filter {
            entity: None,
            agent: Some("ada-1a2b3c4d".to_owned()),
        };
        assert!(filter.lets_through(&refusal("ada-1a2b3c4d").what));
        assert!(!filter.lets_through(&refusal("bob-1a2b3c4d").what));
    }

    #[test]
    fn colour_is_for_terminals() {
        assert!(line(&refusal("ada-1a2b3c4d"), Paint::Ansi).contains("\u{1b}[31mrefused\u{1b}[0m"));
        assert!(!line(&refusal("ada-1a2b3c4d"), Paint::Plain).contains('\u{1b}'));
    }
}
