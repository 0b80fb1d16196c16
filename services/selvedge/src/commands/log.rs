//! `selvedge log`: the history of one entity.

mod named;

use clap::Args;
use selvedge_contracts::{fact::EntityName, id::Mission, payload::history::FactLine};

use self::named::Named;
use crate::{
    connect::Context,
    exit::Done,
    output::{instant, table},
};

/// Show the ledger, or the history of one entity: what happened, when, by whom, under which request.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge log
  selvedge log --after 1000 --limit 50
  selvedge log agent ada-1a2b3c4d
  selvedge log task 0a1b2c3d4e5f/write-tests
  selvedge log session session_0a1b2c3d4e5f6071 --mission demo
  selvedge log contract research.summary/1
  selvedge log request request_0a1b2c3d4e5f6071 -o jsonl

Entities: agent, key, session, invite, mission, request, contract, policy, activation, plan, task, capacity, dead,
case, handoff, intent, saga, memory, repository, lease, space, artifact, creation, tuning. Plans, intents, sagas, cases,
handoffs and dead letters also go by the first 8 or more hex digits of their ids, tasks by PLAN/NAME. JSON output
also has what changed and the state after it.")]
pub(crate) struct Log {
    /// Sort of entity; the whole ledger if absent.
    #[arg(requires = "id")]
    entity: Option<EntityName>,
    /// Which one, as the verbs of its sort take it.
    id: Option<String>,
    /// Of the whole ledger: only facts after this revision.
    #[arg(long, default_value_t = 0, value_name = "REVISION")]
    after: u64,
    /// Of the whole ledger: most facts shown.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "N")]
    limit: u32,
    /// Its mission; looked for in all unless said.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
}

impl Log {
    pub(crate) async fn run(self, context: &Context) -> Done {
        let facts = match (self.entity, &self.id) {
            (Some(entity), Some(id)) => {
                let named = Named::read(context, entity, id)?;
                let operator = context.operator().await?;
                named.history(&operator, self.mission.as_ref(), entity, id).await?
            }
            _ => context.operator().await?.ledger(self.after, self.limit as usize).await?,
        };
        context.output.print_all(&facts, |facts| {
            let rows: Vec<_> = facts.iter().map(row).collect();
            table(
                ["revision", "time", "kind", "who", "under", "cause", "request", "signed"],
                &rows,
                "nothing",
            )
        })?;
        Ok(())
    }
}

fn row(fact: &FactLine) -> [String; 8] {
    let or_dash = |text: &str| {
        if text.is_empty() { "-".to_owned() } else { text.to_owned() }
    };
    [
        fact.revision.to_string(),
        instant(fact.at_ms),
        fact.kind.clone(),
        or_dash(&fact.sender),
        or_dash(&fact.scope),
        or_dash(&fact.cause),
        or_dash(&fact.root),
        if fact.signed { "yes" } else { "-" }.to_owned(),
    ]
}
