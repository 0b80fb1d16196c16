//! `selvedge artifact verify`.

use clap::Args;
use selvedge_contracts::{
    call,
    id::ArtifactRef,
    payload::artifact::{Verified, Verify as Wanted},
};

use super::{Asker, progress::Progress, reference};
use crate::{connect::Context, exit::Done};

/// Hold stored content against its digest; exit code 1 if it is corrupted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge artifact verify research/auth-analysis@v2
  selvedge artifact verify 1e5f0a…")]
pub(crate) struct Verify {
    /// NAME, NAME@latest, NAME@v2, NAME@1a2b3c4d (hex of its digest), or a digest.
    #[arg(value_parser = reference)]
    artifact: ArtifactRef,
    #[command(flatten)]
    asker: Asker,
}

impl Verify {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.asker.connect(context).await?;
        let progress = Progress::of_bytes();
        let mut wanted = Wanted { artifact: self.artifact, offset: 0 };
        let verified = loop {
            let verified = client.call::<call::ArtifactVerify>(&wanted).await?.reply;
            progress.told(verified.verified_bytes, Some(verified.size_bytes));
            if verified.verified_bytes >= verified.size_bytes {
                break verified;
            }
            // By digest from now on: a name may mean something newer by then.
            let by_digest = ArtifactRef::new(verified.digest.as_str());
            let artifact = by_digest.map_err(|error| anyhow::anyhow!(error))?;
            wanted = Wanted { artifact, offset: verified.verified_bytes };
        };
        progress.end();
        context.output.print(&verified, |verified: &Verified| {
            format!("{} is sound: {} bytes", verified.digest, verified.size_bytes)
        })?;
        Ok(())
    }
}
