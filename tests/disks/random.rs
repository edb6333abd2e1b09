//! Choices.

use std::time::{SystemTime, UNIX_EPOCH};

/// A stream of numbers that look random (xorshift*).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Other numbers at each run. What depends on the moment cannot be repeated anyway.
    pub(crate) fn of_now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self::new(now.as_secs() ^ u64::from(now.subsec_nanos()) << 32)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    /// One of them, or `None` if there is none.
    pub(crate) fn pick<T>(&mut self, mut from: impl ExactSizeIterator<Item = T>) -> Option<T> {
        match from.len() {
            0 => None,
            length => from.nth(usize::try_from(self.below(length as u64)).unwrap()),
        }
    }
}
