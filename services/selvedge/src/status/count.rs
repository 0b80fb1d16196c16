//! How many missions, agents and open sessions there are, as the registry tells it page by page.

use selvedge_contracts::{
    call,
    id::Mission,
    payload::{
        agent::AgentList,
        mission::MissionList,
        session::{SessionList, SessionStatus},
    },
};
use selvedge_kit::client::Client;
use serde::Serialize;

use crate::exit::Failure;

/// Records asked for at once.
const PAGE: u32 = 1_000;

#[derive(Serialize)]
pub(super) struct Counts {
    pub(super) missions: usize,
    pub(super) agents: usize,
    pub(super) open_sessions: usize,
}

pub(super) async fn count(client: &Client) -> Result<Counts, Failure> {
    let missions = missions(client).await?;
    let mut open_sessions = 0;
    for mission in missions.iter().chain([&Mission::kluster()]) {
        open_sessions += sessions(client, mission).await?;
    }
    Ok(Counts { missions: missions.len(), agents: agents(client).await?, open_sessions })
}

async fn missions(client: &Client) -> Result<Vec<Mission>, Failure> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let reply = client.call::<call::MissionList>(&MissionList { after, limit: Some(PAGE) }).await?.reply;
        found.extend(reply.missions.into_iter().map(|mission| mission.id));
        after = found.last().cloned();
        if !reply.more {
            return Ok(found);
        }
    }
}

async fn agents(client: &Client) -> Result<usize, Failure> {
    let (mut count, mut after) = (0, None);
    loop {
        let page = AgentList { after, limit: Some(PAGE), ..AgentList::default() };
        let reply = client.call::<call::AgentList>(&page).await?.reply;
        count += reply.agents.len();
        after = reply.agents.last().map(|agent| agent.id.clone());
        if !reply.more {
            return Ok(count);
        }
    }
}

async fn sessions(client: &Client, mission: &Mission) -> Result<usize, Failure> {
    let (mut count, mut after) = (0, None);
    loop {
        let page = SessionList {
            mission: Some(mission.clone()),
            agent: None,
            status: Some(SessionStatus::Open),
            after,
            limit: Some(PAGE),
        };
        let reply = client.call::<call::SessionList>(&page).await?.reply;
        count += reply.sessions.len();
        after = reply.sessions.last().map(|session| session.id.clone());
        if !reply.more {
            return Ok(count);
        }
    }
}
