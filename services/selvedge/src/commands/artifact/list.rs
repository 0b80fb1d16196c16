//! `selvedge artifact list` and `history`.

use clap::Args;
use selvedge_contracts::{
    call,
    id::ArtifactName,
    payload::artifact::{Artifact, ArtifactList, Version, VersionList},
};

use super::Asker;
use crate::{
    connect::Context,
    exit::Done,
    output::{instant, name, table},
    paging,
};

/// List names and their newest versions.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge artifact list
  selvedge artifact list --prefix research/ --mission demo -o json")]
pub(crate) struct List {
    /// Only names that start so.
    #[arg(long)]
    prefix: Option<String>,
    #[command(flatten)]
    asker: Asker,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.asker.connect(context).await?;
        let ask = async |after| {
            let wanted = ArtifactList { prefix: self.prefix.clone(), after, limit: None };
            let reply = client.call::<call::ArtifactList>(&wanted).await?.reply;
            Ok((reply.artifacts, reply.more))
        };
        let found = paging::all(|artifact: &Artifact| artifact.name.clone(), ask).await?;
        context.output.print_all(&found, |artifacts| {
            let named = |artifact: &Artifact| row(artifact.name.to_string(), &artifact.latest);
            let rows: Vec<_> = artifacts.iter().map(named).collect();
            table(["artifact", "version", "state", "size", "producer", "published"], &rows, "no artifacts")
        })?;
        Ok(())
    }
}

fn row(first: String, version: &Version) -> [String; 6] {
    [
        first,
        format!("v{}", version.version),
        name(&version.state),
        version.size_bytes.to_string(),
        version.producer.to_string(),
        instant(version.published_at_ms),
    ]
}

/// List the versions of a name, the oldest first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge artifact history research/auth-analysis
  selvedge artifact history research/auth-analysis -o jsonl

`selvedge tap` shows new versions as they are published.")]
pub(crate) struct History {
    /// The name.
    name: ArtifactName,
    #[command(flatten)]
    asker: Asker,
}

impl History {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.asker.connect(context).await?;
        let ask = async |after: Option<u32>| {
            let wanted = VersionList { name: self.name.clone(), after: after.unwrap_or(0), limit: None };
            let reply = client.call::<call::ArtifactHistory>(&wanted).await?.reply;
            Ok((reply.versions, reply.more))
        };
        let found = paging::all(|version: &Version| version.version, ask).await?;
        context.output.print_all(&found, |versions| {
            let rows: Vec<_> =
                versions.iter().map(|version| row(version.digest.to_string(), version)).collect();
            table(["digest", "version", "state", "size", "producer", "published"], &rows, "no versions")
        })?;
        Ok(())
    }
}
