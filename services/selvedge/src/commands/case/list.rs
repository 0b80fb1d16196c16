//! `selvedge case list`.

use clap::Args;
use selvedge_contracts::{
    id::QueueName,
    payload::case::{CaseLine, CaseList},
};

use super::named::all;
use crate::{
    commands::{
        lease::Who,
        plan::{PlanNamed, short},
    },
    connect::Context,
    exit::Done,
    output::{instant, table, visible_line},
};

/// List the cases that wait for a decision.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge case list
  selvedge case list --plan 0a1b2c3d4e5f --all --as judy -o jsonl")]
pub(crate) struct List {
    /// Those that are over, too.
    #[arg(long)]
    all: bool,
    /// Only cases of this plan.
    #[arg(long)]
    plan: Option<PlanNamed>,
    /// Only cases of this queue.
    #[arg(long)]
    queue: Option<QueueName>,
    #[command(flatten)]
    who: Who,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let plan = match &self.plan {
            Some(plan) => Some(plan.find(&asking.client).await?),
            None => None,
        };
        let wanted = CaseList { all: self.all, plan, queue: self.queue, ..CaseList::default() };
        let found = all(&asking.client, &wanted).await?;
        context.output.print_all(&found, |cases| {
            let rows: Vec<_> = cases.iter().map(row).collect();
            table(["case", "task", "why", "state", "asks", "until", "reason"], &rows, "no cases")
        })?;
        Ok(())
    }
}

fn row(case: &CaseLine) -> [String; 7] {
    let decided = case.decision.as_ref().map(|decision| decision.what.name());
    let state =
        decided.map_or_else(|| case.state.name().to_owned(), |what| format!("{}: {what}", case.state.name()));
    [
        short(case.id.as_str()),
        format!("{}/{}", short(case.plan.as_str()), case.name),
        case.why.name().to_owned(),
        state,
        format!("{} in {}", case.to, case.queue),
        case.due_at_ms.map(instant).unwrap_or_default(),
        case.reason.as_deref().map(visible_line).unwrap_or_default(),
    ]
}
