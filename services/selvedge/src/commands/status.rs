//! `selvedge status`.

use clap::Args;

use crate::{connect::Context, exit::Failure, status};

/// Shows what runs: services and their replicas, streams, missions, agents, sessions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  selvedge status
  selvedge status --output json | jq '.klusters[].services'")]
pub(crate) struct Status {}

impl Status {
    /// Runs the command.
    ///
    /// # Errors
    /// As [`status::run`].
    pub(crate) async fn run(self, context: Context) -> Result<(), Failure> {
        status::run(&context).await
    }
}
