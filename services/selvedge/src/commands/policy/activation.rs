//! `selvedge policy activate`, `confirm` and `rollback`: what is in force takes two principals.

use clap::Args;
use selvedge_contracts::{
    call,
    fact::{ACTIVATION_CONFIRMED, EntityName},
    fault::Fault,
    id::Mission,
    payload::policy::{
        Activation, ActivationReply, PolicyActivate, PolicyConfirm, PolicyList, activation_id,
    },
};
use selvedge_kit::client::Client;
use serde::Deserialize;

use super::{head, version};
use crate::{
    commands::lease::asking::{Asking, Who},
    connect::Context,
    exit::{Done, Failure},
    output::{fields, hint, instant},
    paging,
};

/// Ask for a version to be put in force; another principal has to confirm it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge policy activate 1 --reason 'first rules' --mission demo
  selvedge policy confirm 1 --as rita --mission demo")]
pub(crate) struct Activate {
    /// The version.
    #[arg(id = "number", value_name = "VERSION")]
    version: u32,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
}

impl Activate {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.who.anybody(context).await?.client;
        propose(context, &client, self.version, self.reason).await
    }
}

async fn propose(context: &Context, client: &Client, version: u32, reason: String) -> Done {
    let wanted = PolicyActivate { version, reason };
    let proposed = client.call::<call::PolicyActivate>(&wanted).await?.reply;
    context.output.print(&proposed, human)?;
    hint(&format!("another principal puts it in force: `selvedge policy confirm {version}`"));
    Ok(())
}

/// Agree to the version that is proposed: from then on it is in force.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge policy show 2 --mission demo
  selvedge policy confirm 2 --as rita --mission demo

An approver or an operator may, of another owner than who proposed it. Approvals of intents that were given
before are void from then on.")]
pub(crate) struct Confirm {
    /// The version.
    #[arg(id = "number", value_name = "VERSION")]
    version: u32,
    #[command(flatten)]
    who: Who,
}

impl Confirm {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.who.anybody(context).await?.client;
        let seen = version(&client, Some(self.version)).await?.policy;
        hint(head(&seen, None).trim_end());
        let wanted = PolicyConfirm { version: seen.version, digest: seen.digest };
        let confirmed = client.call::<call::PolicyConfirm>(&wanted).await?.reply;
        context.output.print(&confirmed, human)?;
        Ok(())
    }
}

/// Ask for a former version to be put in force again; another principal has to confirm it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge policy rollback --mission demo
  selvedge policy rollback 3 --reason 'version 4 lets too much through' --mission demo

It is an activation like any other: approvals that were given under the former version do not come back.")]
pub(crate) struct Rollback {
    /// The version; the one that was in force before the present one if not said.
    #[arg(id = "number", value_name = "VERSION")]
    version: Option<u32>,
    /// Why; that it is a rollback if not said.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    who: Who,
}

impl Rollback {
    pub(super) async fn run(self, context: &Context) -> Done {
        let Asking { client, mission, .. } = self.who.anybody(context).await?;
        let listed = client.call::<call::PolicyList>(&PolicyList { after: 0, limit: Some(1) }).await?.reply;
        let Some(active) = listed.activation.active else {
            return Err(Fault::conflict(format!(
                "no policy is in force in {mission}: there is nothing to roll back"
            ))
            .into());
        };
        let before = former(&client, &mission, active.version).await?;
        let version = match self.version {
            Some(version) if before.contains(&version) => version,
            Some(version) => {
                return Err(Fault::conflict(format!(
                    "version {version} was never in force before; `selvedge policy activate {version}` asks for it"
                ))
                .into());
            }
            None => *before.last().ok_or_else(|| {
                Fault::not_found(format!(
                    "no version was in force in {mission} before version {}",
                    active.version
                ))
            })?,
        };
        let reason = self.reason.unwrap_or_else(|| format!("rollback from version {}", active.version));
        propose(context, &client, version, reason).await
    }
}

/// The versions that were in force, each time they came to be, without the present one.
async fn former(client: &Client, mission: &Mission, present: u32) -> Result<Vec<u32>, Failure> {
    #[derive(Deserialize)]
    struct After {
        state: Activation,
    }
    let facts = paging::history(client, mission, EntityName::Activation, &activation_id()).await?;
    let kind = ACTIVATION_CONFIRMED.kind.kind().to_string();
    let states = facts.into_iter().filter(|fact| fact.kind == kind);
    let states = states.filter_map(|fact| serde_json::from_value::<After>(fact.payload).ok());
    let versions = states.filter_map(|after| after.state.active).map(|active| active.version);
    Ok(versions.filter(|version| *version != present).collect())
}

fn human(reply: &ActivationReply) -> String {
    let Activation { activation, active, proposed } = &reply.activation;
    let active = active.as_ref().map_or_else(
        || "none: an irreversible effect and every HTTP request need one approval".to_owned(),
        |active| format!("version {} since {}", active.version, instant(active.since_ms)),
    );
    let proposed = proposed.as_ref().map(|proposed| {
        format!("version {} by {} of {}: {}", proposed.version, proposed.by, proposed.owner, proposed.reason)
    });
    fields(&[
        ("in force", active),
        ("activation", activation.to_string()),
        ("proposed", proposed.unwrap_or_default()),
        ("revision", reply.revision.to_string()),
    ])
}
