//! `selvedge artifact get`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use selvedge_contracts::{id::ArtifactRef, payload::artifact::Got};
use selvedge_kit::{client::Client, transfer};
use tokio::fs::{self, File};

use super::{Asker, progress::Progress, reference, standard};
use crate::{
    connect::Context,
    exit::{Done, Failure},
    output::fields,
};

/// Get content, verified.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge artifact get research/auth-analysis > report.md
  selvedge artifact get research/auth-analysis@v2 report.md
  selvedge artifact get research/auth-analysis --at-least 4711 --as ada
  selvedge artifact get 1e5f0a… large.bin

A file is there whole or not at all. If it is interrupted, what has come stays beside it (FILE.part-…), and the
same command goes on from there. On standard output, or into a pipe, nothing is written but the content; if the
exit code is not 0, throw away what came.")]
pub(crate) struct Get {
    /// NAME, NAME@latest, NAME@v2, NAME@1a2b3c4d (hex of its digest), or a digest.
    #[arg(value_parser = reference)]
    artifact: ArtifactRef,
    /// File to write, or - for standard output.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// What is meant must be at least as new as this ledger revision.
    #[arg(long, value_name = "REVISION", default_value_t)]
    at_least: u64,
    #[command(flatten)]
    asker: Asker,
}

impl Get {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.asker.connect(context).await?;
        let progress = Progress::of_bytes();
        let told = |done, all| progress.told(done, all);
        if self.file.as_os_str() == "-" {
            let mut out = standard(std::io::stdout())?;
            let got = transfer::get(&client, &self.artifact, self.at_least, &mut out, &told).await;
            progress.end();
            got?;
            return Ok(());
        }
        let got = self.to_file(&client, &told).await;
        progress.end();
        let got = got?;
        context.output.print(&got, |got| human(got, &self.file))?;
        Ok(())
    }

    /// Into a pipe or a device as it comes.
    async fn to_device(&self, client: &Client, told: transfer::Told<'_>) -> Result<Got, Failure> {
        let cannot = || format!("cannot write {}", self.file.display());
        let mut device = File::options().write(true).open(&self.file).await.with_context(cannot)?;
        Ok(transfer::get(client, &self.artifact, self.at_least, &mut device, told).await?)
    }

    /// Under another name first, so that nobody takes a part of it for the whole.
    async fn to_file(&self, client: &Client, told: transfer::Told<'_>) -> Result<Got, Failure> {
        if fs::metadata(&self.file).await.is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
            return self.to_device(client, told).await;
        }
        let got = transfer::get_file(client, &self.artifact, self.at_least, &self.file, told).await;
        got.map_err(|error| match error {
            transfer::TransferError::Io(error) => {
                anyhow::Error::new(error).context(format!("cannot write {}", self.file.display())).into()
            }
            error => Failure::from(error),
        })
    }
}

fn human(got: &Got, file: &Path) -> String {
    fields(&[
        ("file", file.display().to_string()),
        ("version", got.version.map(|version| format!("v{version}")).unwrap_or_default()),
        ("digest", got.digest.to_string()),
        ("size", format!("{} bytes", got.size_bytes)),
    ])
}
