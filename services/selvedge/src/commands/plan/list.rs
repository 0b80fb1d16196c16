//! `selvedge plan list`.

use clap::{Args, ValueEnum};
use selvedge_contracts::{
    call,
    payload::plan::{PlanLine, PlanList, PlanState},
};

use super::short;
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::Done,
    output::{instant, table, visible_line},
    paging,
};

/// List the mission's plans.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge plan list
  selvedge plan list --state running --as ada -o jsonl")]
pub(crate) struct List {
    /// Only plans in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Running,
    Paused,
    Done,
    Failed,
    Cancelled,
}

impl From<State> for PlanState {
    fn from(state: State) -> Self {
        match state {
            State::Running => Self::Running,
            State::Paused => Self::Paused,
            State::Done => Self::Done,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
        }
    }
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let ask = async |after| {
            let wanted = PlanList { state: self.state.map(PlanState::from), after, limit: None };
            let reply = asking.client.call::<call::PlanList>(&wanted).await?.reply;
            Ok((reply.plans, reply.more))
        };
        let mut found = paging::all(|line: &PlanLine| line.id.clone(), ask).await?;
        found.sort_by_key(|line| line.submitted_at_ms);
        context.output.print_all(&found, |plans| {
            let rows: Vec<_> = plans.iter().map(row).collect();
            table(
                ["plan", "state", "validated", "running", "failed", "submitted", "title"],
                &rows,
                "no plans",
            )
        })?;
        Ok(())
    }
}

fn row(line: &PlanLine) -> [String; 7] {
    [
        short(line.id.as_str()),
        line.state.name().to_owned(),
        format!("{}/{}", line.validated, line.tasks),
        line.running.to_string(),
        line.failed.to_string(),
        instant(line.submitted_at_ms),
        visible_line(&line.title),
    ]
}
