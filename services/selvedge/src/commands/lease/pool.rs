//! `selvedge lease pool …`

use clap::{Args, Subcommand};
use selvedge_contracts::{
    call,
    id::PoolName,
    payload::lease::{PoolList, PoolSet, PoolUse},
};

use super::{SpaceNamed, Who};
use crate::{
    connect::Context,
    exit::Done,
    output::{instant, table},
};

/// Pools of slots: so many may be held at once.
#[derive(Debug, Subcommand)]
pub(crate) enum Pool {
    Set(Set),
    List(List),
}

impl Pool {
    pub(super) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Set(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
        }
    }
}

/// Make a pool, or change its size; by the operator or a planner.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge lease pool set gpu 4 --space lab
  selvedge lease pool set builds 2

What is held stays held when a pool shrinks.")]
pub(crate) struct Set {
    /// The pool.
    pool: PoolName,
    /// How many of its slots may be held at once.
    slots: u32,
    #[command(flatten)]
    space: SpaceNamed,
    #[command(flatten)]
    who: Who,
}

impl Set {
    async fn run(self, context: &Context) -> Done {
        let space = self.space.space()?;
        let asking = self.who.anybody(context).await?;
        let wanted = PoolSet { space, pool: self.pool, slots: self.slots };
        let pool = asking.client.call::<call::PoolSet>(&wanted).await?.reply.pool;
        context.output.print(&pool, |pool| human(std::slice::from_ref(pool)))?;
        Ok(())
    }
}

/// List the pools of a space, and how much of them is in use.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge lease pool list
  selvedge lease pool list --space lab -o json")]
pub(crate) struct List {
    #[command(flatten)]
    space: SpaceNamed,
    #[command(flatten)]
    who: Who,
}

impl List {
    async fn run(self, context: &Context) -> Done {
        let space = self.space.space()?;
        let asking = self.who.anybody(context).await?;
        let pools = asking.client.call::<call::PoolList>(&PoolList { space }).await?.reply.pools;
        context.output.print_all(&pools, human)?;
        Ok(())
    }
}

fn human(pools: &[PoolUse]) -> String {
    let rows: Vec<_> = pools.iter().map(row).collect();
    table(["pool", "slots", "held", "waited for", "set by", "set"], &rows, "no pools")
}

fn row(used: &PoolUse) -> [String; 6] {
    [
        used.pool.name.to_string(),
        used.pool.slots.to_string(),
        used.held.to_string(),
        used.waited_for.to_string(),
        used.pool.set_by.to_string(),
        instant(used.pool.set_at_ms),
    ]
}
