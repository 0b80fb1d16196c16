//! `selvedge policy …`

mod activation;
mod check;
mod diff;
mod draft;
mod finding;
mod list;

use clap::Subcommand;
use selvedge_contracts::{
    call,
    payload::policy::{Active, Policy as Record, PolicyReply, PolicyShow},
};
use selvedge_kit::client::Client;

use crate::{
    connect::Context,
    exit::{Done, Failure},
    output::{fields, instant},
};

/// Policies: which effects may be done by whom, and what approvals they need.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    Draft(draft::Draft),
    Validate(check::Validate),
    Test(check::Test),
    Activate(activation::Activate),
    Confirm(activation::Confirm),
    Rollback(activation::Rollback),
    List(list::List),
    Show(list::Show),
    Diff(diff::Diff),
    Schema(list::Schema),
}

impl Policy {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Draft(verb) => verb.run(context).await,
            Self::Validate(verb) => verb.run(context).await,
            Self::Test(verb) => verb.run(context).await,
            Self::Activate(verb) => verb.run(context).await,
            Self::Confirm(verb) => verb.run(context).await,
            Self::Rollback(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::Diff(verb) => verb.run(context).await,
            Self::Schema(verb) => verb.run(context).await,
        }
    }
}

/// One version; the one in force if none is named.
async fn version(client: &Client, version: Option<u32>) -> Result<PolicyReply, Failure> {
    Ok(client.call::<call::PolicyShow>(&PolicyShow { version }).await?.reply)
}

/// What is known of a version beside its text, for people.
fn head(policy: &Record, active: Option<&Active>) -> String {
    let in_force = active.map(|active| {
        format!(
            "since {}, proposed by {}, confirmed by {}",
            instant(active.since_ms),
            active.proposed_by,
            active.confirmed_by
        )
    });
    fields(&[
        ("version", policy.version.to_string()),
        ("mission", policy.mission.to_string()),
        ("digest", policy.digest.to_string()),
        ("note", policy.note.clone()),
        ("author", format!("{} of {}", policy.author, policy.owner)),
        ("drafted", instant(policy.drafted_at_ms)),
        ("in force", in_force.unwrap_or_else(|| "no".to_owned())),
    ])
}
