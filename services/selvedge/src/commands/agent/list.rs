//! `selvedge agent list` and `selvedge agent show`.

use clap::Args;
use selvedge_contracts::{
    call,
    id::Mission,
    payload::agent::{Agent, AgentList, AgentShow},
    role::Role,
};

use crate::{
    agent_folder::AgentFolder,
    connect::Context,
    exit::Done,
    output::{fields, instant, name, table},
    paging,
};

/// List agents.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge agent list
  selvedge agent list --mission demo --role worker
  selvedge agent list -o jsonl")]
pub(crate) struct List {
    /// Only agents of this mission.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
    /// Only agents that have this role, in that mission or in any.
    #[arg(long)]
    role: Option<Role>,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Done {
        let operator = context.operator().await?;
        let ask = async |after| {
            let wanted = AgentList { mission: self.mission.clone(), role: self.role, after, limit: None };
            let reply = operator.call::<call::AgentList>(&wanted).await?.reply;
            Ok((reply.agents, reply.more))
        };
        let agents = paging::all(|agent: &Agent| agent.id.clone(), ask).await?;
        context.output.print_all(&agents, |agents| {
            let rows: Vec<_> = agents.iter().map(row).collect();
            table(["agent", "status", "owner", "roles", "description"], &rows, "no agents")
        })?;
        Ok(())
    }
}

fn row(agent: &Agent) -> [String; 5] {
    [
        agent.id.to_string(),
        name(&agent.status),
        agent.owner.to_string(),
        roles(agent),
        agent.about.description.clone().unwrap_or_default(),
    ]
}

fn roles(agent: &Agent) -> String {
    agent.roles.iter().map(|(mission, role)| format!("{role} in {mission}")).collect::<Vec<_>>().join(", ")
}

/// Show one agent.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge agent show ada-1a2b3c4d
  selvedge agent show ada -o json")]
pub(crate) struct Show {
    /// The agent: its id, or its name if it is registered from here.
    agent: String,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Done {
        let agent = AgentFolder::id_meant(&context.home, &context.kluster, &self.agent)?;
        let operator = context.operator().await?;
        let reply = operator.call::<call::AgentShow>(&AgentShow { agent }).await?.reply;
        context.output.print(&reply.agent, human)?;
        Ok(())
    }
}

/// An agent, for people.
pub(super) fn human(agent: &Agent) -> String {
    let about = &agent.about;
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    fields(&[
        ("agent", agent.id.to_string()),
        ("status", name(&agent.status)),
        ("owner", agent.owner.to_string()),
        ("roles", roles(agent)),
        ("key", agent.key.to_string()),
        ("registered", instant(agent.registered_at_ms)),
        ("description", said(&about.description)),
        ("program", said(&about.program)),
        ("model", said(&about.model)),
        ("capabilities", about.capabilities.join(", ")),
    ])
}
