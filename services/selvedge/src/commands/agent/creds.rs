//! `selvedge agent creds`: a fresh session credential, once or for as long as it runs.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{id::Mission, payload::session::DEFAULT_PRESENCE_TTL_MS};

use super::keep::{AtEnd, Keeper};
use crate::{
    connect::Context,
    exit::Done,
    sessions::{Sessions, Wanted},
    stop,
};

/// Open or renew a session of an agent registered here, and rewrite its .creds file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge agent creds ada
  selvedge agent creds ada --mission demo --ttl 8h --out /run/ada.creds
  selvedge agent creds ada --keep

With --keep it stays: it sends heartbeats and renews the credential before it ends; NATS clients read
the file again when they reconnect. Ctrl-C ends the session, unless --no-end is given.")]
pub(crate) struct Creds {
    /// The agent: its id, or its name.
    agent: String,
    /// The mission; needed if the agent is in several.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
    /// Stay, keep the session alive and its credential fresh.
    #[arg(long)]
    keep: bool,
    /// Leave the session open at the end.
    #[arg(long, requires = "keep")]
    no_end: bool,
    /// File for the credential, instead of the one in the agent's folder.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    session: Wanted,
}

impl Creds {
    pub(super) async fn run(self, context: &Context) -> Done {
        let agent = &context.agent(&self.agent)?;
        let mission = agent.mission(self.mission.as_ref())?;
        let path = self.out.unwrap_or_else(|| agent.creds_path(&mission));
        let mut wanted = self.session;
        if self.keep {
            // Somebody sends heartbeats now, so the session can be missed soon.
            wanted.presence = wanted.presence.or(Some(DEFAULT_PRESENCE_TTL_MS));
        }
        let sessions = Sessions { context, agent, mission, role: None, path, wanted };
        if self.keep {
            let at_end = if self.no_end { AtEnd::Leave } else { AtEnd::End };
            return Keeper { sessions, at_end }.run(&stop::on_signal()?).await;
        }
        context.output.print(&sessions.open().await?, |opened| opened.human())?;
        Ok(())
    }
}
