//! The collision suite: it holds on a healthy fabric, and notices each guard that is broken.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

#[path = "eval/healthy.rs"]
mod healthy;
#[cfg(debug_assertions)]
#[path = "eval/sabotage.rs"]
mod sabotage;

use selvedge_eval::{News, Options, Report, Suite};
use selvedge_tests::eval::Whole;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

/// Guards are broken for a whole process: where tests share one, one runs at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

fn options(suite: Suite, trials: u32) -> Options {
    Options { suites: vec![suite], trials, seed: rand::random(), agents: 4, timeout_ms: 240_000 }
}

/// Runs and prints what it found, for whoever reads a failure.
async fn tried(whole: &Whole, options: &Options) -> Report {
    let silent = |_: News<'_>| {};
    let report = selvedge_eval::run(whole.deployment(), options, CancellationToken::new(), &silent).await;
    let report = report.expect("a run");
    println!("{}", report.human());
    report
}
