//! `selvedge lease …`: who may work on what, and for how long.

mod acquire;
pub(crate) mod asking;
mod check;
mod claimed;
mod force;
mod hold;
mod list;
mod place;
mod pool;
mod queue;
mod release;
mod renew;
mod watch;

use clap::Subcommand;

pub(super) use self::{
    asking::{Asking, Who},
    list::{all as leases, left},
    place::{Place, SpaceNamed},
};
use crate::{connect::Context, exit::Done};

/// Leases: the right to work on files, resources and slots, alone or together, until a deadline.
#[derive(Debug, Subcommand)]
pub(crate) enum Lease {
    Acquire(acquire::Acquire),
    Renew(renew::Renew),
    Release(release::Release),
    List(list::List),
    Check(check::Check),
    Watch(watch::Watch),
    Hold(hold::Hold),
    ForceRelease(force::ForceRelease),
    #[command(subcommand)]
    Pool(pool::Pool),
}

impl Lease {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Acquire(verb) => verb.run(context).await,
            Self::Renew(verb) => verb.run(context).await,
            Self::Release(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Check(verb) => verb.run(context).await,
            Self::Watch(verb) => verb.run(context).await,
            Self::Hold(verb) => verb.run(context).await,
            Self::ForceRelease(verb) => verb.run(context).await,
            Self::Pool(verb) => verb.run(context).await,
        }
    }
}
