//! `selvedge log`: the history of one entity.

use clap::Args;
use selvedge_contracts::{
    fact::EntityName,
    id::{EntityId, Mission},
    payload::history::FactLine,
};

use crate::{
    agent_folder::AgentFolder,
    connect::Context,
    exit::{Done, Failure},
    input::ContractReference,
    output::{instant, table},
    paging,
};

/// Show the history of one entity: what happened, when, by whom, and under which request.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge log agent ada-1a2b3c4d
  selvedge log session session_0a1b2c3d4e5f6071 --mission demo
  selvedge log contract research.summary/1
  selvedge log request request_0a1b2c3d4e5f6071 -o jsonl

Entities: agent, key, session, invite, mission, request, contract. JSON output also has what changed
and the state after it.")]
pub(crate) struct Log {
    /// Sort of entity.
    entity: EntityName,
    /// Which one; an agent registered from here also by its name.
    id: String,
    /// Its mission; looked for in all unless said.
    #[arg(long)]
    mission: Option<Mission>,
}

impl Log {
    pub(crate) async fn run(self, context: &Context) -> Done {
        let id = self.entity_id(context)?;
        let operator = context.operator().await?;
        let (_, facts) = paging::find(&operator, self.mission.as_ref(), self.entity, &id).await?;
        context.output.print_all(&facts, |facts| {
            let rows: Vec<_> = facts.iter().map(row).collect();
            table(
                [
                    "revision", "time", "kind", "who", "under", "cause", "request", "signed",
                ],
                &rows,
                "nothing",
            )
        })?;
        Ok(())
    }

    fn entity_id(&self, context: &Context) -> Result<EntityId, Failure> {
        match self.entity {
            EntityName::Agent => Ok(EntityId::from(&AgentFolder::id_meant(
                &context.home,
                &context.kluster,
                &self.id,
            )?)),
            EntityName::Contract if self.id.contains('/') => {
                let reference: ContractReference = self.id.parse().map_err(Failure::Usage)?;
                reference
                    .entity()
                    .ok_or_else(|| Failure::usage("say NAME/VERSION"))
            }
            EntityName::Contract if !self.id.contains(':') => Err(Failure::usage(
                "every version has a history of its own: say NAME/VERSION",
            )),
            _ => EntityId::new(&self.id).map_err(|error| Failure::usage(error.to_string())),
        }
    }
}

fn row(fact: &FactLine) -> [String; 8] {
    let or_dash = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
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
