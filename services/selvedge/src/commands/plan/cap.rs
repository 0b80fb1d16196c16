//! `selvedge plan cap` and `caps`: how much is worked on at once.

use clap::Args;
use selvedge_contracts::{
    call,
    id::PoolName,
    payload::{
        Nothing,
        plan::{Capacity, CapacityReply, CapacitySet},
    },
};

use super::short;
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::Done,
    output::{fields, table},
};

/// Cap how many tasks are worked on at once: those claimed from then on, of any plan.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge plan cap mission 20 --as pia          # all tasks of the mission
  selvedge plan cap queue-rust 4 --as pia        # all tasks of the queue rust
  selvedge plan cap gpu 2 --as pia               # those whose plan or task says: pools: [gpu]")]
pub(crate) struct Cap {
    /// The pool: mission, queue-QUEUE, or a name that plans and tasks may name.
    pool: PoolName,
    /// How many tasks; 0 stops what counts in it.
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1_000))]
    slots: u32,
    #[command(flatten)]
    who: Who,
}

impl Cap {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let set = CapacitySet { pool: self.pool, slots: self.slots };
        let reply = asking.client.call::<call::CapacitySet>(&set).await?.reply;
        context.output.print(&reply, human)?;
        Ok(())
    }
}

fn human(reply: &CapacityReply) -> String {
    let Capacity { name, slots, used, .. } = &reply.capacity;
    fields(&[
        ("pool", name.to_string()),
        ("slots", slots.to_string()),
        ("used", used.len().to_string()),
        ("revision", reply.revision.to_string()),
    ])
}

/// List the caps, and what counts in them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge plan caps
  selvedge plan caps --as ada -o jsonl")]
pub(crate) struct Caps {
    #[command(flatten)]
    who: Who,
}

impl Caps {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let found = asking.client.call::<call::CapacityList>(&Nothing {}).await?.reply.capacities;
        context.output.print_all(&found, |capacities| {
            let rows: Vec<_> = capacities.iter().map(row).collect();
            table(["pool", "slots", "used", "tasks"], &rows, "no caps")
        })?;
        Ok(())
    }
}

fn row(capacity: &Capacity) -> [String; 4] {
    let tasks: Vec<_> = capacity.used.iter().map(|task| short(task.as_str())).collect();
    [capacity.name.to_string(), capacity.slots.to_string(), capacity.used.len().to_string(), tasks.join(" ")]
}
