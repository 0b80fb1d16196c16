//! `selvedge overlap stats|calibrate|tune|reindex`.

use std::{io::IsTerminal as _, time::Duration};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use selvedge_contracts::{
    call,
    payload::{
        Nothing,
        overlap::{
            Alert, Calibrate as WantedCurve, Calibration, Reindex as WantedIndex, ReindexReply,
            Stats as Found, Thresholds, Tune as WantedTuning, Tuning, TuningReply,
        },
    },
};

use super::{check::alert, shown};
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::{Done, Failure},
    output::{fields, instant, name, table},
};

/// Show how large the index is, and how far.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge overlap stats
  selvedge overlap stats --mission demo -o json")]
pub(crate) struct Stats {
    #[command(flatten)]
    who: Who,
}

impl Stats {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let found = asking.client.call::<call::OverlapStats>(&Nothing {}).await?.reply;
        context.output.print(&found, stats)?;
        Ok(())
    }
}

fn stats(found: &Found) -> String {
    let states: Vec<String> = found
        .states
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let snapshot = found.snapshot.as_ref().map_or_else(
        || "none".to_owned(),
        |kept| format!("up to {}, {} bytes, {}", kept.sequence, kept.size_bytes, instant(kept.at_ms)),
    );
    let refused: Vec<String> = found
        .refused_snapshots
        .iter()
        .map(|refused| format!("{}: {}", refused.sequence, shown::line(&refused.reason)))
        .collect();
    let sizes = match found.whole {
        true => format!("{} of texts, {} of the index", found.text_bytes, found.index_bytes),
        false => "shown to operators".to_owned(),
    };
    fields(&[
        ("replica", found.instance.clone()),
        ("index", shown::basis(&found.basis)),
        ("items", found.items.to_string()),
        ("creations", states.join(", ")),
        ("compared exactly", format!("{} pending, {} newest", found.watched, found.tail)),
        ("cells", found.cells.to_string()),
        ("bytes", sizes),
        ("snapshot", snapshot),
        ("of no use", refused.join("; ")),
        ("thresholds", tuning(&found.tuning)),
        ("made anew", found.reindex.as_ref().map(far).unwrap_or_default()),
    ])
}

fn tuning(tuning: &Tuning) -> String {
    let Thresholds { strong, likely, similar } = tuning.thresholds;
    let by = tuning.by.as_ref().map_or_else(|| "default".to_owned(), |by| format!("set by {by}"));
    format!("strong {strong}, likely {likely}, similar {similar}; asks from {} ({by})", name(&tuning.alert))
}

/// Show what was decided at which score, and the thresholds that follow.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge overlap calibrate
  selvedge overlap calibrate --strong 950 --likely 600 --similar 900 -o json

Shares are thousandths. `selvedge overlap tune` sets what is proposed.")]
pub(crate) struct Calibrate {
    /// Share of alerts that must be merges for `strong`.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    strong: Option<u16>,
    /// The same for `likely`.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    likely: Option<u16>,
    /// Share of merges that `similar` must catch.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    similar: Option<u16>,
    #[command(flatten)]
    who: Who,
}

impl Calibrate {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let wanted = WantedCurve { strong: self.strong, likely: self.likely, similar: self.similar };
        let found = asking.client.call::<call::OverlapCalibrate>(&wanted).await?.reply;
        context.output.print(&found, curve)?;
        Ok(())
    }
}

fn curve(found: &Calibration) -> String {
    let rows: Vec<_> = found
        .curve
        .iter()
        .map(|point| [point.threshold, point.caught, point.alerts, point.precision].map(shown::share))
        .collect();
    let rows = table(["threshold", "caught", "alerts", "precision"], &rows, "nothing was decided yet");
    let proposed = match found.proposed {
        Some(Thresholds { strong, likely, similar }) => format!(
            "proposed: strong {strong}, likely {likely}, similar {similar}\n\
             selvedge overlap tune --strong {strong} --likely {likely} --similar {similar}"
        ),
        None => "too few decisions to propose anything: 30 are needed, 10 of them merges".to_owned(),
    };
    format!(
        "{}\n{} decisions, {} of them merges\nin force: {}\n{proposed}",
        rows.trim_end(),
        found.decisions,
        found.merged,
        tuning(&found.tuning)
    )
}

