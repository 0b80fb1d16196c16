//! `selvedge lease list`, and how leases are shown.

use std::time::Duration;

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{AgentId, Caller},
    payload::lease::{After, Lease, LeaseList, LeaseState},
};
use selvedge_kit::{client::Client, clock::now_ms};

use super::{SpaceNamed, Who, claimed::Claimed};
use crate::{
    agent_folder::AgentFolder,
    connect::Context,
    exit::{Done, Failure},
    output::{name, table},
    paging,
};

/// List who holds what, and who waits for what.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge lease list
  selvedge lease list --all-spaces --holder ada
  selvedge lease list src/main.rs --glob '*.sql' --space shop
  selvedge lease list --state waiting -o jsonl

With claims it shows the leases that clash with one of them. Where nothing names a space, it shows those
of all.")]
pub(crate) struct List {
    #[command(flatten)]
    claimed: Claimed,
    #[command(flatten)]
    space: SpaceNamed,
    /// In every space of the mission, whatever --space says.
    #[arg(long)]
    all_spaces: bool,
    /// Only of this holder: its id, or its name if it is registered from here.
    #[arg(long, value_name = "AGENT")]
    holder: Option<String>,
    /// Only in this state: held or waiting.
    #[arg(long, value_parser = state)]
    state: Option<LeaseState>,
    #[command(flatten)]
    who: Who,
}

fn state(text: &str) -> Result<LeaseState, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected held or waiting".to_owned())
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Done {
        let place = if self.all_spaces { None } else { self.space.found()? };
        let claims = match &place {
            Some(place) if !self.claimed.is_empty() => Some(self.claimed.claims(place)?),
            None if !self.claimed.is_empty() => {
                return Err(Failure::usage("claims stand in one space: say --space, without --all-spaces"));
            }
            _ => None,
        };
        let wanted = LeaseList {
            space: place.map(|place| place.space),
            holder: self.holder.map(|holder| caller(context, &holder)).transpose()?,
            state: self.state,
            claims: claims.as_ref().map(|claims| claims.claims.clone()),
            ..LeaseList::default()
        };
        let asking = self.who.anybody(context).await?;
        let found = all(&asking.client, &wanted).await;
        let found = found.map_err(|fault| match &claims {
            Some(claims) => claims.explain(context, fault),
            None => fault,
        })?;
        context.output.print_all(&found, table_of)?;
        Ok(())
    }
}

fn caller(context: &Context, text: &str) -> Result<Caller, Failure> {
    let id: AgentId = AgentFolder::id_meant(&context.home, &context.kluster, text)?;
    Caller::new(id.as_str()).map_err(|error| Failure::usage(error.to_string()))
}

/// All leases that are asked for, in order of space and id.
pub(crate) async fn all(client: &Client, wanted: &LeaseList) -> Result<Vec<Lease>, Fault> {
    let ask = |after| async move {
        let wanted = LeaseList { after, ..wanted.clone() };
        let reply = client.call::<call::LeaseList>(&wanted).await?.reply;
        Ok((reply.leases, reply.more))
    };
    paging::all(|lease: &Lease| After { space: lease.space.clone(), lease: lease.id.clone() }, ask).await
}

/// Leases, for people.
pub(crate) fn table_of(leases: &[Lease]) -> String {
    let now_ms = now_ms();
    let rows: Vec<_> = leases.iter().map(|lease| row(lease, now_ms)).collect();
    table(["lease", "space", "holder", "state", "left", "claims", "purpose"], &rows, "no leases")
}

fn row(lease: &Lease, now_ms: u64) -> [String; 7] {
    let claims: Vec<String> = lease.claims.iter().map(ToString::to_string).collect();
    [
        lease.id.to_string(),
        lease.space.to_string(),
        lease.holder.to_string(),
        name(&lease.state),
        left(lease.remaining_ms(now_ms)),
        claims.join(", "),
        lease.purpose.clone(),
    ]
}

/// A length of time for people, to the second.
pub(crate) fn left(length_ms: u64) -> String {
    humantime::format_duration(Duration::from_secs(length_ms.div_ceil(1_000))).to_string()
}
