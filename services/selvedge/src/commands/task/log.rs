//! `selvedge task log`.

use clap::Args;
use selvedge_contracts::{fact::EntityName, id::EntityId, payload::history::FactLine};

use super::TaskNamed;
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::Done,
    output::{instant_ms, table, visible_line},
    paging,
};

/// Show what happened to a task: every attempt, by whom, when, and how it ended.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge task log 0a1b2c3d4e5f/write-tests
  selvedge task log 0a1b2c3d4e5f/write-tests --as ada -o jsonl")]
pub(crate) struct Log {
    /// The task: its id, or PLAN/NAME.
    task: TaskNamed,
    #[command(flatten)]
    who: Who,
}

impl Log {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        // The id of a task says nothing of whether there is one.
        let task = self.task.look(&asking.client).await?.line.id;
        let id = EntityId::from(&task);
        let facts = paging::history(&asking.client, &asking.mission, EntityName::Task, &id).await?;
        context.output.print_all(&facts, |facts| {
            let rows: Vec<_> = facts.iter().map(row).collect();
            table(
                ["revision", "time", "what", "who", "attempt", "reason"],
                &rows,
                "nothing happened to it yet",
            )
        })?;
        Ok(())
    }
}

fn row(fact: &FactLine) -> [String; 6] {
    let at = |pointer: &str| fact.payload.pointer(pointer);
    let attempt = at("/state/attempt").map(ToString::to_string).unwrap_or_default();
    let ended = matches!(fact.kind.as_str(), "task.failed/1" | "task.exhausted/1" | "task.stopped/1");
    let past = at("/state/past").and_then(|past| past.as_array()?.last()).filter(|_| ended);
    let reason = past.and_then(|past| past.get("reason")?.as_str()).map(visible_line).unwrap_or_default();
    [
        fact.revision.to_string(),
        instant_ms(fact.at_ms),
        fact.kind.clone(),
        fact.sender.clone(),
        attempt,
        reason,
    ]
}
