//! `selvedge agent …`

mod creds;
mod invite;
mod keep;
mod known;
mod list;
mod pace;
mod register;
mod retire;
mod rotate;

pub(super) use keep::Keeper;

use clap::Subcommand;

use crate::{connect::Context, exit::Done};

/// Agents: who they are, and the credentials they work with.
#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    Register(register::Register),
    Invite(invite::Invite),
    Creds(creds::Creds),
    List(list::List),
    Show(list::Show),
    Rotate(rotate::Rotate),
    Retire(retire::Retire),
    Revoke(retire::Revoke),
}

impl Agent {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Register(verb) => verb.run(context).await,
            Self::Invite(verb) => verb.run(context).await,
            Self::Creds(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::Rotate(verb) => verb.run(context).await,
            Self::Retire(verb) => verb.run(context).await,
            Self::Revoke(verb) => verb.run(context).await,
        }
    }
}
