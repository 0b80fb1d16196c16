//! A run: an arena, the cases of its suites, and at the end everything taken back.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use selvedge_kit::clock::Deadline;
use tokio_util::sync::CancellationToken;

use crate::{
    arena::{Arena, Deployment},
    case::{Case, Trial},
    cleanup::{self, Cleaned},
    error::{Error, Miss},
    options::{Options, Suite},
    report::{CaseReport, Finding, Report, Verdict},
    suite,
};

/// Longest time for one trial, in milliseconds.
const TRIAL_MS: u64 = 60_000;

/// How far a run is.
#[derive(Debug)]
pub enum News<'a> {
    /// A trial is over.
    Trial {
        /// Its suite.
        suite: Suite,
        /// Its case.
        case: &'static str,
        /// Trials of the case that are over.
        done: u32,
        /// How many it has.
        of: u32,
    },
    /// A case is over.
    Case(&'a CaseReport),
    /// Everything is taken back.
    Cleaning,
}

/// Tries everything that `options` ask for, and takes back whatever can be taken back, whatever happens: also
/// once `stop` is cancelled or the time is over.
///
/// # Errors
/// [`Error`] if it could not begin. What was made by then is taken back.
pub async fn run(
    deployment: Deployment,
    options: &Options,
    stop: CancellationToken,
    news: &dyn Fn(News<'_>),
) -> Result<Report, Error> {
    let began = Instant::now();
    let deadline = Deadline::in_ms(options.timeout_ms);
    let mut arena = bounded(deadline, &stop, Arena::open(deployment)).await.map_err(Error::Over)??;
    let mut cases = Vec::new();
    let populated = bounded(deadline, &stop, arena.populate(options.agents)).await;
    let ended = match &populated {
        Ok(Ok(())) => bounded(deadline, &stop, all(&arena, options, news, &mut cases)).await.err(),
        Ok(Err(_)) => None,
        Err(over) => Some(over.clone()),
    };
    news(News::Cleaning);
    let cleaned = cleanup::clean(&arena).await;
    if let Ok(Err(error)) = populated {
        return Err(error);
    }
    let mut report = report(&arena, options, cases, cleaned);
    report.ended = ended;
    report.elapsed_ms = elapsed_ms(began);
    report.judge();
    Ok(report)
}

fn report(arena: &Arena, options: &Options, cases: Vec<CaseReport>, cleaned: Cleaned) -> Report {
    let mission = &arena.mission;
    let mut stays =
        vec![format!("the mission {mission} and its facts"), "the records of its agents".to_owned()];
    stays.extend(cleaned.left.into_iter().map(|left| format!("NOT taken back: {left}")));
    Report {
        verdict: Verdict::Unfinished,
        seed: options.seed,
        trials: options.trials,
        agents: options.agents,
        mission: mission.clone(),
        ended: None,
        cases,
        taken_back: cleaned.taken_back,
        stays,
        elapsed_ms: 0,
    }
}

/// What comes of some work, or why it was given up.
async fn bounded<T>(
    deadline: Deadline,
    stop: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T, String> {
    let work = tokio::time::timeout(deadline.remaining(), work);
    match stop.run_until_cancelled(work).await {
        Some(Ok(done)) => Ok(done),
        Some(Err(_)) => Err("its time was over".to_owned()),
        None => Err("it was interrupted".to_owned()),
    }
}

async fn all(arena: &Arena, options: &Options, news: &dyn Fn(News<'_>), reports: &mut Vec<CaseReport>) {
    for suite in Suite::ALL.iter().filter(|suite| options.suites.contains(suite)) {
        for case in suite::cases(*suite) {
            // On record from its beginning: what is given up in between is told as far as it came.
            reports.push(begun(case, options));
            if let Some(report) = reports.last_mut() {
                one(arena, case, options, news, report).await;
                news(News::Case(report));
            }
        }
    }
}

fn begun(case: &Case, options: &Options) -> CaseReport {
    CaseReport {
        suite: case.suite,
        name: case.name,
        invariant: case.invariant,
        verdict: Verdict::Unfinished,
        trials: case.count.of(options.trials),
        held: 0,
        broken: 0,
        unable: 0,
        tried_digest: String::new(),
        example: String::new(),
        findings: Vec::new(),
        elapsed_ms: 0,
    }
}

async fn one(
    arena: &Arena,
    case: &Case,
    options: &Options,
    news: &dyn Fn(News<'_>),
    report: &mut CaseReport,
) {
    let (began, of) = (Instant::now(), report.trials);
    let mut tried = BTreeMap::new();
    let trials = futures::stream::iter(0..of).map(|index| trial(arena, case, options.seed, index));
    let mut trials = trials.buffer_unordered(case.at_once);
    let mut done = 0;
    while let Some(finding) = trials.next().await {
        done += 1;
        tried.insert(finding.trial, finding.tried.clone());
        report.keep(finding);
        report.elapsed_ms = elapsed_ms(began);
        news(News::Trial { suite: case.suite, case: case.name, done, of });
    }
    let mut digest = blake3::Hasher::new();
    for tried in tried.values() {
        digest.update(&(tried.len() as u64).to_le_bytes()).update(tried.as_bytes());
    }
    report.tried_digest = digest.finalize().to_hex().to_string();
    report.example = tried.remove(&0).unwrap_or_default();
    report.judge();
}

async fn trial(arena: &Arena, case: &Case, seed: u64, index: u32) -> Finding {
    let mut trial = Trial::new(case, seed, index);
    let tried = tokio::time::timeout(Duration::from_millis(TRIAL_MS), (case.run)(arena, &mut trial)).await;
    let (verdict, seen) = match tried {
        Ok(Ok(())) => (Verdict::Held, String::new()),
        Ok(Err(Miss::Broken(seen))) => (Verdict::Broken, seen),
        Ok(Err(Miss::Unable(why))) => (Verdict::Unfinished, why),
        Err(_) => (Verdict::Unfinished, format!("it took longer than {TRIAL_MS} ms")),
    };
    Finding { trial: index, verdict, tried: trial.tried(), seen }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
