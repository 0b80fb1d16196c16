//! `selvedge handoff …`: work that agents offer to each other, typed and signed.

mod answer;
mod list;
mod named;
mod offer;
mod show;

use clap::Subcommand;

pub(super) use self::named::HandoffNamed;
use crate::{connect::Context, exit::Done};

/// Handoffs: work that one agent offers to another, refused with every reason if it does not fit.
#[derive(Debug, Subcommand)]
pub(crate) enum Handoff {
    Offer(offer::Offer),
    Accept(answer::Accept),
    Decline(answer::Decline),
    Complete(answer::Complete),
    Withdraw(answer::Withdraw),
    List(list::List),
    Show(show::Show),
}

impl Handoff {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Offer(verb) => verb.run(context).await,
            Self::Accept(verb) => verb.run(context).await,
            Self::Decline(verb) => verb.run(context).await,
            Self::Complete(verb) => verb.run(context).await,
            Self::Withdraw(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
        }
    }
}
