//! `selvedge approval …`: the inbox of whoever may approve, and the answers.

mod answer;
mod difference;
mod list;
mod preview;
mod rotate;
mod show;
mod signing;

use clap::Subcommand;

pub(super) use self::signing::{approver as signing_agent, signature};
use crate::{connect::Context, exit::Done};

/// Approvals: what waits for one, what it would do, and the answer.
#[derive(Debug, Subcommand)]
pub(crate) enum Approval {
    List(list::List),
    Show(show::Show),
    Grant(answer::Grant),
    Deny(answer::Deny),
    Lift(answer::Lift),
    RotateKeys(rotate::RotateKeys),
}

impl Approval {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::Grant(verb) => verb.run(context).await,
            Self::Deny(verb) => verb.run(context).await,
            Self::Lift(verb) => verb.run(context).await,
            Self::RotateKeys(verb) => verb.run(context),
        }
    }
}
