//! `selvedge lease force-release`.

use clap::Args;
use selvedge_contracts::{
    call,
    id::{LeaseId, Mission},
    payload::lease::{ForceRelease as Request, Lease},
};

use super::{SpaceNamed, Who};
use crate::{connect::Context, exit::Done};

/// Take a lease from its holder, as the operator; the reason is recorded for ever.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge lease force-release lease_0a1b2c3d4e5f6071 --reason 'its holder hangs'
  selvedge lease force-release lease_0a1b2c3d4e5f6071 --space shop --mission demo --reason 'wrong branch'

`selvedge lease hold` stops its command then. `selvedge log lease ID` shows the reason.")]
pub(crate) struct ForceRelease {
    /// The lease.
    lease: LeaseId,
    /// Why, in your words.
    #[arg(long)]
    reason: String,
    /// Its mission; needed if there are several.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
    #[command(flatten)]
    space: SpaceNamed,
}

impl ForceRelease {
    pub(super) async fn run(self, context: &Context) -> Done {
        let space = self.space.space()?;
        let asking = Who { agent: None, mission: self.mission }.operator(context).await?;
        let wanted = Request { space, lease: self.lease, reason: self.reason };
        let taken = asking.client.call::<call::LeaseForceRelease>(&wanted).await?.reply.lease;
        let shown = |lease: &Lease| format!("{} is taken from {}", lease.id, lease.holder);
        context.output.print(&taken, shown)?;
        Ok(())
    }
}
