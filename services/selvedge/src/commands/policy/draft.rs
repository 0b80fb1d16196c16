//! `selvedge policy draft`.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{call, payload::policy::PolicyDraft};

use super::{check::validate, head};
use crate::{commands::lease::asking::Who, connect::Context, exit::Done, input, output::hint};

/// Keep a policy text as the mission's next version; it is not in force yet.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge policy draft deploy/policies/example.cedar --mission demo --note 'first rules'
  selvedge policy draft - --mission demo <rules.cedar

The newest version's own text again is that version. Exit code 2 if the text has errors, each with its place.")]
pub(crate) struct Draft {
    /// File with the Cedar text, or - for standard input.
    file: PathBuf,
    /// What it is for, or what changed.
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    who: Who,
}

impl Draft {
    pub(super) async fn run(self, context: &Context) -> Done {
        let text = input::text(&self.file)?;
        let client = self.who.anybody(context).await?.client;
        let name = self.file.display().to_string();
        validate(&client, &name, &text).await?.settle(|| format!("{name} is no policy that can be kept"))?;
        let wanted = PolicyDraft { text, note: self.note };
        let drafted = client.call::<call::PolicyDraft>(&wanted).await?.reply;
        context.output.print(&drafted, |drafted| head(&drafted.policy, drafted.active.as_ref()))?;
        if drafted.active.is_none() {
            let version = drafted.policy.version;
            hint(&format!("`selvedge policy activate {version} --reason …` asks for it to be put in force"));
        }
        Ok(())
    }
}
