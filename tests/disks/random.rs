//! Choices.

use std::time::{SystemTime, UNIX_EPOCH};

use holdfast::store::simulated;

/// A stream of numbers that look random.
#[derive(Debug, Clone)]
pub(crate) struct Random(simulated::Random);

impl Random {
    /// The same numbers for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(simulated::Random::new(seed))
    }

    /// Other numbers at each run. What depends on the moment cannot be repeated anyway.
    pub(crate) fn of_now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self::new(now.as_secs() ^ u64::from(now.subsec_nanos()) << 32)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.number() % bound
    }

    /// One of them, or `None` if there is none.
    pub(crate) fn pick<T>(&mut self, mut from: impl ExactSizeIterator<Item = T>) -> Option<T> {
        match from.len() {
            0 => None,
            length => from.nth(usize::try_from(self.below(length as u64)).unwrap()),
        }
    }
}
