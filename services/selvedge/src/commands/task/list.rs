//! `selvedge task list`.

use clap::Args;
use selvedge_contracts::{
    call,
    id::{PlanId, QueueName, TaskId},
    payload::task::{Phase, TaskLine, TaskList},
};
use selvedge_kit::client::Client;

use crate::{
    commands::{
        lease::Who,
        plan::{PlanNamed, short},
    },
    connect::Context,
    exit::{Done, Failure},
    output::{table, visible_line},
    paging,
};

/// List tasks that are under way: of one plan, or of all that are not over.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge task list
  selvedge task list --plan 0a1b2c3d4e5f
  selvedge task list --mine --as ada
  selvedge task list --phase submitted --as vera -o jsonl   # what waits for a verifier")]
pub(crate) struct List {
    /// Only tasks of this plan, those that are over included.
    #[arg(long)]
    plan: Option<PlanNamed>,
    /// Only tasks in this phase: blocked, gated, waiting, ready, running, submitted, validated, failed, stopped.
    #[arg(long, value_parser = phase)]
    phase: Option<Phase>,
    /// Only tasks of this queue.
    #[arg(long)]
    queue: Option<QueueName>,
    /// Only tasks that I have.
    #[arg(long)]
    mine: bool,
    #[command(flatten)]
    who: Who,
}

fn phase(text: &str) -> Result<Phase, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let plan = match &self.plan {
            Some(plan) => Some(plan.find(&asking.client).await?),
            None => None,
        };
        let wanted =
            TaskList { phase: self.phase, queue: self.queue, mine: self.mine, ..TaskList::default() };
        let found = all(&asking.client, &wanted, plan).await?;
        context.output.print_all(&found, |tasks| {
            let rows: Vec<_> = tasks.iter().map(row).collect();
            table(["plan", "task", "phase", "queue", "attempt", "worker", "title"], &rows, "no tasks")
        })?;
        Ok(())
    }
}

async fn all(client: &Client, wanted: &TaskList, plan: Option<PlanId>) -> Result<Vec<TaskLine>, Failure> {
    let ask = async |after: Option<TaskId>| {
        let wanted = TaskList { plan: plan.clone(), after, ..wanted.clone() };
        let reply = client.call::<call::TaskList>(&wanted).await?.reply;
        Ok((reply.tasks, reply.more))
    };
    Ok(paging::all(|line: &TaskLine| line.id.clone(), ask).await?)
}

fn row(line: &TaskLine) -> [String; 7] {
    [
        short(line.plan.as_str()),
        line.name.to_string(),
        line.phase.name().to_owned(),
        line.queue.to_string(),
        line.attempt.to_string(),
        line.worker.as_ref().map(ToString::to_string).unwrap_or_default(),
        visible_line(&line.title),
    ]
}
