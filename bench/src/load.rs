//! Closed-loop load: so many callers, each asking again as soon as it is answered.

use std::time::{Duration, Instant};

/// What one measurement saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// Time of each operation, sorted.
    latencies: Vec<Duration>,
    /// How long all of it took.
    elapsed: Duration,
}

impl Sample {
    /// The latency that the share `share` (0 to 1) of operations stayed within, in microseconds.
    pub(crate) fn percentile_us(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.latencies.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
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
                    operation(caller).await;
                    if started >= warm_until {
                        latencies.push(started.elapsed());
                    }
                }
            })
        })
        .collect();
    let mut sample = Sample::default();
    for task in tasks {
        sample.latencies.extend(task.await.expect("a caller"));
    }
    sample.elapsed = warm_until.elapsed();
    sample.latencies.sort_unstable();
    sample
}
