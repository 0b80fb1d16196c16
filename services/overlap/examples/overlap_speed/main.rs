//! How fast the answers are, in one process: inserts, checks with several askers, checks beside inserts, a
//! restart from a snapshot, and memory. `bench/README.md` keeps results.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on stops"
)]

mod source;

use std::{
    fs,
    io::{BufReader, BufWriter},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use selvedge_overlap::{Change, Index, Query, Readable, Settings, StaticModel};

use crate::source::Source;

/// Measures speed and memory.
#[derive(Parser)]
struct Arguments {
    /// Items in the index.
    #[arg(long, default_value_t = 1_000_000)]
    items: u64,
    /// The folder with the corpora, whose texts are recombined; without it, texts of made-up words.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Askers at once.
    #[arg(long, default_value_t = 2)]
    clients: usize,
    /// Seconds for each measurement of checks.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Where the snapshot is written for the restart.
    #[arg(long)]
    snapshot: Option<PathBuf>,
    /// Leaves the snapshot there.
    #[arg(long)]
    keep: bool,
    /// Takes the index up from a snapshot that was left, instead of filling it.
    #[arg(long)]
    from: Option<PathBuf>,
    /// Also compares candidates with those of an index that reads everything.
    #[arg(long)]
    exact: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let source = match &arguments.data {
        Some(folder) => Source::from_corpora(folder)?,
        None => Source::made_up(),
    };
    let model = Arc::new(StaticModel::embedded()?);
    let index = match &arguments.from {
        Some(path) => taken_up(Arc::clone(&model), path)?,
        None => filled(Arc::clone(&model), &source, arguments.items),
    };
    sizes(&index);
    checks("checks", &index, &source, &arguments, 0);
    checks("checks beside inserts", &index, &source, &arguments, 1_000);
    if arguments.exact {
        agreement(&index, &source, arguments.items)?;
    }
    if let Some(path) = &arguments.snapshot {
        restart(index, model, path, arguments.keep)?;
    }
    Ok(())
}

fn filled(model: Arc<StaticModel>, source: &Source, items: u64) -> Index {
    let index = Index::new(model, Settings::default());
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut made = Duration::ZERO;
    for sequence in 1..=items {
        let before = Instant::now();
        let item = source.item(sequence);
        made += before.elapsed();
        let before = Instant::now();
        index.apply(sequence, &Change::Insert(item)).unwrap();
        slowest = slowest.max(before.elapsed());
    }
    let rate = items as f64 / (start.elapsed() - made).as_secs_f64();
    println!("insert: {rate:.0} a second on one thread, slowest {slowest:?}");
    index
}

fn taken_up(model: Arc<StaticModel>, path: &PathBuf) -> anyhow::Result<Index> {
    let start = Instant::now();
    let index = Index::restore(model, Settings::default(), &mut BufReader::new(fs::File::open(path)?))?;
    println!("restart from a snapshot: {:?}", start.elapsed());
    Ok(index)
}

fn sizes(index: &Index) {
    let stats = index.stats();
    let each = |bytes: usize| bytes / stats.items.max(1);
    println!("{stats:?}");
    println!("bytes an item: {} and {} of text", each(stats.index_bytes), each(stats.text_bytes));
    if let Some(pages) = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()))
    {
        println!("resident: {} MB, an item {} bytes", pages * 4096 / 1_000_000, each(pages * 4096));
    }
}

