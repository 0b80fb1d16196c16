//! `selvedge scratch …`: an agent's own scratchpad.

use clap::{Args, Subcommand};
use selvedge_contracts::{
    call,
    id::RecordKey,
    payload::memory::{MAX_SCRATCH_TTL_MS, MIN_SCRATCH_TTL_MS, ScratchGet, ScratchPut, ScratchReply},
};

use super::{intent::value, lease::Who};
use crate::{connect::Context, exit::Done, input, output::visible};

/// Scratchpad: an agent's own notes, which nobody else reads and which are forgotten after a while.
#[derive(Debug, Subcommand)]
pub(crate) enum Scratch {
    Get(Get),
    Put(Put),
}

impl Scratch {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Get(verb) => verb.run(context).await,
            Self::Put(verb) => verb.run(context).await,
        }
    }
}

/// Get an entry.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge scratch get plan/next --as ada
  selvedge scratch get plan/next --as ada -o json")]
pub(crate) struct Get {
    /// Its key.
    key: RecordKey,
    #[command(flatten)]
    who: Who,
}

impl Get {
    async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let wanted = ScratchGet { key: self.key };
        let found = asking.client.call::<call::ScratchGet>(&wanted).await?.reply;
        context.output.print(&found, |found| {
            found
                .value
                .as_ref()
                .map_or_else(|| "(nothing)".to_owned(), |value| visible(&format!("{value:#}")))
        })?;
        Ok(())
    }
}

/// Put an entry, or remove it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge scratch put plan/next '[\"tests\", \"docs\"]' --as ada
  selvedge scratch put plan/next notes.json --ttl 2h --as ada
  selvedge scratch put plan/next --delete --as ada")]
pub(crate) struct Put {
    /// Its key.
    key: RecordKey,
    /// Its value: JSON, or a file that holds some, or - for standard input.
    #[arg(value_name = "JSON|FILE", allow_hyphen_values = true, required_unless_present = "delete")]
    value: Option<String>,
    /// Remove it.
    #[arg(long, conflicts_with = "value")]
    delete: bool,
    /// Its life: 1s to 7d; an hour unless said.
    #[arg(long, value_name = "TIME", value_parser = life)]
    ttl: Option<u64>,
    /// Revision of the entry that this replaces, 0 for none; whatever is there unless said.
    #[arg(long)]
    revision: Option<u64>,
    #[command(flatten)]
    who: Who,
}

fn life(text: &str) -> Result<u64, String> {
    match input::milliseconds(text)? {
        ttl_ms @ MIN_SCRATCH_TTL_MS..=MAX_SCRATCH_TTL_MS => Ok(ttl_ms),
        _ => Err("expected 1s to 7d".to_owned()),
    }
}

impl Put {
    async fn run(self, context: &Context) -> Done {
        let value = self.value.as_deref().map(value).transpose()?;
        let asking = self.who.anybody(context).await?;
        let wanted = ScratchPut { key: self.key, value, ttl_ms: self.ttl, revision: self.revision };
        let put = asking.client.call::<call::ScratchPut>(&wanted).await?.reply;
        context
            .output
            .print(&put, |put: &ScratchReply| format!("{} at revision {}", put.key, put.revision))?;
        Ok(())
    }
}
