//! A bounded rate.

use std::time::{Duration, Instant};

/// Keeps whoever reads to a number of bytes in a second. What was not read in time is not made up for.
pub(in crate::registry) struct Pace {
    /// In bytes a second; 0 is no bound.
    rate: u64,
    /// When what was read so far may have been read.
    due: Instant,
}

impl Pace {
    /// What a payload counts for at the least, in bytes: to find and open a file is work for a disk as well.
    const LEAST: u64 = 64 << 10;
    /// How far ahead of its time reading may be, so that nobody sleeps for less than clocks can tell.
    const AHEAD: Duration = Duration::from_millis(5);

    pub(in crate::registry) fn new(rate: u64) -> Self {
        Self { rate, due: Instant::now() }
    }

    /// Waits until so many bytes more may have been read.
    pub(super) async fn keep(&mut self, bytes: u64) {
        match self.wait_for(bytes, Instant::now()) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => tokio::task::yield_now().await,
        }
    }

    /// For how long whoever has read so many bytes now is to wait.
    pub(in crate::registry) fn wait_for(&mut self, bytes: u64, now: Instant) -> Option<Duration> {
        let nanoseconds =
            (u128::from(bytes.max(Self::LEAST)) * 1_000_000_000).checked_div(self.rate.into())?;
        let duration = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.due = self.due.max(now).checked_add(duration)?;
        Some(self.due.duration_since(now)).filter(|wait| *wait > Self::AHEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long it takes to read so many times so many bytes that are there at once.
    fn time_for(rate: u64, times: usize, bytes: u64) -> Duration {
        let mut pace = Pace::new(rate);
        let began = pace.due;
        (0..times).fold(began, |now, _| now + pace.wait_for(bytes, now).unwrap_or_default()) - began
    }

    #[test]
    fn no_more_is_read_in_a_second_than_the_rate() {
        assert_eq!(time_for(10 << 20, 30, 1 << 20), Duration::from_secs(3));
    }

    #[test]
    fn small_payloads_are_bounded_in_number() {
        let took = time_for(20 << 20, 640, 100);
        assert!(took > Duration::from_millis(1_990) && took <= Duration::from_secs(2), "{took:?}");
    }

    #[test]
    fn what_was_not_read_in_time_is_not_made_up_for() {
        let mut pace = Pace::new(1 << 20);
        let now = pace.due + Duration::from_secs(60);
        assert_eq!(pace.wait_for(1 << 20, now), Some(Duration::from_secs(1)));
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        assert_eq!(time_for(0, 10, u64::MAX), Duration::ZERO);
    }
}
