//! Histograms of fixed buckets.
//!
//! The library's own take a lock for each value; these add to two atomic numbers, so that requests on all
//! processors can be timed without one waiting for another.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Values below bounds, in whole units.
#[derive(Debug)]
struct Buckets<const BOUNDS: usize> {
    /// How many values lie below each bound and not below the one before.
    counts: [AtomicU64; BOUNDS],
    /// How many lie beyond the last.
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl<const BOUNDS: usize> Default for Buckets<BOUNDS> {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; BOUNDS],
            beyond: AtomicU64::default(),
            sum: AtomicU64::default(),
        }
    }
}

impl<const BOUNDS: usize> Buckets<BOUNDS> {
    fn record(&self, bounds: &[u64; BOUNDS], value: u64) {
        let bucket = bounds.partition_point(|bound| *bound < value);
        self.counts.get(bucket).unwrap_or(&self.beyond).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    fn is_empty(&self) -> bool {
        self.counts.iter().chain([&self.beyond]).all(|count| count.load(Ordering::Relaxed) == 0)
    }

    /// Writes what there is, each number as `scale` makes it.
    fn encode(
        &self,
        mut encoder: MetricEncoder<'_>,
        bounds: &[u64; BOUNDS],
        scale: fn(u64) -> f64,
    ) -> fmt::Result {
        let loaded = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let bounds = bounds.iter().map(|bound| scale(*bound)).chain([f64::INFINITY]);
        let counts = self.counts.iter().chain([&self.beyond]).map(loaded);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(scale(loaded(&self.sum)), count, &buckets, None)
    }
}

/// In nanoseconds: a tenth of a millisecond to ten minutes.
const TIMES: [u64; 20] = {
    const MICRO: u64 = 1_000;
    const MILLI: u64 = 1_000_000;
    const SECOND: u64 = 1_000_000_000;
    [
        100 * MICRO,
        250 * MICRO,
        500 * MICRO,
        MILLI,
        2_500 * MICRO,
        5 * MILLI,
        10 * MILLI,
        25 * MILLI,
        50 * MILLI,
        100 * MILLI,
        250 * MILLI,
        500 * MILLI,
        SECOND,
        2_500 * MILLI,
        5 * SECOND,
        10 * SECOND,
        30 * SECOND,
        60 * SECOND,
        300 * SECOND,
        600 * SECOND,
    ]
};

/// How long something took, each time.
#[derive(Debug, Clone, Default)]
pub struct Times(Arc<Buckets<{ TIMES.len() }>>);

impl Times {
    /// It took so long.
    pub fn record(&self, time: Duration) {
        self.0.record(&TIMES, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl EncodeMetric for Times {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder, &TIMES, |nanoseconds| Duration::from_nanos(nanoseconds).as_secs_f64())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

const SIZES: [u64; 13] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384];

/// How many there were, each time.
#[derive(Debug, Clone, Default)]
pub struct Sizes(Arc<Buckets<{ SIZES.len() }>>);

impl Sizes {
    /// There were so many.
    pub fn record(&self, size: usize) {
        self.0.record(&SIZES, size as u64);
    }
}

impl EncodeMetric for Sizes {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        #[expect(
            clippy::cast_precision_loss,
            reason = "sums beyond 2^53 are rounded, as every figure of Prometheus's is"
        )]
        self.0.encode(encoder, &SIZES, |size| size as f64)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::prometheus_text;
    use prometheus_client::registry::Registry;

    #[test]
    fn a_value_at_a_bound_lies_below_it_and_one_beyond_the_last_is_counted_too() {
        let times = Times::default();
        for time in [Duration::from_millis(1), Duration::from_micros(1_001), Duration::from_secs(3_600)] {
            times.record(time);
        }
        let mut registry = Registry::default();
        registry.register("t", "t", times);
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).expect("text");
        for line in [
            "t_bucket{le=\"0.0005\"} 0",
            "t_bucket{le=\"0.001\"} 1",
            "t_bucket{le=\"0.0025\"} 2",
            "t_bucket{le=\"600\"} 2",
            "t_bucket{le=\"+Inf\"} 3",
            "t_count 3",
            "t_sum 3600.002001",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is missing in\n{text}");
        }
    }
}
