//! `selvedge kluster`.

use clap::{Args, Subcommand};
use selvedge_contracts::id::KlusterName;

use crate::{connect::Context, exit::Failure, kluster};

/// Klusters: tenants, each with its own ledger; nothing crosses between them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  selvedge kluster create team-b      a running `selvedge up` serves it at once
  selvedge --kluster team-b status
  selvedge kluster list")]
pub(crate) struct Klusters {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes a kluster: an account, its streams, its operator.
    #[command(after_help = "Example:\n  selvedge kluster create team-b")]
    Create {
        /// Its name: lower-case words joined by `-`.
        name: KlusterName,
    },
    /// Lists the klusters whose keys are here.
    #[command(after_help = "Example:\n  selvedge kluster list -o json")]
    List,
}

impl Klusters {
    /// Runs the command.
    ///
    /// # Errors
    /// As [`kluster::create`] and [`kluster::list`].
    pub(crate) async fn run(self, context: Context) -> Result<(), Failure> {
        match self.verb {
            Verb::Create { name } => kluster::create(&context, &name).await,
            Verb::List => kluster::list(&context),
        }
    }
}
