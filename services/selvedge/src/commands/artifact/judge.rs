//! `selvedge artifact judge`.

use clap::{Args, ValueEnum};
use selvedge_contracts::{
    call,
    id::ArtifactRef,
    payload::artifact::{Judge as Wanted, Show, Verdict as Judgement},
};

use super::{Asker, reference, shown};
use crate::{connect::Context, exit::Done};

/// Give the verdict on a version whose contract demands validation; not by its producer.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge artifact judge research/summary@v2 valid --as vera
  selvedge artifact judge research/summary@v2 invalid --reason 'row count is off by 3'")]
pub(crate) struct Judge {
    /// The version, as NAME@v2 or NAME@1a2b3c4d.
    #[arg(value_parser = reference)]
    artifact: ArtifactRef,
    /// The verdict.
    #[arg(value_enum)]
    verdict: Verdict,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    asker: Asker,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Verdict {
    /// Everybody in the mission may read it from now on.
    Valid,
    /// Nobody else ever may.
    Invalid,
}

impl Judge {
    pub(super) async fn run(self, context: &Context) -> Done {
        let client = self.asker.connect(context).await?;
        let meant = client.call::<call::ArtifactShow>(&Show { artifact: self.artifact }).await?.reply;
        let verdict = match self.verdict {
            Verdict::Valid => Judgement::Valid,
            Verdict::Invalid => Judgement::Invalid,
        };
        let wanted =
            Wanted { name: meant.name, version: meant.version.version, verdict, reason: self.reason };
        let judged = client.call::<call::ArtifactJudge>(&wanted).await?.reply;
        context.output.print(&judged, shown)?;
        Ok(())
    }
}
