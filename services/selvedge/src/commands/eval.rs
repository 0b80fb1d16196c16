//! `selvedge eval`: the collision suite, against the fabric that is meant.

use std::{io::IsTerminal as _, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use selvedge_eval::{Deployment, News, Options, Report, Suite, Verdict};
use selvedge_kit::credential::Login;

use crate::{
    connect::Context,
    exit::{BROKEN, Done, Failure, UNTRIED},
    input,
    output::{Format, hint, say, visible},
    stop,
};

/// Try to break the fabric in a mission of its own, many times over, and say what held.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge eval
  selvedge eval race --trials 200 --agents 8
  selvedge eval race --seed 4711 -o json
  selvedge eval all --junit eval.xml --timeout 10m
  selvedge eval escalation --home /srv/fabric/.selvedge --kluster staging

Each suite makes many seeded trials: it tries something, then reads from the ledger and the services what came of
it. It needs the operator's keys (the folder of `selvedge up` or `selvedge init`), since it makes a throw-away
mission `eval-<random>`, invites agents of its own, and asks in no other mission. At the end, also after Ctrl-C, a
failure or the timeout, it ends their sessions, retires them, gives leases back, and cancels plans and intents.
The mission, its facts and the agents' records stay.

It ends with 0 only if everything held, 20 if something did not, 21 if it could not be tried, or not to the end.
The same seed, trials and agents try the same (`tried_digest`); what agents do at once happens in another order.")]
pub(crate) struct Eval {
    /// What is tried.
    #[arg(value_enum, default_value_t)]
    suite: Wanted,
    /// Trials of each case; those that wait for time to pass are made fewer times, tables as a whole.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(Options::MAX_TRIALS)))]
    trials: u32,
    /// What is tried follows from it; a random one, which is told, if none is named.
    #[arg(long)]
    seed: Option<u64>,
    /// Agents that race.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(i64::from(Options::MIN_AGENTS)..=i64::from(Options::MAX_AGENTS)))]
    agents: u32,
    /// Longest time for all trials.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = input::milliseconds)]
    timeout: u64,
    /// File for the report as JUnit XML, beside what is printed.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Which suites.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// Several want the same thing in the same instant.
    Race,
    /// Somebody acts on what is no longer so.
    Staleness,
    /// Something is said again.
    Replay,
    /// Somebody reaches above their rights.
    Escalation,
    /// Something fails half-way.
    Compensation,
    /// All of these.
    #[default]
    All,
}

impl Wanted {
    fn suites(self) -> Vec<Suite> {
        match self {
            Self::Race => vec![Suite::Race],
            Self::Staleness => vec![Suite::Staleness],
            Self::Replay => vec![Suite::Replay],
            Self::Escalation => vec![Suite::Escalation],
            Self::Compensation => vec![Suite::Compensation],
            Self::All => Suite::ALL.to_vec(),
        }
    }
}

impl Eval {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self.tried(context).await {
            Ok(report) => self.tell(context.output, &report),
            Err(failure @ Failure::Usage(_)) => Err(failure),
            Err(failure) => {
                hint(&format!("it could not be tried: {}", visible(&failure.chain())));
                Err(Failure::Ended(UNTRIED))
            }
        }
    }

    async fn tried(&self, context: &Context) -> Result<Report, Failure> {
        let (_, kluster) = context.keys()?;
        let deployment = Deployment {
            url: context.url()?,
            connect_timeout_ms: context.config.nats.connect_timeout_ms,
            kluster,
            operator: Login::File(context.operator_creds()?),
            tells_denials: context.running_up().is_some(),
        };
        let options = Options {
            suites: self.suite.suites(),
            trials: self.trials,
            seed: self.seed.unwrap_or_else(rand::random),
            agents: self.agents,
            timeout_ms: self.timeout,
        };
        let (stop, progress) = (stop::on_signal()?, Progress::new(context.output));
        hint(&format!("seed {}", options.seed));
        let report = selvedge_eval::run(deployment, &options, stop, &|news| progress.take(&news)).await;
        progress.bar.finish_and_clear();
        Ok(report.map_err(anyhow::Error::new)?)
    }

    /// Prints the report and keeps it where that is wanted.
    fn tell(&self, output: Format, report: &Report) -> Done {
        if let Some(path) = &self.junit {
            let xml = report.junit().context("cannot write the report as JUnit XML")?;
            std::fs::write(path, xml).with_context(|| format!("cannot write {}", path.display()))?;
        }
        match output {
            Format::Human => say(&visible(&report.human()))?,
            Format::Json => output.print(report, |_| String::new())?,
            Format::Jsonl => output.print_all(&report.cases, |_| String::new())?,
        }
        match report.verdict {
            Verdict::Held => Ok(()),
            Verdict::Broken => Err(Failure::Ended(BROKEN)),
            Verdict::Unfinished => Err(Failure::Ended(UNTRIED)),
        }
    }
}

/// How far it is, on a terminal.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(output: Format) -> Self {
        let is_seen = output == Format::Human && std::io::stderr().is_terminal();
        let bar = if is_seen { ProgressBar::new(0) } else { ProgressBar::hidden() };
        // The template is ours; without it the default is shown.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    fn take(&self, news: &News<'_>) {
        match news {
            News::Trial { suite, case, done, of } => {
                // In this order: the case before may have had more trials than this one has.
                self.bar.set_position(u64::from(*done));
                self.bar.set_length(u64::from(*of));
                self.bar.set_message(format!("{suite}/{case}"));
            }
            News::Case(case) => {
                self.bar.println(format!("{}/{}: {}", case.suite, case.name, case.verdict.name()));
            }
            News::Cleaning => self.bar.set_message("taking back what was made"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_an_exit_code() {
        let eval = Eval { suite: Wanted::All, trials: 1, seed: None, agents: 2, timeout: 1_000, junit: None };
        let ends = |verdict| {
            let report = Report {
                verdict,
                seed: 1,
                trials: 1,
                agents: 2,
                mission: "eval-1".parse().unwrap(),
                ended: None,
                cases: Vec::new(),
                taken_back: Vec::new(),
                stays: Vec::new(),
                elapsed_ms: 0,
            };
            eval.tell(Format::Jsonl, &report)
        };
        assert!(ends(Verdict::Held).is_ok());
        assert!(matches!(ends(Verdict::Broken), Err(Failure::Ended(20))));
        assert!(matches!(ends(Verdict::Unfinished), Err(Failure::Ended(21))));
    }

    #[test]
    fn every_suite_can_be_asked_for_by_its_name() {
        for suite in Suite::ALL {
            let wanted = Wanted::from_str(suite.name(), false).unwrap();
            assert_eq!(wanted.suites(), [*suite]);
        }
        assert_eq!(Wanted::default().suites(), Suite::ALL);
    }
}
