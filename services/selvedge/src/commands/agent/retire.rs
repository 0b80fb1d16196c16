//! `selvedge agent retire` and `selvedge agent revoke`.

use clap::Args;
use selvedge_contracts::{
    call,
    id::AgentId,
    payload::agent::{Agent, AgentRetire},
};
use serde::Serialize;

use crate::{
    agent_folder::AgentFolder,
    connect::Context,
    exit::{Done, Failure},
    output::hint,
    revoke::{self, Revoked},
};

/// End an agent's right to act, for ever, and take its credentials back.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge agent retire ada --reason 'its work is done'
  selvedge agent retire ada-1a2b3c4d --reason compromised

Its record and history stay; its key can never be used again. Its sessions end, and with the operator's
keys at hand its live connections are closed too.")]
pub(crate) struct Retire {
    /// The agent: its id, or its name if it is registered from here.
    agent: String,
    /// Why, in your words.
    #[arg(long)]
    reason: String,
}

/// What retiring did.
#[derive(Serialize)]
struct Retired {
    agent: Agent,
    revoked: Option<Revoked>,
}

impl Retire {
    pub(super) async fn run(self, context: &Context) -> Done {
        let agent = meant(context, &self.agent)?;
        let operator = context.operator().await?;
        let wanted = AgentRetire { agent: agent.clone(), reason: self.reason };
        let retired = operator.call::<call::AgentRetire>(&wanted).await?.reply.agent;
        let revoked = if context.home.authority().exists() {
            Some(revoke::agent(context, &operator, &agent).await?)
        } else {
            hint("its live connections are not closed: the operator's keys are not in this folder");
            None
        };
        context.output.print(&Retired { agent: retired, revoked }, |done| {
            let taken =
                done.revoked.as_ref().map_or_else(String::new, |revoked| format!("; {}", human(revoked)));
            format!("{} is retired{taken}", done.agent.id)
        })?;
        Ok(())
    }
}

/// Take back every credential an agent holds now: for a key that was stolen.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge agent revoke ada
  selvedge agent revoke ada-1a2b3c4d -o json

Its live connections are closed within a second. It keeps its record and roles: give it a new key with
`selvedge agent rotate --operator`, or end it with `selvedge agent retire`.")]
pub(crate) struct Revoke {
    /// The agent: its id, or its name if it is registered from here.
    agent: String,
}

impl Revoke {
    pub(super) async fn run(self, context: &Context) -> Done {
        let agent = meant(context, &self.agent)?;
        let operator = context.operator().await?;
        let revoked = revoke::agent(context, &operator, &agent).await?;
        context.output.print(&revoked, |revoked| format!("{agent}: {}", human(revoked)))?;
        Ok(())
    }
}

fn human(revoked: &Revoked) -> String {
    let Revoked { keys, servers } = revoked;
    format!("credentials of {} keys revoked on {}", keys.len(), servers.join(", "))
}

fn meant(context: &Context, text: &str) -> Result<AgentId, Failure> {
    AgentFolder::id_meant(&context.home, &context.kluster, text)
}