/// Checks by some askers for some time; `inserts` a second go on beside them.
fn checks(what: &str, index: &Index, source: &Source, arguments: &Arguments, inserts: u64) {
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let next = AtomicU64::new(index.stats().sequence + 1);
    let is_over = AtomicBool::new(false);
    let mut times: Vec<(u64, u64)> = thread::scope(|scope| {
        if inserts > 0 {
            scope.spawn(|| insert_at(index, source, &next, inserts, &is_over));
        }
        let clients: Vec<_> = (0..arguments.clients)
            .map(|client| scope.spawn(move || ask(index, source, client, end)))
            .collect();
        let times = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        is_over.store(true, Ordering::Relaxed);
        times
    });
    let rate = times.len() as u64 / arguments.seconds;
    println!("{what}, {} askers: {rate} a second", arguments.clients);
    let mut micros: Vec<u64> = times.iter().map(|(wall, _)| *wall).collect();
    println!("  time in µs: {}", spread(&mut micros));
    let mut micros: Vec<u64> = times.drain(..).map(|(_, cpu)| cpu).collect();
    println!("  of a processor in µs: {}", spread(&mut micros));
}

fn spread(micros: &mut [u64]) -> String {
    micros.sort_unstable();
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    format!("p50 {} p90 {} p99 {} max {}", at(0.5), at(0.9), at(0.99), at(1.0))
}

fn ask(index: &Index, source: &Source, client: usize, end: Instant) -> Vec<(u64, u64)> {
    let mut times = Vec::new();
    let mut number = 1 + client as u64;
    while Instant::now() < end {
        let query = source.query(number);
        number += 7_919;
        let (start, cpu) = (Instant::now(), cpu_micros());
        let checked = index.check(&query, &Readable::All, 10);
        times.push((start.elapsed().as_micros() as u64, cpu_micros() - cpu));
        assert!(!checked.candidates.is_empty());
    }
    times
}

/// What this thread has had of a processor: says more than time where others compute beside it.
fn cpu_micros() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

fn insert_at(index: &Index, source: &Source, next: &AtomicU64, rate: u64, is_over: &AtomicBool) {
    let start = Instant::now();
    let mut done = 0;
    while !is_over.load(Ordering::Relaxed) {
        while done < rate * start.elapsed().as_millis() as u64 / 1_000 {
            let sequence = next.fetch_add(1, Ordering::Relaxed);
            index.apply(sequence, &Change::Insert(source.item(sequence))).unwrap();
            done += 1;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// How many of the first ten of an index that reads everything the bounded one has among its first ten.
fn agreement(index: &Index, source: &Source, items: u64) -> anyhow::Result<()> {
    let everything = usize::MAX >> 1;
    let settings = Settings {
        flat: everything,
        word_places: everything,
        trigram_places: everything,
        ..Settings::default()
    };
    let exact = Index::new(Arc::new(StaticModel::embedded()?), settings);
    for sequence in 1..=index.stats().sequence {
        exact.apply(sequence, &Change::Insert(source.item(sequence)))?;
    }
    let first = |index: &Index, query: &Query| -> Vec<(String, u16)> {
        let found = index.check(query, &Readable::All, 10).candidates;
        found.into_iter().map(|found| (found.id, found.score)).collect()
    };
    let (mut common, mut all, mut best) = (0, 0, 0);
    for number in 0..500 {
        let query = source.query(number * 7_919 % items + 1);
        let (bounded, exact) = (first(index, &query), first(&exact, &query));
        all += exact.len();
        common += exact.iter().filter(|found| bounded.contains(found)).count();
        best += usize::from(bounded.first().map(|found| found.1) == exact.first().map(|found| found.1));
    }
    println!(
        "of 500 checks, {:.3} of the exact first ten, and {:.3} of the best scores",
        common as f64 / all as f64,
        best as f64 / 500.0
    );
    Ok(())
}

fn restart(index: Index, model: Arc<StaticModel>, path: &PathBuf, keep: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    index.snapshot(&mut BufWriter::new(fs::File::create(path)?))?;
    println!("snapshot: {} MB in {:?}", fs::metadata(path)?.len() / 1_000_000, start.elapsed());
    let hash = index.check(&Query::default(), &Readable::All, 0).index_hash;
    drop(index);
    let index = taken_up(model, path)?;
    assert_eq!(index.check(&Query::default(), &Readable::All, 0).index_hash, hash);
    if !keep {
        fs::remove_file(path)?;
    }
    Ok(())
}
