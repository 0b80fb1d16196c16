//! `selvedge intent wait`.

use clap::Args;

use super::{Named, Patience, follow, human, outcome, short};
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::{Done, Failure, INTERRUPTED},
    output::{Format, hint},
    stop,
};

/// Wait until an intent is settled; ends with 0 only if it is committed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge intent wait 0a1b2c3d4e5f
  selvedge intent wait 0a1b2c3d4e5f --timeout 15m --as ada -o json

Exit codes: 0 committed, 10 rejected, 11 expired, 12 cancelled, 13 failed, 14 unknown or stuck (a person
must settle it), 15 taken back (compensated), 16 the time was up while it was still under way.")]
pub(crate) struct Wait {
    /// The intent: its id, or the first 8 or more hex digits of it.
    intent: Named,
    /// Longest wait.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = Patience::read)]
    timeout: Patience,
    #[command(flatten)]
    who: Who,
}

impl Wait {
    pub(super) async fn run(self, context: &Context) -> Done {
        let stop = stop::on_signal()?;
        let asking = self.who.anybody(context).await?;
        let id = self.intent.find(&asking.client).await?;
        let is_human = context.output == Format::Human;
        let following = follow(&asking, &id, self.timeout, |seen| {
            if is_human && !seen.intent.state.is_settled() {
                hint(&format!("{} is {}", short(&id), seen.intent.state.name()));
            }
        });
        let settled = stop.run_until_cancelled(following).await.ok_or(Failure::Ended(INTERRUPTED))??;
        context.output.print(&settled, human)?;
        outcome(&settled)
    }
}
