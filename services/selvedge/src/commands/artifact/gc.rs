//! `selvedge artifact gc`.

use clap::Args;
use selvedge_contracts::{
    call,
    payload::artifact::{Gc as Wanted, GcReport},
};

use super::progress::Progress;
use crate::{connect::Context, exit::Done};

/// Remove content that nothing names and nobody has put lately.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge artifact gc --dry-run
  selvedge artifact gc

Nothing that a version or its sources name is ever removed, in any mission, nor what was put within the
grace period (artifacts.grace_ms). Run it now and then, for example from cron.")]
pub(crate) struct Gc {
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Gc {
    pub(super) async fn run(self, context: &Context) -> Done {
        let operator = context.operator().await?;
        let progress = Progress::of_sweep();
        let (mut all, mut after) = (GcReport::default(), None);
        loop {
            let wanted = Wanted { dry_run: self.dry_run, after };
            let GcReport { removed, named, kept, uploads, leftovers, next } =
                operator.call::<call::ArtifactGc>(&wanted).await?.reply;
            all.removed.extend(removed);
            all.named += named;
            all.kept += kept;
            all.uploads += uploads;
            all.leftovers += leftovers;
            let Some(next) = next else { break };
            progress.swept(&all, &next);
            after = Some(next);
        }
        progress.end();
        context.output.print(&all, |report| human(report, self.dry_run))?;
        Ok(())
    }
}

fn human(report: &GcReport, dry_run: bool) -> String {
    let bytes: u64 = report.removed.iter().map(|removed| removed.size_bytes).sum();
    let does = if dry_run { "would remove" } else { "removed" };
    let mut text: String = report
        .removed
        .iter()
        .map(|removed| format!("{}  {} bytes\n", removed.digest, removed.size_bytes))
        .collect();
    text += &format!("{does} {} contents, {bytes} bytes; kept {} named", report.removed.len(), report.named);
    text += &format!(", {} pinned or young", report.kept);
    if !dry_run {
        text += &format!("; removed {} abandoned uploads, {} leftovers", report.uploads, report.leftovers);
    }
    text
}
