//! `selvedge kluster`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use selvedge_contracts::id::{EffectorName, KlusterName};

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
    /// Makes the credential of an effector, which carries out effects of its own kind for the committer.
    #[command(after_help = "\
Examples:
  selvedge kluster effector mailer                 writes mailer.creds, good for a year
  selvedge kluster effector mailer --out /etc/mailer.creds
  nats --creds mailer.creds --inbox-prefix _INBOX.mailer.effector-effector reply 'sv.effect.mailer.*' …")]
    Effector {
        /// Its name, as effects name it.
        name: EffectorName,
        /// The file to write (mode 0600; one that is there is replaced); `<NAME>.creds` here if absent.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl Klusters {
    /// Runs the command.
    ///
    /// # Errors
    /// As [`kluster::create`], [`kluster::list`] and [`kluster::effector`].
    pub(crate) async fn run(self, context: Context) -> Result<(), Failure> {
        match self.verb {
            Verb::Create { name } => kluster::create(&context, &name).await,
            Verb::List => kluster::list(&context),
            Verb::Effector { name, out } => kluster::effector(&context, &name, out),
        }
    }
}
