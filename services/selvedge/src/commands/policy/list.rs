//! `selvedge policy list`, `show` and `schema`.

use clap::Args;
use selvedge_contracts::{
    call,
    payload::{
        Nothing,
        policy::{Activation, Policy, PolicyList, PolicySchema},
    },
};

use super::{head, version};
use crate::{
    commands::lease::asking::Who,
    connect::Context,
    exit::Done,
    output::{instant, table},
    paging,
};

/// List the versions of a mission's policy.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge policy list --mission demo
  selvedge policy list --mission demo -o jsonl")]
pub(crate) struct List {
    #[command(flatten)]
    who: Who,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.who.anybody(context).await?.client;
        let present = client.call::<call::PolicyList>(&PolicyList { after: 0, limit: Some(1) }).await?;
        let activation = present.reply.activation;
        let ask = async |after: Option<u32>| {
            let wanted = PolicyList { after: after.unwrap_or(0), limit: None };
            let reply = client.call::<call::PolicyList>(&wanted).await?.reply;
            Ok((reply.policies, reply.more))
        };
        let policies = paging::all(|policy: &Policy| policy.version, ask).await?;
        context.output.print_all(&policies, |policies| {
            let rows: Vec<_> = policies.iter().map(|policy| row(policy, &activation)).collect();
            table(["version", "state", "drafted", "author", "note"], &rows, "no policy")
        })?;
        Ok(())
    }
}

fn row(policy: &Policy, activation: &Activation) -> [String; 5] {
    let is_active = activation.active.as_ref().is_some_and(|active| active.version == policy.version);
    let is_proposed = activation.proposed.as_ref().is_some_and(|proposed| proposed.version == policy.version);
    let state = match (is_active, is_proposed) {
        (true, _) => "in force",
        (false, true) => "proposed",
        (false, false) => "",
    };
    [
        policy.version.to_string(),
        state.to_owned(),
        instant(policy.drafted_at_ms),
        policy.author.to_string(),
        policy.note.clone(),
    ]
}

/// Show one version; the one in force if none is named.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge policy show --mission demo
  selvedge policy show 2 --mission demo -o json")]
pub(crate) struct Show {
    /// The version.
    #[arg(id = "number", value_name = "VERSION")]
    version: Option<u32>,
    #[command(flatten)]
    who: Who,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.who.anybody(context).await?.client;
        let shown = version(&client, self.version).await?;
        context.output.print(&shown, |shown| {
            format!("{}\n{}", head(&shown.policy, shown.active.as_ref()), shown.policy.text)
        })?;
        Ok(())
    }
}

/// Show what a policy may speak of: the Cedar schema.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge policy schema
  selvedge policy schema -o json")]
pub(crate) struct Schema {
    #[command(flatten)]
    who: Who,
}

impl Schema {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.who.anybody(context).await?.client;
        let schema = client.call::<call::PolicySchemaShow>(&Nothing {}).await?.reply;
        context.output.print(&schema, |schema: &PolicySchema| schema.text.clone())?;
        Ok(())
    }
}
