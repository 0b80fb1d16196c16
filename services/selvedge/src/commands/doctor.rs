//! `selvedge doctor`.

use clap::Args;

use crate::{connect::Context, doctor, exit::Failure};

/// Looks for what is wrong and says how to mend it; ends with 1 if anything failed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  selvedge doctor
  selvedge doctor --output json | jq '.checks[] | select(.level != \"ok\")'")]
pub(crate) struct Doctor {}

impl Doctor {
    /// Runs the command.
    ///
    /// # Errors
    /// As [`doctor::run`].
    pub(crate) async fn run(self, context: Context) -> Result<(), Failure> {
        doctor::run(&context).await
    }
}
