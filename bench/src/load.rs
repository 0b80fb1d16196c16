//! Closed-loop load: so many callers, each asking again as soon as it is answered.

use std::time::{Duration, Instant};

/// What one measurement saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// Time of each operation, sorted.
    latencies: Vec<Duration>,
    /// How long all of it took.
    elapsed: Duration,
    /// Operations of each caller, sorted.
    counts: Vec<usize>,
}

impl Sample {
    /// Of operations that were done one after the other, or at once, within this time.
    pub(crate) fn of(mut latencies: Vec<Duration>, elapsed: Duration) -> Self {
        latencies.sort_unstable();
        Self { counts: vec![latencies.len()], latencies, elapsed }
    }

    /// The latency that the share `share` (0 to 1) of operations stayed within, in microseconds.
    pub(crate) fn percentile_us(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.latencies.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    }

    /// Operations of the slowest caller as a part of the median one's.
    pub(crate) fn fairness(&self) -> f64 {
        let median = self.counts.get(self.counts.len() / 2).copied().unwrap_or_default();
        self.counts.first().copied().unwrap_or_default() as f64 / median as f64
    }

    /// Operations a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Part of a measurement's time by which it is warmed up before.
pub(crate) const WARM_UP: f64 = 0.1;

/// Runs `callers` loops of `operation` for `seconds`, after [`WARM_UP`].
pub(crate) async fn closed_loop<F, W>(callers: usize, seconds: f64, operation: F) -> Sample
where
    F: Fn(usize) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = ()> + Send,
{
    let timed = move |caller| {
        let started = Instant::now();
        let done = operation(caller);
        async move {
            done.await;
            started.elapsed()
        }
    };
    timed_loop(callers, seconds, timed).await
}

/// As [`closed_loop`], with operations that say how long what is measured of them took.
pub(crate) async fn timed_loop<F, W>(callers: usize, seconds: f64, operation: F) -> Sample
where
    F: Fn(usize) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Duration> + Send,
{
    let warm_until = Instant::now() + Duration::from_secs_f64(seconds * WARM_UP);
    let until = warm_until + Duration::from_secs_f64(seconds);
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let operation = operation.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let started = Instant::now();
                    if started >= until {
                        return latencies;
                    }
                    let took = operation(caller).await;
                    if started >= warm_until {
                        latencies.push(took);
                    }
                }
            })
        })
        .collect();
    let mut sample = Sample::default();
    for task in tasks {
        let latencies = task.await.expect("a caller");
        sample.counts.push(latencies.len());
        sample.latencies.extend(latencies);
    }
    sample.elapsed = warm_until.elapsed();
    sample.latencies.sort_unstable();
    sample.counts.sort_unstable();
    sample
}
