//! `selvedge case …`: disagreements about tasks, for who decides them.

mod decide;
mod list;
mod named;
mod next;
mod show;

use clap::Subcommand;

pub(super) use self::named::CaseNamed;
use crate::{connect::Context, exit::Done};

/// Cases: what the attempts at a task could not settle, and somebody has to decide.
#[derive(Debug, Subcommand)]
pub(crate) enum Case {
    List(list::List),
    Show(show::Show),
    Next(next::Next),
    Decide(decide::Decide),
}

impl Case {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::Next(verb) => verb.run(context).await,
            Self::Decide(verb) => verb.run(context).await,
        }
    }
}
