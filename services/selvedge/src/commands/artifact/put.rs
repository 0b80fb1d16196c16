//! `selvedge artifact put`.

use std::path::{Path, PathBuf};

use clap::Args;
use selvedge_contracts::{
    call,
    id::{ArtifactName, ArtifactRef, MediaType},
    payload::artifact::{Aborted, ContractWanted, Publish, PutAbort, Stored},
};
use selvedge_kit::{client::Client, transfer};

use super::{Asker, progress::Progress, reference, shown, standard};
use crate::{
    commands::creating::Creating,
    connect::Context,
    exit::{Done, Failure},
    input::ContractReference,
    output::{fields, instant},
};

/// Put content, and publish it as the next version of a name.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge artifact put report.md --name research/auth-analysis --content-type text/markdown
  produce | selvedge artifact put - --name build/output --as ada
  selvedge artifact put summary.json --name research/summary --contract research.summary/2 --source research/raw@v3
  selvedge artifact put large.bin
  selvedge artifact put --abort

Without --name the content stays for the grace period (artifacts.grace_ms) after it was put; name it by
then. What was sent already is not sent again: put the same file again to resume. Until then it takes
room, of which an agent has so much (artifacts.max_staged_bytes); --abort gives it back.")]
pub(crate) struct Put {
    /// File with the content, or - for standard input.
    #[arg(required_unless_present = "abort")]
    file: Option<PathBuf>,
    /// Abandon the unfinished upload of this file, or, without a file, all of the asker's.
    #[arg(long, conflicts_with = "name")]
    abort: bool,
    /// The name whose next version it is.
    #[arg(long)]
    name: Option<ArtifactName>,
    /// What it is, as a media type.
    #[arg(long, value_name = "TYPE", requires = "name")]
    content_type: Option<MediaType>,
    /// The contract that it satisfies, as NAME or NAME/VERSION.
    #[arg(long, requires = "name")]
    contract: Option<ContractReference>,
    /// What it was made from; may be said several times.
    #[arg(long = "source", value_name = "ARTIFACT", requires = "name", value_parser = reference)]
    sources: Vec<ArtifactRef>,
    #[command(flatten)]
    creating: Creating,
    #[command(flatten)]
    asker: Asker,
}

impl Put {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.asker.connect(context).await?;
        if self.abort {
            return abort(&client, self.file.as_deref(), context).await;
        }
        let file = self.file.unwrap_or_default();
        let progress = Progress::of_bytes();
        let told = |done, all| progress.told(done, all);
        let stored = match file.as_os_str() == "-" {
            true => transfer::put_stream(&client, standard(std::io::stdin())?, &told).await,
            false => transfer::put_file(&client, &file, &told).await,
        };
        progress.end();
        let stored = stored.map_err(|error| match error {
            transfer::TransferError::Io(error) => unreadable(&file, error),
            error => Failure::from(error),
        })?;
        let Some(name) = self.name else {
            context.output.print(&stored, unnamed)?;
            return Ok(());
        };
        let contract =
            self.contract.map(|ContractReference { name, version }| ContractWanted { name, version });
        let publish = Publish {
            name,
            digest: stored.digest,
            content_type: self.content_type,
            contract,
            sources: self.sources,
        };
        let create =
            async || client.call::<call::ArtifactPublish>(&publish).await.map(|answered| answered.reply);
        let Some(published) = self.creating.run(&client, create).await? else { return Ok(()) };
        context.output.print(&published, shown)?;
        Ok(())
    }
}

fn unreadable(file: &Path, error: std::io::Error) -> Failure {
    anyhow::Error::new(error).context(format!("cannot read {}", file.display())).into()
}

async fn abort(client: &Client, file: Option<&Path>, context: &Context) -> Done {
    let digest = match file {
        Some(file) => Some(transfer::digest_of_file(file).await.map_err(|error| unreadable(file, error))?),
        None => None,
    };
    let wanted = PutAbort { upload: None, digest };
    let aborted = client.call::<call::ArtifactPutAbort>(&wanted).await?.reply;
    context.output.print(&aborted, |Aborted { uploads, freed_bytes }| {
        format!("abandoned {} uploads, {freed_bytes} bytes", uploads.len())
    })?;
    Ok(())
}

fn unnamed(stored: &Stored) -> String {
    fields(&[
        ("digest", stored.digest.to_string()),
        ("size", format!("{} bytes", stored.size_bytes)),
        ("kept until", format!("{}, unless it is named by then", instant(stored.pinned_until_ms))),
    ])
}
