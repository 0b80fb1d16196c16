//! `selvedge plan …`: what is to be done, and how far it is.

mod cap;
mod change;
mod consents;
mod file;
mod graph;
mod list;
mod named;
mod show;
mod submit;
mod tree;
mod watch;
mod whole;

use clap::Subcommand;

pub(crate) use self::named::short;
pub(super) use self::{
    file::plan as plan_in,
    named::{PlanNamed, prefix},
};
use crate::{connect::Context, exit::Done};

/// Plans: typed graphs of tasks, checked whole, given out as they become ready, and proved done.
#[derive(Debug, Subcommand)]
pub(crate) enum Plan {
    Submit(submit::Submit),
    Show(show::Show),
    List(list::List),
    Watch(watch::Watch),
    Cancel(change::Cancel),
    Pause(change::Pause),
    Resume(change::Resume),
    Graph(graph::Graph),
    Cap(cap::Cap),
    Caps(cap::Caps),
}

impl Plan {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Submit(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Watch(verb) => verb.run(context).await,
            Self::Cancel(verb) => verb.run(context).await,
            Self::Pause(verb) => verb.run(context).await,
            Self::Resume(verb) => verb.run(context).await,
            Self::Graph(verb) => verb.run(context).await,
            Self::Cap(verb) => verb.run(context).await,
            Self::Caps(verb) => verb.run(context).await,
        }
    }
}
