//! Measures the fabric beside raw NATS in the same run, on the same nats-server: machines are noisy, so
//! only ratios within one run say something. `make bench` runs it; `bench/README.md` keeps results.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on stops"
)]

mod artifacts;
mod calls;
mod commits;
mod dispatch;
mod follow;
mod guards;
mod leases;
mod load;
mod overlap;
mod policy;
mod report;
mod up;

use clap::Parser;
use selvedge_tests::{Options, Sync};

/// As in the binary, for all that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the fabric beside raw NATS in the same run.
#[derive(Parser)]
struct Arguments {
    /// Seconds for each measurement of each round.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Rounds; raw and fabric take turns within each, and medians over rounds are shown.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Runs one operation alone, at 64 callers, for a profiler: echo, read, publish, write, guarded;
    /// lease-pairs, lease-contended.
    #[arg(long)]
    profile: Option<String>,
    #[command(flatten)]
    overlap: overlap::Input,
    /// Connected agents, in the section `dispatch agents`.
    #[arg(long, default_value_t = 5_000)]
    agents: usize,
    /// Finished tasks, in the section `dispatch restart`; thousands.
    #[arg(long, default_value_t = 100_000)]
    finished: usize,
    /// Be the agents of that section, as that file says: what the section starts.
    #[arg(long, hide = true)]
    crowd: Option<std::path::PathBuf>,
    /// Only sections whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(&arguments));
    Ok(())
}

/// Everything is synced before it is acknowledged, as the default is.
const DURABLE: Options = Options { sync: Sync::Always, ..Options::LAZY };

async fn run(arguments: &Arguments) {
    if let Some(file) = &arguments.crowd {
        return dispatch::crowd::run(file).await;
    }
    if let Some(operation) = &arguments.profile {
        return match operation.strip_prefix("lease-") {
            Some(operation) => leases::profile(operation, arguments.seconds).await,
            None => calls::profile(operation, arguments.seconds).await,
        };
    }
    let wants = |name: &str| name.contains(arguments.only.as_str());
    for (name, options) in [("lazy", Options::LAZY), ("fsync", DURABLE)] {
        if wants(&format!("calls {name}")) {
            calls::measure(name, options, arguments.seconds, arguments.rounds).await;
        }
        if wants(&format!("leases {name}")) {
            leases::measure(name, options, arguments.seconds, arguments.rounds).await;
        }
        if wants(&format!("follow {name}")) {
            follow::measure(name, options, arguments.rounds).await;
        }
    }
    if wants("leases large") {
        leases::measure_large(arguments.seconds, arguments.rounds).await;
    }
    dispatcher(arguments, wants).await;
    for (name, options) in [("one replica, lazy", Options::LAZY), ("three replicas, lazy", Options::CLUSTER)]
    {
        if wants(&format!("guards {name}")) {
            guards::measure(name, options, arguments.seconds, arguments.rounds).await;
        }
    }
    if wants("artifacts") {
        artifacts::measure(arguments.seconds, arguments.rounds).await;
    }
    if wants("commits") {
        commits::measure(arguments.seconds, arguments.rounds).await;
    }
    if wants("overlap") {
        overlap::measure(&arguments.overlap, arguments.seconds, arguments.rounds).await;
    }
    if wants("policy") {
        policy::measure(arguments.seconds);
    }
    if wants("up") {
        up::measure().await;
    }
}

async fn dispatcher(arguments: &Arguments, wants: impl Fn(&str) -> bool) {
    for (name, options) in [("lazy", Options::LAZY), ("fsync", DURABLE)] {
        if wants(&format!("dispatch {name}")) {
            dispatch::measure(name, options, arguments.seconds, arguments.rounds).await;
        }
    }
    for (name, options) in [("lazy", Options::LAZY), ("fsync", DURABLE)] {
        if wants(&format!("dispatch asking {name}")) {
            dispatch::measure_asking(name, options, arguments.seconds, arguments.rounds).await;
        }
    }
    if wants("dispatch restart") {
        dispatch::restart::measure(arguments.finished, arguments.rounds).await;
    }
    if wants("dispatch agents") {
        dispatch::agents::measure(arguments.agents, arguments.seconds).await;
    }
}
