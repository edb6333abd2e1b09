//! How long operations took, in little memory.

use std::time::Duration;

/// Steps for each doubling: what is told of a latency is at most 1 % off.
const STEPS: usize = 64;

/// A histogram of latencies. Its memory does not grow with their number: at most 30 KiB.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Latencies {
    pub fn record(&mut self, latency: Duration) {
        let index = index_of(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        self.grow(index + 1);
        if let Some(count) = self.counts.get_mut(index) {
            *count += 1;
        }
        self.total += 1;
        self.longest = self.longest.max(latency);
    }

    pub fn merge(&mut self, other: &Self) {
        self.grow(other.counts.len());
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// The latency that this share of them, of 0 to 1, did not exceed; zero if there are none.
    pub fn percentile(&self, share: f64) -> Duration {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank of at most the total"
        )]
        let rank = ((share * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(middle_of(index)).min(self.longest);
            }
        }
        self.longest
    }

    /// The longest of them, exactly.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    fn grow(&mut self, length: usize) {
        if self.counts.len() < length {
            self.counts.resize(length, 0);
        }
    }
}

/// Below `2 * STEPS` each number has its own; from there on so many steps share each doubling.
fn index_of(nanoseconds: u64) -> usize {
    let shift = (nanoseconds | STEPS as u64).ilog2() - STEPS.ilog2();
    #[allow(clippy::cast_possible_truncation, reason = "below twice STEPS")]
    let step = (nanoseconds >> shift) as usize;
    shift as usize * STEPS + step
}

/// The middle of what has this index.
fn middle_of(index: usize) -> u64 {
    let shift = (index / STEPS).saturating_sub(1);
    let step = (index - shift * STEPS) as u64;
    (step << shift) + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_percentile_is_at_most_one_percent_off(
            nanoseconds in prop::collection::vec(0u64..100_000_000_000, 1..300),
            cut in 0usize..300,
            share in 0.0f64..=1.0,
        ) {
            let mut halves = [Latencies::default(), Latencies::default()];
            for (number, nanoseconds) in nanoseconds.iter().enumerate() {
                halves[usize::from(number < cut)].record(Duration::from_nanos(*nanoseconds));
            }
            let [mut all, other] = halves;
            all.merge(&other);
            let mut sorted = nanoseconds;
            sorted.sort_unstable();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
            let rank = ((share * sorted.len() as f64).ceil() as usize).max(1);
            let (expected, found) = (sorted[rank - 1] as f64, all.percentile(share).as_nanos() as f64);
            prop_assert!((found - expected).abs() <= expected * 0.01, "{found} for {expected}");
            prop_assert_eq!(all.longest().as_nanos(), u128::from(sorted[sorted.len() - 1]));
        }
    }

    #[test]
    fn the_longest_that_there_can_be_is_held() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(0.5), Duration::ZERO);
        latencies.record(Duration::MAX);
        assert!(latencies.percentile(0.5) > Duration::from_secs(1 << 33));
    }
}
