//! `selvedge lease release`.

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::LeaseId,
    payload::lease::{Before, Release as Request, ReleaseReply},
};

use super::{SpaceNamed, Who};
use crate::{connect::Context, exit::Done, output::name};

/// Give a lease back, or withdraw a request that waits.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge lease release lease_0a1b2c3d4e5f6071
  selvedge lease release lease_0a1b2c3d4e5f6071 --space shop --as ada

Ends with 3 if there is no such lease (any more).")]
pub(crate) struct Release {
    /// The lease.
    lease: LeaseId,
    #[command(flatten)]
    space: SpaceNamed,
    #[command(flatten)]
    who: Who,
}

impl Release {
    pub(super) async fn run(self, context: &Context) -> Done {
        let space = self.space.space()?;
        let asking = self.who.agent(context).await?;
        let wanted = Request { space, lease: self.lease };
        let reply = asking.client.call::<call::LeaseRelease>(&wanted).await?.reply;
        if reply.was == Before::Gone {
            return Err(Fault::not_found(format!(
                "there is no lease {} in the space {}: it was released, ran out or was taken",
                wanted.lease, wanted.space
            ))
            .into());
        }
        let shown =
            |reply: &ReleaseReply| format!("{} is released; it was {}", reply.lease, name(&reply.was));
        context.output.print(&reply, shown)?;
        Ok(())
    }
}
