//! `selvedge approval show`.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{
    fault::Fault,
    payload::intent::{Decision, Intent, IntentReply, IntentState, approval_digest, intent_id},
};
use serde::Serialize;

use super::preview::{Preview, preview};
use crate::{
    commands::{
        intent::{Named, ask, head, next, rest, short},
        lease::{Asking, Who},
    },
    connect::Context,
    exit::{Done, Failure},
};

/// Show what an intent would do, as far as it can be known before: a commit as a diff, a request as it is
/// sent, a record with what it replaces.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge approval show 0a1b2c3d4e5f --as olga
  selvedge approval show 0a1b2c3d4e5f --in ~/src/shop

A diff needs a clone that has the commit which the work is based on: --in, else the repository around the
current folder, else the record's own if it lies on this machine. Without one, the files are listed.")]
pub(crate) struct Show {
    /// The intent: its id, or the first 8 or more hex digits of it.
    intent: Named,
    /// A local clone of the repository.
    #[arg(long = "in", value_name = "DIR")]
    clone: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let seen = Seen::look(&asking, &self.intent, self.clone.as_deref()).await?;
        context.output.print(&seen, |seen| seen.human() + &seen.ways_on())?;
        Ok(())
    }
}

/// An intent, and what it would do.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    #[serde(flatten)]
    pub(super) reply: IntentReply,
    preview: Preview,
}

impl Seen {
    /// Looks at what is named.
    pub(super) async fn look(
        asking: &Asking,
        named: &Named,
        clone: Option<&std::path::Path>,
    ) -> Result<Self, Failure> {
        let reply = ask(&asking.client, named).await?;
        is_what_it_says(&reply.intent)?;
        let preview = preview(asking, &reply, clone).await?;
        Ok(Self { reply, preview })
    }

    /// For people.
    pub(super) fn human(&self) -> String {
        let IntentReply { intent, revision } = &self.reply;
        let mut text = format!("{}\n{}", head(intent, *revision), self.preview.human());
        text += &rest(intent);
        text
    }

    /// What may be done about it, for people.
    fn ways_on(&self) -> String {
        let intent = &self.reply.intent;
        let id = short(&intent.id);
        match (intent.state, &intent.decision) {
            (IntentState::Verified, Some(decision)) if decision.requirement.approvals > 0 => {
                let role = decision.requirement.role.name().to_uppercase();
                format!(
                    "\nnext: selvedge approval grant {id} --as {role}, or deny {id} --reason WHY --as {role}\n"
                )
            }
            _ => next(intent).map(|next| format!("\nnext: {next}\n")).unwrap_or_default(),
        }
    }
}

/// The decision that an answer is about.
///
/// # Errors
/// `conflict` if there is none yet.
pub(super) fn decided(intent: &Intent) -> Result<&Decision, Failure> {
    let none =
        || Fault::conflict(format!("{} is {} and was not decided about", intent.id, intent.state.name()));
    Ok(intent.decision.as_ref().ok_or_else(none)?)
}

/// What is shown is what is signed: its id and the digest of its approval follow from it. Nobody is believed
/// here, not the service either.
///
/// # Errors
/// `internal` if they do not.
fn is_what_it_says(intent: &Intent) -> Result<(), Failure> {
    let id = intent_id(
        &intent.mission,
        intent.task.as_ref(),
        intent.occurrence.as_deref(),
        &intent.effect,
        intent.undo.as_ref(),
        &intent.inputs,
    );
    if id != intent.id {
        let message = format!("{} is not the id of what it is shown with: do not approve it", intent.id);
        return Err(Fault::internal(message).into());
    }
    let bent = intent.decision.as_ref().filter(|decision| {
        approval_digest(intent, &decision.requirement, decision.activation) != decision.approval_digest
    });
    match bent {
        None => Ok(()),
        Some(decision) => {
            let digest = &decision.approval_digest;
            Err(Fault::internal(format!("{digest} is not the digest of what is shown: do not approve it"))
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::intent::intent_for_tests;

    #[test]
    fn what_is_not_what_its_id_and_digest_say_is_not_approved() {
        let mut intent = intent_for_tests();
        intent.id = intent_id(&intent.mission, None, None, &intent.effect, None, &[]);
        let decision = intent.decision.clone().unwrap();
        let digest = approval_digest(&intent, &decision.requirement, decision.activation);
        intent.decision = Some(Decision { approval_digest: digest, ..decision });
        is_what_it_says(&intent).unwrap();
        let mut bent = intent.clone();
        bent.expires_at_ms += 1;
        assert!(is_what_it_says(&bent).unwrap_err().to_string().contains("not the digest"));
        let mut bent = intent;
        bent.occurrence = Some("again".to_owned());
        assert!(is_what_it_says(&bent).unwrap_err().to_string().contains("not the id"));
    }
}
