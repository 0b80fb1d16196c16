//! `selvedge agent rotate`: a new identity key. The new key is on disk before it is sent, and takes the
//! place of the old one only after the registry has it: an interrupted rotation is run again.

use clap::Args;
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::Mission,
    payload::agent::{Agent, AgentRotate, AgentShow, RotateReply},
};
use selvedge_kit::{authority::UserKey, credential::Login};

use super::list;
use crate::{
    agent_folder::{AgentFolder, Record},
    connect::Context,
    exit::{Done, Failure},
    output::hint,
    revoke,
};

/// Replace an agent's identity key; its sessions end.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge agent rotate ada
  selvedge agent rotate ada --operator

The present key signs for the new one. If it is lost, --operator lets the operator say so instead. The
key before is deleted. Afterwards `selvedge agent creds` starts a session. With the operator's keys at hand connections under the former keys are closed.")]
pub(crate) struct Rotate {
    /// The agent: its id, or its name.
    agent: String,
    /// The key is lost: by the operator's word, without its signature.
    #[arg(long)]
    operator: bool,
}

impl Rotate {
    pub(super) async fn run(self, context: &Context) -> Done {
        let agent = match context.agent(&self.agent) {
            Err(_) if self.operator => adopt(context, &self.agent).await?,
            found => found?,
        };
        let next = UserKey::read_or_create(&agent.next_identity_path())?;
        let wanted = wanted(&agent, &next)?;
        let reply = if self.operator {
            context.operator().await?.call::<call::AgentRekey>(&wanted).await?.reply
        } else {
            rotate(context, &agent, &next, &wanted).await?
        };
        keep_doors(&agent, &next, &reply)?;
        // Before anybody here can start a session with the new key, whose credential would go too.
        let revoked = revoke_former(context, &reply.agent).await;
        agent.promote_next_identity()?;
        agent.forget_sessions()?;
        revoked?;
        hint("its sessions have ended; `selvedge agent creds` starts one");
        context.output.print(&reply.agent, list::human)?;
        Ok(())
    }
}

/// Takes back what was signed for the keys before, if the operator's keys are in this folder.
async fn revoke_former(context: &Context, agent: &Agent) -> Done {
    if context.home.authority().exists() {
        revoke::rotated(context, &context.operator().await?, agent).await?;
    }
    Ok(())
}

/// An agent from another machine, to which the new key must be carried.
async fn adopt(context: &Context, text: &str) -> Result<AgentFolder, Failure> {
    let agent = AgentFolder::id_meant(&context.home, &context.kluster, text)?;
    let agent = context.operator().await?.call::<call::AgentShow>(&AgentShow { agent }).await?.reply.agent;
    let record = Record { id: agent.id, name: agent.name, url: context.url()?, about: agent.about };
    let folder = AgentFolder::adopt(&context.home, &context.kluster, record)?;
    hint(&format!("the new key lies in {}", folder.identity_path().display()));
    Ok(folder)
}

fn wanted(agent: &AgentFolder, next: &UserKey) -> Result<AgentRotate, Failure> {
    let (agent, key) = (agent.record.id.clone(), next.public()?);
    let proof = next.prove(&AgentRotate::proof_text(&agent, &key))?;
    Ok(AgentRotate { agent, key, proof })
}

/// Signed with the present key; with the next one if an earlier attempt has made it the present one
/// already.
async fn rotate(
    context: &Context,
    agent: &AgentFolder,
    next: &UserKey,
    wanted: &AgentRotate,
) -> Result<RotateReply, Failure> {
    let first: Option<Mission> = agent.missions()?.into_iter().next();
    let mission = first
        .ok_or_else(|| Failure::usage(format!("{} has no door here; register it again", agent.record.id)))?;
    let login = || Ok::<_, Failure>(Login::held(agent.door(&mission)?));
    let client = context.connect_signing(&agent.record.url, login()?, &agent.identity()?).await?;
    match client.call::<call::AgentRotate>(wanted).await {
        Err(Fault { code: Code::Denied, .. }) => {
            let client = context.connect_signing(&agent.record.url, login()?, next).await?;
            Ok(client.call::<call::AgentRotate>(wanted).await?.reply)
        }
        answer => Ok(answer?.reply),
    }
}

fn keep_doors(agent: &AgentFolder, next: &UserKey, reply: &RotateReply) -> Done {
    for (mission, door) in &reply.doors {
        let jwt = door
            .jwt
            .clone()
            .ok_or_else(|| Fault::internal("the registry answered without a door credential"))?;
        agent.keep_door(mission, &next.credential(jwt)?)?;
    }
    Ok(())
}
