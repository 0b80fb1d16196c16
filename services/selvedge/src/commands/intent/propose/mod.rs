//! `selvedge intent propose`.

pub(super) mod about;
pub(super) mod git;
mod http;
pub(super) mod memory;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use selvedge_contracts::{
    call,
    payload::intent::{IntentReply, Propose as Request},
};
use serde::de::DeserializeOwned;

use super::{Patience, follow, outcome, past_verification, show::briefly};
use crate::{
    commands::{
        creating::Creating,
        lease::{Asking, Who},
    },
    connect::Context,
    exit::{Done, Failure},
    input,
};

/// Propose an intent: the same content is the same intent, however often it is proposed.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  selvedge intent propose intent.json --as ada
  jq .intent plan.json | selvedge intent propose - --as ada --wait 5m
  selvedge intent propose git --repository record --branch main -m 'Fix the login page' --as ada

The file holds what governance.propose takes (contracts/schemas). With --wait the exit codes are those of
`selvedge intent wait`; without, 10 says that it was rejected at once."
)]
pub(crate) struct Propose {
    #[command(subcommand)]
    built: Option<Built>,
    /// File with the intent as JSON, or - for standard input.
    #[arg(required = true)]
    file: Option<PathBuf>,
    #[command(flatten)]
    following: Following,
}

#[derive(Debug, Subcommand)]
enum Built {
    Git(git::Git),
    Http(http::Http),
    Memory(memory::Memory),
}

/// As whom it is proposed, and how long it is followed.
#[derive(Debug, Args)]
pub(in crate::commands) struct Following {
    /// Wait until it is settled: an hour, unless a time is given.
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1h", value_parser = Patience::read)]
    pub(in crate::commands) wait: Option<Patience>,
    #[command(flatten)]
    pub(in crate::commands) creating: Creating,
    #[command(flatten)]
    pub(in crate::commands) who: Who,
}

impl Propose {
    pub(super) async fn run(self, context: &Context) -> Done {
        match (self.built, self.file) {
            (Some(Built::Git(verb)), _) => verb.run(context).await,
            (Some(Built::Http(verb)), _) => verb.run(context).await,
            (Some(Built::Memory(verb)), _) => verb.run(context).await,
            (None, Some(file)) => {
                let request = read(&file)?;
                let asking = self.following.who.anybody(context).await?;
                propose(context, &asking, &request, &self.following.creating, self.following.wait).await
            }
            (None, None) => Err(Failure::usage("say what: a file, or git, http or memory")),
        }
    }
}

/// What a file holds.
///
/// # Errors
/// [`Failure::Usage`] says where it is not as it should be.
pub(in crate::commands) fn read<T: DeserializeOwned>(file: &std::path::Path) -> Result<T, Failure> {
    let text = input::text(file)?;
    let name = file.display();
    serde_json::from_str(&text).map_err(|error| Failure::usage(format!("{name} does not fit: {error}")))
}

/// Proposes, follows as far as is wanted, and tells.
pub(in crate::commands) async fn propose(
    context: &Context,
    asking: &Asking,
    request: &Request,
    creating: &Creating,
    wait: Option<Patience>,
) -> Done {
    let client = &asking.client;
    let create = async || client.call::<call::IntentPropose>(request).await.map(|answered| answered.reply);
    let Some(proposed) = creating.run(client, create).await? else { return Ok(()) };
    let seen = match wait {
        None => past_verification(asking, proposed).await?,
        Some(patience) => {
            let id = &proposed.intent.id;
            match follow(asking, id, patience, |_| {}).await {
                Err(failure @ Failure::Ending(..)) => {
                    told(context, &proposed)?;
                    return Err(failure);
                }
                followed => followed?,
            }
        }
    };
    told(context, &seen)?;
    outcome(&seen)
}

/// Prints how an intent stands.
pub(in crate::commands) fn told(context: &Context, seen: &IntentReply) -> Done {
    context.output.print(seen, |seen| briefly(&seen.intent))?;
    Ok(())
}
