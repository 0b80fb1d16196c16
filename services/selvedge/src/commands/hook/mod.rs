//! `selvedge hook …`: a git hook that asks who holds what a commit touches.

mod check;
mod files;
mod install;
mod paths;
mod script;

use clap::Subcommand;

use crate::{connect::Context, exit::Done};

/// A git pre-commit hook that refuses commits of what others hold.
#[derive(Debug, Subcommand)]
pub(crate) enum Hook {
    Install(install::Install),
    Uninstall(install::Uninstall),
    Check(check::Check),
}

impl Hook {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Install(verb) => verb.run(context),
            Self::Uninstall(verb) => verb.run(context),
            Self::Check(verb) => verb.run(context).await,
        }
    }
}
