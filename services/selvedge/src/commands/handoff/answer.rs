//! `selvedge handoff accept`, `decline`, `complete` and `withdraw`.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{
    call,
    id::ArtifactRef,
    payload::handoff::{HandoffAccept, HandoffComplete, HandoffEnd},
};

use super::{HandoffNamed, show::human};
use crate::{commands::lease::Who, connect::Context, exit::Done, input};

/// Accept what is offered to you: everything is checked again, and it is yours to do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge handoff accept 0a1b2c3d4e5f --as bob

It ends with 4 and every reason if it does not fit any more, or somebody else was first.")]
pub(crate) struct Accept {
    /// The handoff: its id, or the first 8 or more hex digits of it.
    handoff: HandoffNamed,
    #[command(flatten)]
    who: Who,
}

impl Accept {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.agent(context).await?;
        let accept = HandoffAccept { handoff: self.handoff.find(&asking.client).await? };
        let reply = asking.client.call::<call::HandoffAccept>(&accept).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

/// Decline what is offered to you and to nobody else.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge handoff decline 0a1b2c3d4e5f --reason 'no time before Monday' --as bob")]
pub(crate) struct Decline {
    /// The handoff: its id, or the first 8 or more hex digits of it.
    handoff: HandoffNamed,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
}

impl Decline {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.agent(context).await?;
        let end = HandoffEnd { handoff: self.handoff.find(&asking.client).await?, reason: self.reason };
        let reply = asking.client.call::<call::HandoffDecline>(&end).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

/// Hand in what was expected of a handoff that you accepted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge handoff complete 0a1b2c3d4e5f verdict.json --as bob
  echo '{\"passed\": true}' | selvedge handoff complete 0a1b2c3d4e5f - --artifact review/log@v1 --as bob

It ends with 4 and every reason if it is not what was expected: it is still yours to do then.")]
pub(crate) struct Complete {
    /// The handoff: its id, or the first 8 or more hex digits of it.
    handoff: HandoffNamed,
    /// File with the output as JSON, or - for standard input.
    #[arg(value_name = "OUTPUT")]
    file: PathBuf,
    /// Stored content that belongs to it: a digest, or NAME@v2; as often as wanted.
    #[arg(long, value_name = "CONTENT")]
    artifact: Vec<ArtifactRef>,
    #[command(flatten)]
    who: Who,
}

impl Complete {
    pub(super) async fn run(self, context: &Context) -> Done {
        let output = input::json(&self.file)?;
        let asking = self.who.agent(context).await?;
        let handoff = self.handoff.find(&asking.client).await?;
        let complete = HandoffComplete { handoff, output, artifacts: self.artifact };
        let reply = asking.client.call::<call::HandoffComplete>(&complete).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

/// Take back what you offered, also where somebody does it already.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge handoff withdraw 0a1b2c3d4e5f --reason 'done otherwise' --as ada")]
pub(crate) struct Withdraw {
    /// The handoff: its id, or the first 8 or more hex digits of it.
    handoff: HandoffNamed,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
}

impl Withdraw {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let end = HandoffEnd { handoff: self.handoff.find(&asking.client).await?, reason: self.reason };
        let reply = asking.client.call::<call::HandoffWithdraw>(&end).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}
