//! `selvedge session …`

use clap::{Args, Subcommand};
use selvedge_contracts::{
    call,
    fact::EntityName,
    id::{EntityId, Mission, ScopeId},
    payload::session::{Session as Record, SessionEnd, SessionList, SessionStatus},
};

use crate::{
    agent_folder::AgentFolder,
    connect::Context,
    exit::Done,
    output::{hint, instant, name, table},
    paging, revoke,
    sessions::{Opened, Sessions, Wanted},
};

/// Sessions: the times during which an agent holds a credential.
#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    Start(Start),
    List(List),
    End(End),
}

impl Session {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Start(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::End(verb) => verb.run(context).await,
        }
    }
}

/// Start a new session of an agent registered here, and write its .creds file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge session start ada --mission demo
  selvedge session start ada --request request_0a1b2c3d4e5f6071 --ttl 8h
  selvedge session start ada --call registry.whoami --call registry.heartbeat

Unlike `selvedge agent creds` it never renews the session there is, and does not end it.")]
pub(crate) struct Start {
    /// The agent: its id, or its name.
    agent: String,
    /// The mission; needed if the agent is in several.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
    #[command(flatten)]
    session: Wanted,
}

impl Start {
    async fn run(self, context: &Context) -> Done {
        let agent = &context.agent(&self.agent)?;
        let mission = agent.mission(self.mission.as_ref())?;
        let path = agent.creds_path(&mission);
        let sessions = Sessions { context, agent, mission, role: None, path, wanted: self.session };
        context.output.print(&sessions.start().await?, Opened::human)?;
        Ok(())
    }
}

/// List sessions.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge session list
  selvedge session list --mission demo --status open
  selvedge session list --agent ada -o json")]
pub(crate) struct List {
    /// Only sessions of this mission.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
    /// Only sessions of this agent: its id, or its name if it is registered from here.
    #[arg(long)]
    agent: Option<String>,
    /// Only sessions in this state: open, ended or lost.
    #[arg(long, value_parser = status)]
    status: Option<SessionStatus>,
}

fn status(text: &str) -> Result<SessionStatus, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected open, ended or lost".to_owned())
}

impl List {
    async fn run(self, context: &Context) -> Done {
        let agent = self
            .agent
            .map(|text| AgentFolder::id_meant(&context.home, &context.kluster, &text))
            .transpose()?;
        let operator = context.operator().await?;
        let mut found = Vec::new();
        for mission in paging::missions_meant(&operator, self.mission.as_ref()).await? {
            let wanted = SessionList {
                mission: Some(mission),
                agent: agent.clone(),
                status: self.status,
                ..SessionList::default()
            };
            found.extend(paging::sessions(&operator, &wanted).await?);
        }
        context.output.print_all(&found, |sessions| {
            let rows: Vec<_> = sessions.iter().map(row).collect();
            table(
                ["session", "agent", "mission", "role", "status", "started", "expires"],
                &rows,
                "no sessions",
            )
        })?;
        Ok(())
    }
}

fn row(session: &Record) -> [String; 7] {
    [
        session.id.to_string(),
        session.agent.to_string(),
        session.mission.to_string(),
        session.role.to_string(),
        name(&session.status),
        instant(session.started_at_ms),
        instant(session.expires_at_ms),
    ]
}

/// End a session: from then on its credential is worth nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge session end session_0a1b2c3d4e5f6071
  selvedge session end session_0a1b2c3d4e5f6071 --mission demo --reason 'stuck'

With the operator's keys at hand its live connection is closed too.")]
pub(crate) struct End {
    /// The session.
    session: ScopeId,
    /// Its mission; looked for in all unless said.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
    /// Why, in your words.
    #[arg(long)]
    reason: Option<String>,
}

impl End {
    async fn run(self, context: &Context) -> Done {
        let operator = context.operator().await?;
        let id = EntityId::from(&self.session);
        let (mission, _) = paging::find(&operator, self.mission.as_ref(), EntityName::Session, &id).await?;
        let wanted = SessionEnd { session: Some(self.session), mission: Some(mission), reason: self.reason };
        let ended = operator.call::<call::SessionEnd>(&wanted).await?.reply.session;
        if context.home.authority().exists() {
            revoke::session(context, &operator, &ended).await?;
        } else {
            hint("its live connection is not closed: the operator's keys are not in this folder");
        }
        let shown =
            |session: &Record| format!("{} of {} is {}", session.id, session.agent, name(&session.status));
        context.output.print(&ended, shown)?;
        Ok(())
    }
}
