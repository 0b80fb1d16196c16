//! `selvedge approval grant`, `deny` and `lift`.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
};

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    payload::intent::{Approve, DenialLift, Deny as Denial, Intent, approval_text},
    role::Role,
};

use super::{
    show::{Seen, decided},
    signing::{approver, signature},
};
use crate::{
    commands::{
        intent::{Named, short, told},
        lease::{Asking, Who},
    },
    connect::Context,
    exit::{Done, Failure},
    output::{Format, hint, say},
};

/// Approve an intent, after a look at it: signed with your identity key, good for what was shown alone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge approval grant 0a1b2c3d4e5f --as olga
  selvedge approval grant 0a1b2c3d4e5f --as olga --yes

It shows what would happen and asks; where there is no terminal it needs --yes. What is signed binds the
intent, all that is shown of it, the policy in force and the deadline: if one of these changes, it is void.")]
pub(crate) struct Grant {
    /// The intent: its id, or the first 8 or more hex digits of it.
    intent: Named,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// A local clone of the repository, for a diff.
    #[arg(long = "in", value_name = "DIR")]
    clone: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
}

impl Grant {
    pub(super) async fn run(self, context: &Context) -> Done {
        if !self.yes && !io::stdin().is_terminal() {
            return Err(Failure::usage(
                "there is no terminal to ask on: look with `selvedge approval show`, then say --yes",
            ));
        }
        let asking = self.who.anybody(context).await?;
        let seen = Seen::look(&asking, &self.intent, self.clone.as_deref()).await?;
        let decision = decided(&seen.reply.intent)?;
        let digest = decision.approval_digest.clone();
        // Before it is looked at: nobody is to read a difference whose answer counts for nothing.
        may_answer(&asking, &seen.reply.intent, decision.requirement.role)?;
        if context.output == Format::Human {
            say(&seen.human())?;
        }
        if !self.yes && !is_wanted(&asking)? {
            hint("nothing was granted");
            return Err(Failure::Ended(1));
        }
        let intent = seen.reply.intent.id;
        let text = approval_text(&approver(&asking)?, &intent, &digest);
        let approve = Approve { intent, digest, signature: signature(context, &asking, &text)? };
        let granted = asking.client.call::<call::IntentApprove>(&approve).await?.reply;
        told(context, &granted)
    }
}

/// Whether whoever asks has the role that an approval is asked of.
fn may_answer(asking: &Asking, intent: &Intent, wanted: Role) -> Result<(), Failure> {
    let role = asking.client.bus().me().scope.role;
    if role == wanted {
        return Ok(());
    }
    let message = format!(
        "{} is a {role}; an approval of {} is given by a {wanted} of another owner than {}",
        asking.me,
        short(&intent.id),
        intent.owner
    );
    Err(Fault::denied(message).into())
}

/// Asks on the terminal.
fn is_wanted(asking: &Asking) -> io::Result<bool> {
    let mut err = io::stderr().lock();
    write!(err, "grant it as {}? [y/N] ", asking.me)?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Deny an intent: one denial ends it for good, however often it is proposed again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge approval deny 0a1b2c3d4e5f --reason 'the tests are missing' --as olga")]
pub(crate) struct Deny {
    /// The intent: its id, or the first 8 or more hex digits of it.
    intent: Named,
    /// Why: its proposer reads it.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
}

impl Deny {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let seen = crate::commands::intent::ask(&asking.client, &self.intent).await?;
        let digest = decided(&seen.intent)?.approval_digest.clone();
        let denial = Denial { intent: seen.intent.id, digest, reason: self.reason };
        let denied = asking.client.call::<call::IntentDeny>(&denial).await?.reply;
        told(context, &denied)
    }
}

/// Take a denial back: the intent may be proposed again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge approval lift 0a1b2c3d4e5f --reason 'the tests are there now' --as olga

Any agent of the owner who denied it may, and the operator. It stays rejected until somebody proposes it again,
and needs its approvals then.")]
pub(crate) struct Lift {
    /// The intent: its id, or the first 8 or more hex digits of it.
    intent: Named,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
}

impl Lift {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let intent = self.intent.find(&asking.client).await?;
        let wanted = DenialLift { intent, reason: self.reason };
        let lifted = asking.client.call::<call::DenialLift>(&wanted).await?.reply;
        told(context, &lifted)
    }
}
