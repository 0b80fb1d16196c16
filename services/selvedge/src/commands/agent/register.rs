//! `selvedge agent register`: an invite, redeemed with an identity key that is made here and stays
//! here; then a session. The invite is this command's own, or came as a join token.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{AgentName, Mission, Owner},
    payload::agent::{About, Agent, Join, JoinReply},
    role::Role,
};
use selvedge_kit::{authority::UserKey, credential::Login};
use serde::Serialize;

use super::{
    invite::{self, Offer},
    known::{Known, Says},
};
use crate::{
    agent_folder::{AgentFolder, Record},
    connect::Context,
    exit::{Done, Failure},
    input,
    join_token::{JoinToken, VARIABLE},
    sessions::{Opened, Sessions, Wanted},
};

/// Register an agent, or update it; start a session and write its .creds file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge agent register ada --role worker --mission demo
  selvedge agent register ada --role planner --mission demo --owner person:olga --model m-1 --ttl 8h
  selvedge agent register ada --join ada.join
  ssh operator@fabric selvedge agent invite --role worker --mission demo | selvedge agent register ada --join -

Registered again under the same name from the same folder, it is the same agent: its identity key is
kept there. Any NATS client connects with the .creds file, given the inbox prefix that is printed.")]
pub(crate) struct Register {
    /// Name it asks for; it becomes NAME-xxxxxxxx.
    name: AgentName,
    /// Role that it gets (needs the operator's keys).
    #[arg(long, conflicts_with = "join")]
    role: Option<Role>,
    /// Mission in which it gets the role; that of SELVEDGE_MISSION unless said.
    #[arg(long, requires = "role", conflicts_with = "join")]
    mission: Option<Mission>,
    /// Who answers for it, such as person:ada; the operator's own owner unless said.
    #[arg(long, requires = "role", conflicts_with = "join")]
    owner: Option<Owner>,
    /// File with a join token, or - for standard input; else the variable SELVEDGE_JOIN_TOKEN.
    #[arg(long, value_name = "FILE")]
    join: Option<PathBuf>,
    /// File of its identity key, made if it is missing; else the key kept here under this name.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// File for the session's credential, instead of the one in the agent's folder.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    about: Says,
    #[command(flatten)]
    session: Wanted,
}

/// What registering made.
#[derive(Serialize)]
struct Registered {
    agent: Agent,
    #[serde(flatten)]
    opened: Opened,
}

/// Life of the invite that the operator's own registration redeems at once, in milliseconds.
const OWN_INVITE_MS: u64 = 60_000;

impl Register {
    pub(super) async fn run(self, context: &Context) -> Done {
        let token = self.token(context).await?;
        let context = &context.in_kluster(&token.kluster);
        if !token.role.is_signed_by_registry() {
            context.keys()?; // before anything is used up: only the operator's keys sign for these roles
        }
        let known = Known::find(&context.home, &context.kluster, &self.name, self.key.as_deref())?;
        let about = self.about.over(known.about.clone());
        let joined = redeem(context, &token, &self.name, &about, &known.key).await?;
        let record =
            Record { id: joined.agent.id.clone(), name: joined.agent.name.clone(), url: token.url, about };
        let folder = AgentFolder::keep(&context.home, &context.kluster, record, &known.key)?;
        let door = joined
            .door
            .jwt
            .ok_or_else(|| Fault::internal("the registry answered without a door credential"))?;
        folder.keep_door(&joined.mission, &known.key.credential(door)?)?;
        known.forget_pending();
        let path = self.out.unwrap_or_else(|| folder.creds_path(&joined.mission));
        let (mission, role) = (joined.mission, Some(joined.role));
        let sessions = Sessions { context, agent: &folder, mission, role, path, wanted: self.session };
        let opened = sessions.open().await?;
        context.output.print(&Registered { agent: joined.agent, opened }, |made| made.opened.human())?;
        Ok(())
    }

    /// The mission named. Not a variable of the grammar: whoever brings a token may have it set, too.
    fn mission(&self, context: &Context) -> Result<Option<Mission>, Failure> {
        let Some(named) = context.environment.get("SELVEDGE_MISSION") else {
            return Ok(self.mission.clone());
        };
        let of_environment =
            || Mission::new(named).map_err(|error| Failure::usage(format!("SELVEDGE_MISSION: {error}")));
        self.mission.clone().map_or_else(of_environment, Ok).map(Some)
    }

    /// The token that came, or one for an invite of our own.
    async fn token(&self, context: &Context) -> Result<JoinToken, Failure> {
        if let (Some(role), Some(mission)) = (self.role, self.mission(context)?) {
            let offer = Offer { role, mission, owner: self.owner.clone() };
            return invite::create(context, &offer, OWN_INVITE_MS).await;
        }
        match (&self.join, context.environment.get(VARIABLE)) {
            (Some(path), _) if JoinToken::is_token(&path.to_string_lossy()) => Err(Failure::usage(format!(
                "a token on the command line is seen by everyone on this machine: put it in a file, a pipe (--join -) or {VARIABLE}"
            ))),
            (Some(path), _) => JoinToken::parse(&input::text(path)?),
            (None, Some(token)) => JoinToken::parse(token),
            (None, None) => Err(Failure::usage(format!(
                "say --role and --mission (with the operator's keys here), or bring a join token with --join or {VARIABLE}"
            ))),
        }
    }
}

async fn redeem(
    context: &Context,
    token: &JoinToken,
    name: &AgentName,
    about: &About,
    key: &UserKey,
) -> Result<JoinReply, Failure> {
    let login = Login::held(token.credential());
    let client = context.connect_at(Some(&token.url), login).await?.signing(key.signer(&token.account)?);
    let join = Join { name: name.clone(), about: about.clone() };
    Ok(client.call::<call::Join>(&join).await?.reply)
}
