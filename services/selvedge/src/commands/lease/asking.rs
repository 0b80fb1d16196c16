//! As whom leases are asked for: an agent registered here, or the operator.

use clap::Args;
use selvedge_contracts::id::{Caller, Mission};
use selvedge_kit::client::Client;

use crate::{agent_folder::AgentFolder, connect::Context, exit::Failure, paging, sessions::connect_as};

/// As whom, and in which mission.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// Ask as this agent registered here: its id, or its name; the only one there is, if not said.
    #[arg(long = "as", value_name = "AGENT", env = "SELVEDGE_AGENT")]
    pub(crate) agent: Option<String>,
    /// The mission to ask in; needed if there are several.
    #[arg(long, env = "SELVEDGE_MISSION")]
    pub(crate) mission: Option<Mission>,
}

/// Somebody who asks, over a connection.
pub(crate) struct Asking {
    /// The connection.
    pub(crate) client: Client,
    /// Who it is.
    pub(crate) me: Caller,
    /// In which mission.
    pub(crate) mission: Mission,
}

impl Who {
    /// As an agent: the one named, else the only one registered here.
    pub(crate) async fn agent(&self, context: &Context) -> Result<Asking, Failure> {
        if let Some(login) = context.given() {
            let client = context.connect(login).await?;
            let (me, mission) = (client.bus().me().agent.clone(), client.bus().me().mission.clone());
            return Ok(Asking { client, me, mission });
        }
        self.as_agent(context, &self.folder(context)?).await
    }

    /// As the agent named, else as the operator if that is possible here, else as the only agent.
    pub(crate) async fn anybody(&self, context: &Context) -> Result<Asking, Failure> {
        if context.given().is_some() {
            return self.agent(context).await;
        }
        let is_operator = self.agent.is_none() && context.home.operator_creds(&context.kluster).exists();
        if is_operator { self.operator(context).await } else { self.agent(context).await }
    }

    /// As the only agent registered here or the one named; as the operator if none is.
    pub(crate) async fn agent_or_operator(&self, context: &Context) -> Result<Asking, Failure> {
        if context.given().is_some() {
            return self.agent(context).await;
        }
        let is_nobody = AgentFolder::all(&context.home, &context.kluster)?.len() != 1;
        if self.agent.is_none() && is_nobody && context.home.operator_creds(&context.kluster).exists() {
            return self.operator(context).await;
        }
        self.agent(context).await
    }

    /// As the operator, in the mission named, else in the only one.
    pub(crate) async fn operator(&self, context: &Context) -> Result<Asking, Failure> {
        let client = context.operator().await?;
        let mission = match &self.mission {
            Some(mission) => mission.clone(),
            None => paging::only_mission(&client).await?,
        };
        let me = client.bus().me().agent.clone();
        Ok(Asking { client: client.in_mission(mission.clone()), me, mission })
    }

    /// The agent named, else the only one registered here.
    pub(crate) fn folder(&self, context: &Context) -> Result<AgentFolder, Failure> {
        if let Some(named) = &self.agent {
            return context.agent(named);
        }
        let mut all = AgentFolder::all(&context.home, &context.kluster)?;
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(Failure::usage(
                "several agents are registered here: say --as NAME, or set SELVEDGE_AGENT",
            )),
            (None, _) => Err(Failure::usage(format!(
                "no agent is registered from {}: `selvedge agent register NAME --role worker --mission MISSION` does it",
                context.home.path().display()
            ))),
        }
    }

    async fn as_agent(&self, context: &Context, agent: &AgentFolder) -> Result<Asking, Failure> {
        let mission = agent.mission(self.mission.as_ref())?;
        let client = connect_as(context, agent, &mission).await?;
        Ok(Asking { me: client.bus().me().agent.clone(), client, mission })
    }
}
