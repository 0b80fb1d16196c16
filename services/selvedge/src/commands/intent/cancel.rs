//! `selvedge intent cancel`.

use clap::Args;
use selvedge_contracts::{call, payload::intent::IntentCancel};

use super::{Named, short};
use crate::{commands::lease::Who, connect::Context, exit::Done};

/// Take an intent back before it is executed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge intent cancel 0a1b2c3d4e5f --reason 'done by hand' --as ada

Its proposer may, another agent of the same owner, and the operator.")]
pub(crate) struct Cancel {
    /// The intent: its id, or the first 8 or more hex digits of it.
    intent: Named,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
}

impl Cancel {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let intent = self.intent.find(&asking.client).await?;
        let wanted = IntentCancel { intent, reason: self.reason };
        let reply = asking.client.call::<call::IntentCancel>(&wanted).await?.reply;
        context
            .output
            .print(&reply, |reply| format!("{} is {}", short(&reply.intent.id), reply.intent.state.name()))?;
        Ok(())
    }
}
