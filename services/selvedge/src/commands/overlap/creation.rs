//! `selvedge overlap list|show|decide`.

use clap::{ArgGroup, Args};
use selvedge_contracts::{
    call,
    id::KindName,
    payload::overlap::{
        Answer, Candidate, CreationList, CreationReply, CreationShow, CreationState, Decide as Wanted,
        Decision,
    },
};
use serde_json::Value;

use super::{
    id::{Named, short},
    shown,
};
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::Done,
    output::{fields, instant, table, visible, visible_line},
    paging,
};

/// List creations, in order of id.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge overlap list --state asked
  selvedge overlap list --mine --as ada -o jsonl")]
pub(crate) struct List {
    /// Only those that stand there: pending, asked, cleared, existing, merged, discarded, expired or removed.
    #[arg(long, value_parser = state)]
    state: Option<CreationState>,
    /// Only those of this kind.
    #[arg(long, value_name = "KIND")]
    what: Option<KindName>,
    /// Only one's own.
    #[arg(long)]
    mine: bool,
    #[command(flatten)]
    who: Who,
}

fn state(text: &str) -> Result<CreationState, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|_| {
        let known: Vec<_> = CreationState::ALL.iter().map(|state| state.name()).collect();
        format!("{text:?} is no state: expected {}", known.join(", "))
    })
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let ask = async |after| {
            let (state, what, mine) = (self.state, self.what.clone(), self.mine);
            let wanted = CreationList { state, what, mine, after, limit: None };
            let reply = asking.client.call::<call::OverlapList>(&wanted).await?.reply;
            Ok((reply.creations, reply.more))
        };
        let found = paging::all(|found: &Candidate| found.creation.clone(), ask).await?;
        context.output.print_all(&found, |found| {
            let rows: Vec<_> = found.iter().map(row).collect();
            table(["creation", "what", "state", "who", "title", "id"], &rows, "no creations")
        })?;
        Ok(())
    }
}

fn row(found: &Candidate) -> [String; 6] {
    [
        short(&found.creation),
        found.what.to_string(),
        found.state.to_string(),
        found.proposer.to_string(),
        shown::line(&found.title),
        shown::line(&found.id),
    ]
}

/// Show a creation: what it looks like, and what was decided.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge overlap show 0a1b2c3d4e5f
  selvedge overlap show 0a1b2c3d4e5f --as ada -o json")]
pub(crate) struct Show {
    /// The creation: its id, or the first 8 or more hex digits of it.
    creation: Named,
    #[command(flatten)]
    who: Who,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let creation = self.creation.find(&asking.client).await?;
        let reply = asking.client.call::<call::OverlapShow>(&CreationShow { creation }).await?.reply;
        context.output.print(&reply, human)?;
        Ok(())
    }
}

fn human(reply: &CreationReply) -> String {
    let creation = &reply.creation;
    let decided = creation.decision.as_ref().map(decision).unwrap_or_default();
    let head = fields(&[
        ("creation", creation.creation.to_string()),
        ("what", format!("{} {}", creation.what, visible_line(&creation.id))),
        ("title", visible_line(&creation.title)),
        ("state", reply.state.to_string()),
        ("proposer", format!("{} of {}", creation.proposer.agent, creation.proposer.owner)),
        ("proposed", instant(creation.proposed_at_ms)),
        ("paths", creation.paths.iter().map(|path| visible_line(path)).collect::<Vec<_>>().join(", ")),
        (
            "artifacts",
            creation.artifacts.iter().map(|name| visible_line(name)).collect::<Vec<_>>().join(", "),
        ),
        ("decided", decided),
        ("root", reply.root.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("revision", reply.revision.to_string()),
    ]);
    let description = match creation.description.as_str() {
        "" => String::new(),
        text => format!("\n{}\n", visible(text)),
    };
    let found = creation.checked.as_ref().map(|found| format!("\n{}\n", shown::checked(found)));
    let next = match reply.state {
        CreationState::Asked => format!(
            "\nselvedge overlap decide {} --proceed | --merge CREATION | --discard\n",
            short(&creation.creation)
        ),
        _ => String::new(),
    };
    format!("{head}{description}{}{next}", found.unwrap_or_default())
}

fn decision(decision: &Decision) -> String {
    let what = match &decision.answer {
        Answer::Proceed => "proceed".to_owned(),
        Answer::Merge(into) => format!("merge into {}", short(into)),
        Answer::Discard => "discard".to_owned(),
    };
    let why = decision.reason.as_deref().map(|reason| format!(": {}", visible_line(reason)));
    format!("{what}, by {} at {}{}", decision.by, instant(decision.at_ms), why.unwrap_or_default())
}

/// Decide what is to become of a creation that looks like something else.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("answer").required(true)), after_help = "Examples:
  selvedge overlap decide 0a1b2c3d4e5f --proceed --reason 'another form' --as ada
  selvedge overlap decide 0a1b2c3d4e5f --merge 18293a4b5c6d --as ada
  selvedge overlap decide 0a1b2c3d4e5f --discard --as ada

Once: the same answer again is a success, another one a conflict.")]
pub(crate) struct Decide {
    /// The creation: its id, or the first 8 or more hex digits of it.
    creation: Named,
    /// It is something else, or wanted all the same.
    #[arg(long, group = "answer")]
    proceed: bool,
    /// It is the same as this one, which is worked on instead.
    #[arg(long, group = "answer", value_name = "CREATION")]
    merge: Option<Named>,
    /// It is not wanted any more.
    #[arg(long, group = "answer")]
    discard: bool,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    who: Who,
}

impl Decide {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let creation = self.creation.find(&asking.client).await?;
        let answer = match &self.merge {
            Some(into) => Answer::Merge(into.find(&asking.client).await?),
            None if self.discard => Answer::Discard,
            None => Answer::Proceed,
        };
        let wanted = Wanted { creation, answer, reason: self.reason };
        let reply = asking.client.call::<call::OverlapDecide>(&wanted).await?.reply;
        context.output.print(&reply, human)?;
        Ok(())
    }
}
