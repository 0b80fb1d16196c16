//! `selvedge plan cancel`, `pause` and `resume`.

use clap::Args;
use selvedge_contracts::{
    call,
    payload::plan::{PlanEnd, PlanResume},
};

use super::{PlanNamed, show, whole};
use crate::{commands::lease::Who, connect::Context, exit::Done};

/// Cancel a plan: what is being worked on is stopped, and nothing more is handed in.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge plan cancel 0a1b2c3d4e5f --reason 'another way was found' --as pia")]
pub(crate) struct Cancel {
    /// The plan: its id, or the first 8 or more hex digits of it.
    plan: PlanNamed,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
}

impl Cancel {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let plan = self.plan.find(&asking.client).await?;
        let end = PlanEnd { plan, reason: self.reason };
        let reply = asking.client.call::<call::PlanCancel>(&end).await?.reply;
        context.output.print(&whole::whole(&asking.client, reply).await?, show::human)?;
        Ok(())
    }
}

/// Pause a plan: nothing more is given out; what is being worked on goes on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge plan pause 0a1b2c3d4e5f --reason 'the build machine is down' --as pia")]
pub(crate) struct Pause {
    /// The plan: its id, or the first 8 or more hex digits of it.
    plan: PlanNamed,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
}

impl Pause {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let plan = self.plan.find(&asking.client).await?;
        let end = PlanEnd { plan, reason: self.reason };
        let reply = asking.client.call::<call::PlanPause>(&end).await?.reply;
        context.output.print(&whole::whole(&asking.client, reply).await?, show::human)?;
        Ok(())
    }
}

/// Resume a paused plan, or a failed one: its failed tasks get all their attempts anew.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge plan resume 0a1b2c3d4e5f --as pia")]
pub(crate) struct Resume {
    /// The plan: its id, or the first 8 or more hex digits of it.
    plan: PlanNamed,
    #[command(flatten)]
    who: Who,
}

impl Resume {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let plan = self.plan.find(&asking.client).await?;
        let reply = asking.client.call::<call::PlanResume>(&PlanResume { plan }).await?.reply;
        context.output.print(&whole::whole(&asking.client, reply).await?, show::human)?;
        Ok(())
    }
}
