//! Points in time, as the metadata keeps them.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use minicbor::{Decode, Encode};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] pub u64);

impl Timestamp {
    /// The system clock's time; the epoch if the clock stands before it.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    /// The last moment that RFC 3339 can write.
    const LAST: Self = Self(253_402_300_799_000);

    /// As the system's type.
    fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }
}

/// As RFC 3339 writes it, in UTC.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from(self.min(&Self::LAST).to_system_time());
        // Fails for years of more than four digits alone, which are cut off.
        f.write_str(&time.format(&Rfc3339).unwrap_or_default())
    }
}

/// How long a store has been served, over all its runs: milliseconds, on from what the clock said when that began to be
/// counted. Comparable only with another of the same store.
///
/// Ages are told by it: neither a clock that is set, nor a time in which nobody could push, makes anything older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct ServedTime(#[n(0)] pub u64);

impl ServedTime {
    /// How far it is kept behind: by so many milliseconds the metadata may have it too early.
    pub const GRAIN: u64 = 1_000;

    /// How long after `earlier` this is; nothing if it comes before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Counts the time that a store is served.
#[derive(Debug, Clone, Copy)]
pub struct ServedClock {
    from: ServedTime,
    began: Instant,
}

impl ServedClock {
    /// Goes on from what was kept; in a store that has kept nothing yet, from what the clock says.
    pub(super) fn go_on(kept: Option<ServedTime>) -> Self {
        let from = kept.unwrap_or_else(|| ServedTime(Timestamp::now().0));
        Self { from, began: Instant::now() }
    }

    pub fn now(&self) -> ServedTime {
        let run = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        ServedTime(self.from.0.saturating_add(run))
    }
}
