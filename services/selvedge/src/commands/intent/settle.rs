//! `selvedge intent settle`.

use clap::{Args, ValueEnum};
use selvedge_contracts::{
    call,
    fault::Fault,
    id::Mission,
    payload::intent::{Settle as Request, Settlement},
};

use super::{Named, ask, human};
use crate::{commands::lease::Who, connect::Context, exit::Done};

/// Say what became of an intent that nobody else can tell of: of an unknown outcome, or stuck.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge intent settle 0a1b2c3d4e5f happened --note 'the invoice 4711 is there'
  selvedge intent settle 0a1b2c3d4e5f did-not --note 'no trace of it in their log'

Find out first: what is said here is on the record, under your name. The operator alone may say it.")]
pub(crate) struct Settle {
    /// The intent: its id, or the first 8 or more hex digits of it.
    intent: Named,
    /// What became of it; of an undo that is stuck, whether it is undone.
    outcome: Outcome,
    /// How that is known.
    #[arg(long)]
    note: String,
    /// Its mission; need not be said if there is only one.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Outcome {
    /// It happened.
    Happened,
    /// It did not happen.
    DidNot,
}

impl Settle {
    pub(super) async fn run(self, context: &Context) -> Done {
        let who = Who { agent: None, mission: self.mission };
        let asking = who.operator(context).await?;
        let seen = ask(&asking.client, &self.intent).await?.intent;
        let execution = seen.execution.ok_or_else(|| {
            Fault::conflict(format!("{} is {} and nobody tried it", seen.id, seen.state.name()))
        })?;
        let outcome = match self.outcome {
            Outcome::Happened => Settlement::Happened,
            Outcome::DidNot => Settlement::DidNot,
        };
        let (round, attempt, executor) = (seen.round, execution.attempt, execution.executor);
        let wanted = Request { intent: seen.id, outcome, note: self.note, round, attempt, executor };
        let settled = asking.client.call::<call::IntentSettle>(&wanted).await?.reply;
        context.output.print(&settled, human)?;
        Ok(())
    }
}
