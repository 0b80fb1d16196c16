//! `selvedge dead …`: work that could not be used.

use std::str::FromStr;

use clap::{Args, Subcommand};
use selvedge_contracts::{
    call,
    fault::Fault,
    id::DeadId,
    payload::dead::{DeadDiscard, DeadLetter, DeadList, DeadNamed as Named, DeadReply, DeadState},
};
use selvedge_kit::client::Client;

use super::{
    lease::Who,
    plan::{PlanNamed, prefix, short},
};
use crate::{
    connect::Context,
    exit::{Done, Failure},
    output::{fields, instant, name, table, visible, visible_line},
    paging,
};

/// Dead letters: work that could not be used, with all that is needed to see why.
#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    List(List),
    Show(Show),
    Replay(Replay),
    Discard(Discard),
}

impl Dead {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::Replay(verb) => verb.run(context).await,
            Self::Discard(verb) => verb.run(context).await,
        }
    }
}

/// A letter as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LetterNamed(String);

impl FromStr for LetterNamed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        prefix(text, "dead").map(Self)
    }
}

impl LetterNamed {
    /// The one letter that is meant.
    ///
    /// # Errors
    /// `not_found` if there is none, [`Failure::Usage`] if there are several.
    pub(super) async fn find(&self, client: &Client) -> Result<DeadId, Failure> {
        if let Ok(id) = DeadId::new(&format!("dead_{}", self.0)) {
            return Ok(id);
        }
        let start = format!("dead_{}", self.0);
        let all = all(client, &DeadList::default()).await?;
        let mut meant = all.into_iter().map(|letter| letter.id).filter(|id| id.as_str().starts_with(&start));
        match (meant.next(), meant.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => {
                Err(Failure::usage(format!("several letters start with {}: say more digits", self.0)))
            }
            (None, _) => Err(Fault::not_found(format!("no dead letter starts with {}", self.0)).into()),
        }
    }
}

async fn all(client: &Client, wanted: &DeadList) -> Result<Vec<DeadLetter>, Fault> {
    let ask = async |after| {
        let wanted = DeadList { after, ..wanted.clone() };
        let reply = client.call::<call::DeadList>(&wanted).await?.reply;
        Ok((reply.letters, reply.more))
    };
    paging::all(|letter: &DeadLetter| letter.id.clone(), ask).await
}

/// List the dead letters that nobody has settled.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge dead list
  selvedge dead list --all --plan 0a1b2c3d4e5f --as pia -o jsonl")]
pub(crate) struct List {
    /// Those that are settled, too.
    #[arg(long)]
    all: bool,
    /// Only letters of this plan.
    #[arg(long)]
    plan: Option<PlanNamed>,
    #[command(flatten)]
    who: Who,
}

impl List {
    async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let plan = match &self.plan {
            Some(plan) => Some(plan.find(&asking.client).await?),
            None => None,
        };
        let state = (!self.all).then_some(DeadState::Open);
        let found = all(&asking.client, &DeadList { state, plan, ..DeadList::default() }).await?;
        context.output.print_all(&found, |letters| {
            let rows: Vec<_> = letters.iter().map(row).collect();
            table(["letter", "task", "why", "state", "worker", "buried", "error"], &rows, "no dead letters")
        })?;
        Ok(())
    }
}

fn row(letter: &DeadLetter) -> [String; 7] {
    [
        short(letter.id.as_str()),
        format!("{}/{}", short(letter.plan.as_str()), letter.name),
        name(&letter.why),
        name(&letter.state),
        letter.worker.to_string(),
        instant(letter.buried_at_ms),
        visible_line(&letter.error),
    ]
}

/// Show a dead letter: the task, what was handed in, the error, and every attempt.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge dead show 0a1b2c3d4e5f
  selvedge dead show 0a1b2c3d4e5f --as pia -o json")]
pub(crate) struct Show {
    /// The letter: its id, or the first 8 or more hex digits of it.
    letter: LetterNamed,
    #[command(flatten)]
    who: Who,
}

impl Show {
    async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let letter = self.letter.find(&asking.client).await?;
        let reply = asking.client.call::<call::DeadShow>(&Named { letter }).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

/// Have the task of a dead letter tried once more: once for each letter.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge dead replay 0a1b2c3d4e5f --as pia")]
pub(crate) struct Replay {
    /// The letter: its id, or the first 8 or more hex digits of it.
    letter: LetterNamed,
    #[command(flatten)]
    who: Who,
}

impl Replay {
    async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let letter = self.letter.find(&asking.client).await?;
        let reply = asking.client.call::<call::DeadReplay>(&Named { letter }).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

/// Settle a dead letter as of no use.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge dead discard 0a1b2c3d4e5f --reason 'done by hand' --as pia")]
pub(crate) struct Discard {
    /// The letter: its id, or the first 8 or more hex digits of it.
    letter: LetterNamed,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
}

impl Discard {
    async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let letter = self.letter.find(&asking.client).await?;
        let discard = DeadDiscard { letter, reason: self.reason };
        let reply = asking.client.call::<call::DeadDiscard>(&discard).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

fn human(reply: &DeadReply) -> String {
    let letter = &reply.letter;
    let mut text = fields(&[
        ("letter", letter.id.to_string()),
        ("task", format!("{}/{}", short(letter.plan.as_str()), letter.name)),
        ("title", letter.spec.as_ref().map(|spec| visible_line(&spec.title)).unwrap_or_default()),
        ("attempt", letter.attempt.to_string()),
        ("why", name(&letter.why)),
        ("error", visible_line(&letter.error)),
        ("worker", letter.worker.to_string()),
        ("buried", instant(letter.buried_at_ms)),
        ("state", name(&letter.state)),
        ("settled by", letter.settled_by.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("reason", letter.reason.as_deref().map(visible_line).unwrap_or_default()),
    ]);
    for past in &letter.past {
        let (cause, reason) = (past.cause.name(), visible_line(&past.reason));
        text.push_str(&format!("attempt {} by {} ({cause}): {reason}\n", past.attempt, past.worker));
    }
    if let Some(output) = &letter.output {
        text.push_str(&format!("\noutput   {}\n", visible(&format!("{output:#}"))));
    }
    text
}
