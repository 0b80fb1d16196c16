//! `selvedge tap`: what happens, as it happens.

mod show;

use clap::Args;
use selvedge_contracts::{fact::EntityName, fault::Fault, id::Mission, subject::Request};
use selvedge_kit::tap::{Source, What};

use self::show::{Paint, show};
use crate::{
    agent_folder::AgentFolder,
    connect::Context,
    exit::Done,
    output::{Format, hint, is_coloured},
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
    #[arg(long, env = "SELVEDGE_MISSION")]
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
        let filter =
            Filter { entity: self.entity, agent: self.agent.as_ref().map(|text| named(context, text)) };
        let operator = context.operator().await?;
        let tap = selvedge_kit::tap::Tap::open(operator.bus(), &self.sources(), self.mission.as_ref()).await;
        let mut tap = tap.map_err(|error| Fault::unavailable(error.to_string()))?;
        let paint = if is_coloured(context.environment.get("NO_COLOR")) { Paint::Ansi } else { Paint::Plain };
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
        let asked =
            [(self.facts, Source::Facts), (self.requests, Source::Requests), (self.audit, Source::Audit)];
        // An entity has facts alone.
        let only_facts = self.entity.is_some();
        let all = !only_facts && asked.iter().all(|(is_asked, _)| !is_asked);
        let wanted = asked
            .into_iter()
            .filter(|(is_asked, source)| all || *is_asked || (only_facts && *source == Source::Facts));
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
        let is_agent = |found: &[&str]| self.agent.as_deref().is_none_or(|agent| found.contains(&agent));
        match what {
            What::Fact(fact) => {
                let entity = &fact.fact.entity;
                self.entity.is_none_or(|wanted| wanted == entity.name)
                    && is_agent(&[&fact.envelope.sender, entity.id.as_str()])
            }
            What::Request { request, .. } => is_agent(&[request.caller.as_str()]),
            What::Refusal(refusal) => Request::parse(&refusal.subject)
                .map_or(self.agent.is_none(), |request| is_agent(&[request.caller.as_str()])),
            What::Unreadable { .. } => self.agent.is_none() && self.entity.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use selvedge_kit::tap::{Refusal, Seen};

    use super::{show::line, *};

    fn tap(line: &str) -> Vec<Source> {
        #[derive(clap::Parser)]
        struct Parsed {
            #[command(flatten)]
            tap: Tap,
        }
        <Parsed as clap::Parser>::parse_from(line.split(' ')).tap.sources()
    }

    #[test]
    fn everything_is_watched_unless_something_is_asked_for() {
        assert_eq!(tap("tap"), [Source::Facts, Source::Requests, Source::Audit]);
        assert_eq!(tap("tap --audit"), [Source::Audit]);
        assert_eq!(tap("tap --entity session"), [Source::Facts]);
        assert_eq!(tap("tap --entity session --requests"), [Source::Facts, Source::Requests]);
    }

    fn refusal(caller: &str) -> Seen {
        let subject = format!("sv.req.demo.{caller}.worker-session_01.registry.agent_retire");
        let refusal = Refusal {
            at_ms: 0,
            code: "denied".to_owned(),
            message: "no".to_owned(),
            subject,
            left_behind: None,
        };
        Seen { subject: "sv.audit.registry".to_owned(), at_ms: 0, what: What::Refusal(refusal) }
    }

    #[test]
    fn an_agents_refusals_are_its_own() {
        let filter = Filter { entity: None, agent: Some("ada-1a2b3c4d".to_owned()) };
        assert!(filter.lets_through(&refusal("ada-1a2b3c4d").what));
        assert!(!filter.lets_through(&refusal("bob-1a2b3c4d").what));
    }

    #[test]
    fn colour_is_for_terminals() {
        assert!(line(&refusal("ada-1a2b3c4d"), Paint::Ansi).contains("\u{1b}[31mrefused\u{1b}[0m"));
        assert!(!line(&refusal("ada-1a2b3c4d"), Paint::Plain).contains('\u{1b}'));
    }
}
