//! How good the answers are, on corpora that stay outside of the project: recall, the alert curve, and the fit
//! of the weights, with figures of held-out pairs only. `bench/README.md` keeps results.
//!
//! `--data` names a folder with `<name>_corpus.tsv` (id, group, title, description) and pairs of duplicates
//! (`id_a`, `id_b`, ...) for each corpus.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on stops"
)]

mod data;
mod fit;
mod lists;
mod report;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use selvedge_overlap::Weights;

use crate::{fit::fit, lists::Lists, report::Figures};

/// Measures quality and fits weights.
#[derive(Parser)]
struct Arguments {
    /// The folder with the corpora.
    #[arg(long)]
    data: PathBuf,
    /// Items without a known duplicate that are asked about, for each corpus.
    #[arg(long, default_value_t = 1_000)]
    others: usize,
    /// Strength of the regularisation.
    #[arg(long, default_value_t = 20.0)]
    ridge: f64,
    /// Folds.
    #[arg(long, default_value_t = 5)]
    folds: usize,
    /// Shows the pairs that stay below the middle of the curve, and the alerts on others.
    #[arg(long)]
    list: bool,
}

/// Corpora by name, and the file of their pairs.
const CORPORA: [(&str, &str); 2] = [("agent_tasks", "agent_tasks_dev"), ("gitbugs", "gitbugs_dup")];

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if !arguments.data.join("agent_tasks_corpus.tsv").exists() {
        eprintln!("no corpora in {}: they are no part of the project", arguments.data.display());
        return Ok(ExitCode::FAILURE);
    }
    let mut all = Vec::new();
    for (name, pairs) in CORPORA {
        let corpus = data::Corpus::read(&arguments.data, name, pairs)?;
        all.push(Lists::of(&corpus, arguments.others)?);
    }
    println!("corpus, weights, queries: recall@10, caught at 10 / 20 / 40 % alerts");
    for lists in &all {
        report::single_features(lists);
        lists.print(
            "weights as compiled in (seen in fitting)",
            &Figures::of(&lists.lists, &Weights::default()),
        );
    }
    report::across(&all, arguments.ridge);
    report::folds(&all, arguments.folds, arguments.ridge);
    let everything: Vec<_> = all.iter().flat_map(|lists| &lists.lists).collect();
    let fitted = fit(&everything, arguments.ridge);
    println!("fitted to everything: {fitted:?}");
    report::levels(&all[0], &fitted);
    if arguments.list {
        report::list(&all[0], &Weights::default());
    }
    Ok(ExitCode::SUCCESS)
}
