//! `selvedge lease renew`.

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::LeaseId,
    payload::lease::{LeaseList, Renew as Request},
};

use super::{Asking, SpaceNamed, Who, acquire, list};
use crate::{
    connect::Context,
    exit::{Done, Failure},
};

/// Put the deadline of a lease off.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge lease renew lease_0a1b2c3d4e5f6071
  selvedge lease renew lease_0a1b2c3d4e5f6071 --token 1793268000000042 --ttl 10m

Inside `selvedge lease hold` the lease and its token are known: `selvedge lease renew` is enough. The token
stays as it was. Without --token the one that you hold the lease under now is taken.")]
pub(crate) struct Renew {
    /// The lease.
    #[arg(env = "SELVEDGE_LEASE")]
    lease: LeaseId,
    /// Its fencing token.
    #[arg(long, env = "SELVEDGE_LEASE_TOKEN")]
    token: Option<u64>,
    /// Its life from now on; as before, if not said.
    #[arg(long, value_name = "TIME", value_parser = acquire::life, allow_hyphen_values = true)]
    ttl: Option<u64>,
    #[command(flatten)]
    space: SpaceNamed,
    #[command(flatten)]
    who: Who,
}

impl Renew {
    pub(super) async fn run(self, context: &Context) -> Done {
        let space = self.space.space()?;
        let asking = self.who.agent(context).await?;
        let token = match self.token {
            Some(token) => token,
            None => present_token(&asking, &space, &self.lease).await?,
        };
        let wanted = Request { space, lease: self.lease, token, ttl_ms: self.ttl };
        let renewed = asking.client.call::<call::LeaseRenew>(&wanted).await?.reply.lease;
        context.output.print(&renewed, acquire::human)?;
        Ok(())
    }
}

async fn present_token(
    asking: &Asking,
    space: &selvedge_contracts::id::SpaceId,
    lease: &LeaseId,
) -> Result<u64, Failure> {
    let mine =
        LeaseList { space: Some(space.clone()), holder: Some(asking.me.clone()), ..LeaseList::default() };
    let mine = list::all(&asking.client, &mine).await?;
    match mine.iter().find(|found| found.id == *lease) {
        Some(found) => acquire::token(found),
        None => Err(Fault::not_found(format!(
            "{} holds no lease {lease} in the space {space}: it was released, ran out or was taken",
            asking.me
        ))
        .into()),
    }
}