/// Tune what counts as how much alike in the mission, and from when on is asked.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge overlap tune --strong 800 --likely 550 --similar 320
  selvedge overlap tune --alert strong --mission demo --as pia

Scores are thousandths; 1001 is never reached. All three thresholds are said together.")]
pub(crate) struct Tune {
    /// From which score on: the same, as good as surely.
    #[arg(long, requires = "likely", value_parser = clap::value_parser!(u16).range(0..=1001))]
    strong: Option<u16>,
    /// From which score on: the same, more likely than not.
    #[arg(long, requires = "similar", value_parser = clap::value_parser!(u16).range(0..=1001))]
    likely: Option<u16>,
    /// From which score on: near enough to be looked at.
    #[arg(long, requires = "strong", value_parser = clap::value_parser!(u16).range(0..=1001))]
    similar: Option<u16>,
    /// From which level on is asked: similar, likely, strong or off.
    #[arg(long, value_name = "LEVEL", value_parser = alert)]
    alert: Option<Alert>,
    #[command(flatten)]
    who: Who,
}

impl Tune {
    pub(super) async fn run(self, context: &Context) -> Done {
        let thresholds = match (self.strong, self.likely, self.similar) {
            (Some(strong), Some(likely), Some(similar)) => Some(Thresholds { strong, likely, similar }),
            _ => None,
        };
        if thresholds.is_none() && self.alert.is_none() {
            return Err(Failure::usage(
                "nothing is to be set: say --strong, --likely and --similar, or --alert",
            ));
        }
        let asking = self.who.anybody(context).await?;
        let wanted = WantedTuning { thresholds, alert: self.alert };
        let reply = asking.client.call::<call::OverlapTune>(&wanted).await?.reply;
        context.output.print(&reply, |reply: &TuningReply| tuning(&reply.tuning))?;
        Ok(())
    }
}

/// Reindex: have every replica make its index anew from the ledger, and wait until they have.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge overlap reindex
  selvedge overlap reindex --no-wait -o json

The present index answers meanwhile. It waits until the replica that answers uses the new one; `selvedge overlap
stats` says how far any other one is.")]
pub(crate) struct Reindex {
    /// Do not wait.
    #[arg(long)]
    no_wait: bool,
}

/// How often it is asked how far they are.
const PAUSE: Duration = Duration::from_millis(200);

impl Reindex {
    pub(super) async fn run(self, context: &Context) -> Done {
        let operator = context.operator().await?;
        let ask = async |look| {
            operator.call::<call::OverlapReindex>(&WantedIndex { look }).await.map(|answered| answered.reply)
        };
        let asked = ask(false).await?;
        let (mut reply, bar) = (asked.clone(), bar());
        // Others may be asked which are not as far: it is done when whoever answers says so.
        while !self.no_wait && reply.in_use < asked.generation {
            bar.set_length(reply.of.max(1));
            bar.set_position(reply.at);
            tokio::time::sleep(PAUSE).await;
            reply = ask(true).await?;
        }
        bar.finish_and_clear();
        context.output.print(&reply, far)?;
        Ok(())
    }
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The template is ours; without one the default is shown.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} facts, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn far(reply: &ReindexReply) -> String {
    let ReindexReply { instance, generation, in_use, at, of, .. } = reply;
    if in_use >= generation && at < of {
        return format!("{instance} makes its index from the ledger: {at} of {of} facts");
    }
    if in_use >= generation {
        return format!("{instance} uses index {in_use}, made from all facts up to {at}");
    }
    format!("{instance} uses index {in_use} and makes index {generation}: {at} of {of} facts")
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::payload::overlap::CalibrationPoint;

    use super::*;

    #[test]
    fn a_curve_says_what_to_do_next() {
        let point = CalibrationPoint { threshold: 500, caught: 900, alerts: 200, precision: 750 };
        let mut found = Calibration {
            decisions: 40,
            merged: 20,
            curve: vec![point],
            tuning: Tuning::default(),
            proposed: Some(Thresholds { strong: 800, likely: 500, similar: 300 }),
        };
        let text = curve(&found);
        assert!(text.contains("0.500      0.900   0.200   0.750"), "{text}");
        assert!(text.contains("selvedge overlap tune --strong 800 --likely 500 --similar 300"), "{text}");
        found.proposed = None;
        assert!(curve(&found).contains("30 are needed"));
    }
}
