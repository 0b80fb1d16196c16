//! `selvedge intent …`: what is to be done to the world, from the proposal to the receipt.

mod cancel;
mod follow;
mod id;
mod list;
mod propose;
mod settle;
mod show;
pub(super) mod shown;
mod wait;

use clap::Subcommand;

pub(crate) use self::propose::git::{changes as file_changes, store};
#[cfg(test)]
pub(super) use self::show::tests::intent as intent_for_tests;
pub(super) use self::{
    follow::{Patience, follow, outcome, past_verification},
    id::{Named, SagaNamed, short},
    list::all,
    propose::{about::About, memory::value, propose, read, told},
    show::{ask, head, human, indented, next, rest, waits_for},
};
use crate::{connect::Context, exit::Done};

/// Intents: what is to be done to the world: commits, requests, records.
#[derive(Debug, Subcommand)]
pub(crate) enum Intent {
    Propose(Box<propose::Propose>),
    Show(show::Show),
    List(list::List),
    Wait(wait::Wait),
    Cancel(cancel::Cancel),
    Settle(settle::Settle),
}

impl Intent {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Propose(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Wait(verb) => verb.run(context).await,
            Self::Cancel(verb) => verb.run(context).await,
            Self::Settle(verb) => verb.run(context).await,
        }
    }
}
