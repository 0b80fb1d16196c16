//! Medians over rounds, and how they are printed.

use crate::load::Sample;

/// The same measurement in every round.
#[derive(Default)]
pub(crate) struct Series(Vec<Sample>);

impl Series {
    /// Adds a round.
    pub(crate) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// Median over rounds of what `of` reads from each.
    pub(crate) fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        let mut values: Vec<f64> = self.0.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Median p50 in microseconds.
    pub(crate) fn p50_us(&self) -> f64 {
        self.median(|sample| sample.percentile_us(0.5))
    }

    /// Median rate in operations a second.
    pub(crate) fn rate(&self) -> f64 {
        self.median(Sample::rate)
    }

    /// One line of the table.
    pub(crate) fn print(&self, name: &str) {
        let p99_us = self.median(|sample| sample.percentile_us(0.99));
        println!("| {name} | {:.0} | {p99_us:.0} | {:.0} |", self.p50_us(), self.rate());
    }
}

/// Prints the head of a table.
pub(crate) fn head(title: &str) {
    println!("\n### {title}\n\n| what | p50 µs | p99 µs | per second |\n|---|---|---|---|");
}

/// Prints one ratio and the goal it is held against.
pub(crate) fn ratio(what: &str, value: f64, goal: &str) {
    println!("- {what}: {value:.2} (goal {goal})");
}

/// What this process has of the memory, all services that run in it included.
pub(crate) fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("its own memory");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).map_or(0, |pages| pages * 4_096)
}
