//! `selvedge task …`: single tasks of plans, for who does them, checks them, and looks at them.

mod claim;
mod hand_in;
mod judge;
mod list;
mod log;
mod named;
mod show;

use clap::Subcommand;

pub(super) use self::named::TaskNamed;
use crate::{connect::Context, exit::Done};

/// Tasks: taken under a claim that ends, handed in, and judged by somebody else.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    List(list::List),
    Show(show::Show),
    Claim(claim::Claim),
    Renew(claim::Renew),
    Submit(hand_in::Submit),
    Fail(hand_in::Fail),
    Judge(judge::Judge),
    Open(judge::Open),
    Log(log::Log),
}

impl Task {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::Claim(verb) => verb.run(context).await,
            Self::Renew(verb) => verb.run(context).await,
            Self::Submit(verb) => verb.run(context).await,
            Self::Fail(verb) => verb.run(context).await,
            Self::Judge(verb) => verb.run(context).await,
            Self::Open(verb) => verb.run(context).await,
            Self::Log(verb) => verb.run(context).await,
        }
    }
}
