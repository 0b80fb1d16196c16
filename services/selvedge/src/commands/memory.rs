//! `selvedge memory …`: the mission's canonical records.

use clap::{Args, Subcommand};
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::{Digest, RecordKey},
    payload::{
        intent::{Effect, MemoryEffect},
        memory::{MemoryGet, MemoryHistory, MemoryList, Record, RecordReply},
    },
};
use selvedge_kit::client::{Client, Options};

use super::{
    creating::Creating,
    intent::{About, Patience, propose, short, value},
    lease::Who,
};
use crate::{
    connect::Context,
    exit::{Done, Failure},
    output::{fields, instant, table, visible, visible_line},
    paging,
};

/// Memory: the mission's canonical records, which only committed intents write.
#[derive(Debug, Subcommand)]
pub(crate) enum Memory {
    Get(Get),
    List(List),
    History(History),
    Put(Box<Put>),
}

impl Memory {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Get(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::History(verb) => verb.run(context).await,
            Self::Put(verb) => verb.run(context).await,
        }
    }
}

/// Get a record: its value, its revision, and where it came from.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge memory get decisions/auth
  selvedge memory get decisions/auth --at-least 4711 --as ada -o json")]
pub(crate) struct Get {
    /// Its key.
    key: RecordKey,
    /// The answer must be at least as new as this ledger revision.
    #[arg(long, value_name = "REVISION", default_value_t)]
    at_least: u64,
    #[command(flatten)]
    who: Who,
}

impl Get {
    async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let options = Options { at_least: self.at_least, ..Options::default() };
        let wanted = MemoryGet { key: self.key };
        let found = asking.client.call_with::<call::MemoryGet>(&wanted, &options).await?.reply;
        context.output.print(&found, human)?;
        Ok(())
    }
}

fn human(reply: &RecordReply) -> String {
    let Record { key, value, intent, author, sources, written_at_ms, .. } = &reply.record;
    let sources: Vec<String> = sources.iter().map(Digest::to_string).collect();
    let head = fields(&[
        ("record", key.to_string()),
        ("revision", reply.revision.to_string()),
        ("author", author.to_string()),
        ("intent", short(intent)),
        ("written", instant(*written_at_ms)),
        ("made from", sources.join(", ")),
    ]);
    match value {
        Some(value) => format!("{head}\n{}", visible(&format!("{value:#}"))),
        None => format!("{head}\ndeleted"),
    }
}

/// List the records, or those whose keys start so.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge memory list
  selvedge memory list decisions/ --as ada -o jsonl")]
pub(crate) struct List {
    /// What keys start with.
    prefix: Option<String>,
    #[command(flatten)]
    who: Who,
}

impl List {
    async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let ask = async |after| {
            let wanted = MemoryList { prefix: self.prefix.clone(), after, limit: None };
            let reply = asking.client.call::<call::MemoryList>(&wanted).await?.reply;
            Ok((reply.records, reply.more))
        };
        let found = paging::all(|reply: &RecordReply| reply.record.key.clone(), ask).await?;
        context.output.print_all(&found, |records| table_of(records, "no records"))?;
        Ok(())
    }
}

/// Show every version of a record, the oldest first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge memory history decisions/auth
  selvedge memory history decisions/auth --as ada -o jsonl")]
pub(crate) struct History {
    /// Its key.
    key: RecordKey,
    #[command(flatten)]
    who: Who,
}

impl History {
    async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let ask = async |after: Option<u64>| {
            let wanted = MemoryHistory { key: self.key.clone(), after: after.unwrap_or(0), limit: None };
            let reply = asking.client.call::<call::MemoryHistory>(&wanted).await?.reply;
            Ok((reply.records, reply.more))
        };
        let found = paging::all(|reply: &RecordReply| reply.revision, ask).await?;
        context.output.print_all(&found, |records| table_of(records, "no versions"))?;
        Ok(())
    }
}

fn table_of(records: &[RecordReply], none: &str) -> String {
    let rows: Vec<_> = records.iter().map(row).collect();
    table(["record", "revision", "written", "author", "intent", "value"], &rows, none)
}

fn row(reply: &RecordReply) -> [String; 6] {
    const LONGEST: usize = 60;
    let Record { key, value, intent, author, written_at_ms, .. } = &reply.record;
    let value = value.as_ref().map_or_else(|| "(deleted)".to_owned(), ToString::to_string);
    let mut shown: String = value.chars().take(LONGEST).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    [
        key.to_string(),
        reply.revision.to_string(),
        instant(*written_at_ms),
        author.to_string(),
        short(intent),
        visible_line(&shown),
    ]
}

/// Write a record: proposes an intent, and waits for it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge memory put decisions/auth '{\"use\": \"tokens\"}' --new --as ada
  selvedge memory put decisions/auth decision.json --revision 4711 --as ada
  selvedge memory put decisions/auth - --latest --as ada < decision.json

It is written only if the record still stands at the revision that is named. The exit codes are those of
`selvedge intent wait`.")]
pub(crate) struct Put {
    /// Its key, such as decisions/auth.
    key: RecordKey,
    /// Its value: JSON, or a file that holds some, or - for standard input.
    #[arg(value_name = "JSON|FILE", allow_hyphen_values = true, required_unless_present = "delete")]
    value: Option<String>,
    /// Delete it; its history stays.
    #[arg(long, conflicts_with = "value")]
    delete: bool,
    #[command(flatten)]
    over: Over,
    /// Content that it was made from, by its digest; repeat for more.
    #[arg(long = "source", value_name = "DIGEST")]
    sources: Vec<Digest>,
    #[command(flatten)]
    about: About,
    /// Longest wait.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = Patience::read)]
    wait: Patience,
    #[command(flatten)]
    creating: Creating,
    #[command(flatten)]
    who: Who,
}

/// What it is written in place of.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Over {
    /// Revision of the record that this replaces.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    revision: Option<u64>,
    /// There must be none yet.
    #[arg(long)]
    new: bool,
    /// Replaces what is there now, be it nothing.
    #[arg(long)]
    latest: bool,
}

impl Put {
    async fn run(self, context: &Context) -> Done {
        let value = self.value.as_deref().map(value).transpose()?;
        let asking = self.who.anybody(context).await?;
        let revision = match self.over {
            Over { latest: true, .. } => latest(&asking.client, &self.key).await?,
            Over { revision, .. } => revision.unwrap_or(0),
        };
        let verb = if value.is_some() { "write" } else { "delete" };
        let title = format!("{verb} {}", self.key);
        let effect = MemoryEffect { key: self.key, value, revision, sources: self.sources };
        let request = self.about.proposal(Effect::Memory(effect), &title)?;
        propose(context, &asking, &request, &self.creating, Some(self.wait)).await
    }
}

/// Revision of the record as it stands; 0 if there is none.
async fn latest(client: &Client, key: &RecordKey) -> Result<u64, Failure> {
    let found: Result<_, Fault> = client.call::<call::MemoryGet>(&MemoryGet { key: key.clone() }).await;
    match found {
        Ok(answered) => Ok(answered.reply.revision),
        Err(fault) if fault.code == Code::NotFound => Ok(0),
        Err(fault) => Err(fault.into()),
    }
}
