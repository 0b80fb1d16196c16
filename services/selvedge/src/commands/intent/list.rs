//! `selvedge intent list`.

use clap::Args;
use selvedge_contracts::{
    call,
    payload::intent::{IntentList, IntentReply, IntentState, Waiting},
};
use selvedge_kit::client::Client;

use super::{short, shown};
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::{Done, Failure},
    output::{instant, table, visible},
    paging,
};

/// List intents.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge intent list
  selvedge intent list --state committed --as ada
  selvedge intent list --waiting-for-me --as olga
  selvedge intent list --waiting-for-settlement -o jsonl")]
pub(crate) struct List {
    /// Only those in this state, such as verified, committed or rejected.
    #[arg(long, value_parser = state)]
    state: Option<IntentState>,
    #[command(flatten)]
    waiting: WaitingFor,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct WaitingFor {
    /// Only those that wait for an approval that you may give.
    #[arg(long)]
    waiting_for_me: bool,
    /// Only those that wait for any approval.
    #[arg(long)]
    waiting_for_approval: bool,
    /// Only those that wait for a person who finds out what happened.
    #[arg(long)]
    waiting_for_settlement: bool,
}

impl WaitingFor {
    fn meant(&self) -> Option<Waiting> {
        match self {
            Self { waiting_for_me: true, .. } => Some(Waiting::ForMe),
            Self { waiting_for_approval: true, .. } => Some(Waiting::ForApproval),
            Self { waiting_for_settlement: true, .. } => Some(Waiting::ForSettlement),
            _ => None,
        }
    }
}

fn state(text: &str) -> Result<IntentState, String> {
    serde_json::from_value(text.into()).map_err(|_| {
        "expected proposed, verified, approved, executing, committed, unknown, rejected, expired, cancelled, failed, compensating, compensated or stuck".to_owned()
    })
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let wanted = IntentList { state: self.state, waiting: self.waiting.meant(), ..IntentList::default() };
        let found = all(&asking.client, &wanted).await?;
        context.output.print_all(&found, table_of)?;
        Ok(())
    }
}

/// All intents that are asked for, the oldest first.
pub(in crate::commands) async fn all(
    client: &Client,
    wanted: &IntentList,
) -> Result<Vec<IntentReply>, Failure> {
    let ask = async |after| {
        let wanted = IntentList { after, ..wanted.clone() };
        let reply = client.call::<call::IntentList>(&wanted).await?.reply;
        Ok((reply.intents, reply.more))
    };
    let mut found = paging::all(|reply: &IntentReply| reply.intent.id.clone(), ask).await?;
    found.sort_by_key(|reply| reply.intent.proposed_at_ms);
    Ok(found)
}

/// Intents, for people.
pub(in crate::commands) fn table_of(intents: &[IntentReply]) -> String {
    let rows: Vec<_> = intents.iter().map(row).collect();
    table(["intent", "state", "effect", "proposer", "proposed", "title"], &rows, "no intents")
}

fn row(reply: &IntentReply) -> [String; 6] {
    let intent = &reply.intent;
    [
        short(&intent.id),
        intent.state.name().to_owned(),
        shown::in_a_word(&intent.effect),
        intent.proposer.to_string(),
        instant(intent.proposed_at_ms),
        visible(&intent.title),
    ]
}
