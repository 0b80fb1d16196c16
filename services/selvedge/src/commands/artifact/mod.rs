//! `selvedge artifact …`

mod gc;
mod get;
mod judge;
mod list;
pub(super) mod progress;
mod put;
mod verify;

use std::os::fd::AsFd;

use clap::{Args, Subcommand};
use selvedge_contracts::{
    id::{ArtifactRef, Mission},
    payload::artifact::{Version, VersionReply},
};
use selvedge_kit::client::Client;

use super::call::{Through, as_agent, as_operator, only_agent};
use crate::{
    connect::Context,
    exit::{Done, Failure},
    output::{fields, instant, name},
    paging,
};

/// Artifacts: content by its digest, and named versions of it.
#[derive(Debug, Subcommand)]
pub(crate) enum Artifact {
    Put(put::Put),
    Get(get::Get),
    List(list::List),
    History(list::History),
    Judge(judge::Judge),
    Verify(verify::Verify),
    Gc(gc::Gc),
}

impl Artifact {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Put(verb) => verb.run(context).await,
            Self::Get(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::History(verb) => verb.run(context).await,
            Self::Judge(verb) => verb.run(context).await,
            Self::Verify(verb) => verb.run(context).await,
            Self::Gc(verb) => verb.run(context).await,
        }
    }
}

/// Who asks, and in which mission.
#[derive(Debug, Args)]
pub(crate) struct Asker {
    /// Ask as an agent registered here, under its present session: its id, or its name. Else the operator
    /// asks, or the only agent where there is no operator.
    #[arg(long = "as", value_name = "AGENT")]
    agent: Option<String>,
    /// The mission; need not be said if there is only one.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
}

impl Asker {
    async fn connect(&self, context: &Context) -> Result<Client, Failure> {
        if let Some(login) = context.given() {
            return context.connect(login).await;
        }
        if let Some(agent) = &self.agent {
            return as_agent(context, agent, self.mission.as_ref(), Through::Session).await;
        }
        if !context.home.operator_creds(&context.kluster).exists() && context.has_agents()? {
            return only_agent(context, self.mission.as_ref()).await;
        }
        let operator = as_operator(context, None).await?;
        let mission = match &self.mission {
            Some(mission) => mission.clone(),
            None => paging::only_mission(&operator).await?,
        };
        Ok(operator.in_mission(mission))
    }
}

/// One version, for people.
fn shown(reply: &VersionReply) -> String {
    let Version { version, digest, size_bytes, content_type, producer, state, .. } = &reply.version;
    let contract = reply.version.contract.as_ref();
    let contract = contract.map(|contract| format!("{}/{}", contract.name, contract.version));
    fields(&[
        ("artifact", format!("{}@v{version}", reply.name)),
        ("digest", digest.to_string()),
        ("size", format!("{size_bytes} bytes")),
        ("type", content_type.to_string()),
        ("contract", contract.unwrap_or_default()),
        ("state", name(state)),
        ("producer", producer.to_string()),
        ("published", instant(reply.version.published_at_ms)),
        ("revision", reply.revision.to_string()),
    ])
}

/// Standard input or output as a file, which it is to the system.
fn standard(stream: impl AsFd) -> std::io::Result<tokio::fs::File> {
    Ok(tokio::fs::File::from_std(stream.as_fd().try_clone_to_owned()?.into()))
}

pub(super) fn reference(text: &str) -> Result<ArtifactRef, String> {
    ArtifactRef::new(text).map_err(|_| {
        format!("{text:?} is no artifact: expected NAME, NAME@latest, NAME@v2, NAME@1a2b3c4d (hex of its digest), or a digest of 64 hex digits; names are like research/auth-analysis")
    })
}
