//! `selvedge approval list`: the inbox.

use clap::Args;
use selvedge_contracts::payload::intent::{Intent, IntentList, IntentReply, Waiting};

use crate::{
    commands::{
        intent::{all, short, shown},
        lease::Who,
    },
    connect::Context,
    exit::Done,
    output::{instant, table, visible_line},
};

/// List what waits for an approval: for whom, since when, until when.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge approval list
  selvedge approval list --mine --as olga
  selvedge approval list -o jsonl")]
pub(crate) struct List {
    /// Only what you may approve.
    #[arg(long)]
    mine: bool,
    #[command(flatten)]
    who: Who,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let waiting = if self.mine { Waiting::ForMe } else { Waiting::ForApproval };
        let wanted = IntentList { waiting: Some(waiting), ..IntentList::default() };
        let found = all(&asking.client, &wanted).await?;
        context.output.print_all(&found, table_of)?;
        Ok(())
    }
}

fn table_of(intents: &[IntentReply]) -> String {
    let rows: Vec<_> = intents.iter().map(|reply| row(&reply.intent)).collect();
    table(
        ["intent", "effect", "proposer", "owner", "needs", "since", "until", "title"],
        &rows,
        "nothing waits for an approval",
    )
}

fn row(intent: &Intent) -> [String; 8] {
    let decision = intent.decision.as_ref();
    let needs = decision.map(|decision| {
        let wanted = decision.requirement.approvals;
        format!("{} {} of {wanted}", decision.requirement.role, intent.grants.len() + 1)
    });
    let since_ms = decision.map_or(intent.proposed_at_ms, |decision| decision.decided_at_ms);
    [
        short(&intent.id),
        shown::in_a_word(&intent.effect),
        intent.proposer.to_string(),
        intent.owner.to_string(),
        needs.unwrap_or_default(),
        instant(since_ms),
        instant(intent.expires_at_ms),
        visible_line(&intent.title),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::intent::intent_for_tests;

    #[test]
    fn the_inbox_says_for_whom_since_when_and_until_when() {
        let text = table_of(&[IntentReply { intent: intent_for_tests(), revision: 1 }]);
        for part in [
            "0a1b2c3d0a1b  memory decisions/auth",
            "person:ada",
            "approver 2 of 2",
            "1970-01-01T00:00:02Z  1970-01-02T00:00:01Z  write it down",
        ] {
            assert!(text.contains(part), "{part:?} is missing of\n{text}");
        }
    }
}
