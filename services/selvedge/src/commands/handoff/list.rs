//! `selvedge handoff list`.

use clap::Args;
use selvedge_contracts::{
    id::QueueName,
    payload::handoff::{HandoffLine, HandoffList},
};

use super::named::all;
use crate::{
    commands::{lease::Who, plan::short},
    connect::Context,
    exit::Done,
    output::{instant, table, visible_line},
};

/// List the handoffs that are not over.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge handoff list
  selvedge handoff list --to-me --as bob
  selvedge handoff list --from-me --all --as ada -o jsonl")]
pub(crate) struct List {
    /// Those that are over, too.
    #[arg(long)]
    all: bool,
    /// Only what you may accept, or have accepted.
    #[arg(long)]
    to_me: bool,
    /// Only what you offered.
    #[arg(long)]
    from_me: bool,
    /// Only what waits in this queue.
    #[arg(long)]
    queue: Option<QueueName>,
    #[command(flatten)]
    who: Who,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let wanted = HandoffList {
            all: self.all,
            to_me: self.to_me,
            from_me: self.from_me,
            queue: self.queue,
            ..HandoffList::default()
        };
        let found = all(&asking.client, &wanted).await?;
        context.output.print_all(&found, |handoffs| {
            let rows: Vec<_> = handoffs.iter().map(row).collect();
            table(
                ["handoff", "state", "from", "to", "accepted by", "deadline", "title"],
                &rows,
                "no handoffs",
            )
        })?;
        Ok(())
    }
}

fn row(handoff: &HandoffLine) -> [String; 7] {
    [
        short(handoff.id.as_str()),
        handoff.state.name().to_owned(),
        handoff.from.to_string(),
        handoff.to.to_string(),
        handoff.receiver.as_ref().map(ToString::to_string).unwrap_or_default(),
        instant(handoff.deadline_at_ms),
        visible_line(&handoff.title),
    ]
}
