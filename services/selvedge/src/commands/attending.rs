//! What workers and verifiers have in common as processes: a session that is kept, a folder to work in, and signals.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use selvedge_contracts::{id::Mission, payload::session::Session, role::Role};
use selvedge_kit::client::Client;
use tokio_util::sync::CancellationToken;

use super::{agent::Keeper, lease::Who};
use crate::{
    agent_folder::AgentFolder,
    connect::Context,
    events::Events,
    exit::{Done, Failure},
    rooms::Rooms,
    sessions::{Sessions, Wanted},
    signals::Signals,
};

/// A process of an agent that works on until it is stopped.
pub(super) struct Attending<'a> {
    context: &'a Context,
    agent: AgentFolder,
    session: Session,
    folder: PathBuf,
    /// Under the agent's session.
    pub(super) client: Client,
    pub(super) mission: Mission,
    /// Where the fabric is.
    pub(super) url: String,
    pub(super) events: Events,
    /// The first signal.
    pub(super) stop: CancellationToken,
    /// The second.
    pub(super) kill: CancellationToken,
}

impl<'a> Attending<'a> {
    /// Renews the agent's session, or starts one.
    pub(super) async fn begin(
        context: &'a Context,
        who: &Who,
        role: Option<Role>,
        folder: Option<&Path>,
    ) -> Result<Self, Failure> {
        let agent = who.folder(context)?;
        let mission = agent.mission(who.mission.as_ref())?;
        let opened = sessions(context, &agent, &mission).open().await?;
        if let Some(role) = role.filter(|role| *role != opened.session.role) {
            let Session { agent, role: has, .. } = &opened.session;
            return Err(Failure::usage(format!(
                "{agent} is a {has} in {mission}, and a {role} is asked for"
            )));
        }
        let client = sessions(context, &agent, &mission).connect().await?;
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => context.home.agents(&context.kluster).join(agent.record.id.as_str()).join("work"),
        };
        Ok(Self {
            url: context.url_known(&agent.record.url)?,
            events: Events(context.output),
            session: opened.session,
            context,
            agent,
            folder,
            client,
            mission,
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
        })
    }

    /// Its folders to work in.
    pub(super) fn rooms(&self) -> Result<Rooms, Failure> {
        Rooms::open(&self.folder)
    }

    /// Works until it is done, or stopped, or the session is lost; `stopped` says what a stop does to what is under
    /// way.
    pub(super) async fn until_stopped(
        self,
        stopped: String,
        work: impl Future<Output = Done> + Send + 'static,
    ) -> Done {
        let mut signals = Signals::listen()?;
        let working = tokio::spawn(work);
        let keeper = Keeper::leaving(sessions(self.context, &self.agent, &self.mission));
        let (stop, kill, events) = (self.stop.clone(), self.kill.clone(), self.events);
        let stopping = async {
            signals.stop().await;
            events.tell("stopping", &format!("no more tasks; {stopped}"));
            stop.cancel();
            signals.stop_again().await;
            events.tell("killing", "");
            kill.cancel();
            std::future::pending::<()>().await;
        };
        let lost = OnceLock::new();
        let keeping = async {
            let fault = keeper.hold(&self.client, self.session.clone()).await;
            events.tell("stopping", &format!("the session is lost: {fault}"));
            let _ = lost.set(fault); // nobody else does
            self.stop.cancel();
            std::future::pending::<()>().await;
        };
        let done = tokio::select! {
            done = working => done.map_err(anyhow::Error::from)?,
            () = stopping => Ok(()),
            () = keeping => Ok(()),
        };
        lost.into_inner().map_or(done, |fault| Err(fault.into()))
    }
}

fn sessions<'a>(context: &'a Context, agent: &'a AgentFolder, mission: &Mission) -> Sessions<'a> {
    let path = agent.creds_path(mission);
    Sessions { context, agent, mission: mission.clone(), role: None, path, wanted: Wanted::default() }
}
