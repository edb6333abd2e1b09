//! How far work is: for a person at a terminal one line that is written again and again, for whoever reads a log a line now and then.
//! All on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

use crate::config::show_duration;
use crate::load::numbers::count;

/// How often a line is written where there is no terminal.
const NOW_AND_THEN: Duration = Duration::from_secs(10);

/// How wide a bar is, without its ends, and a terminal that does not say how wide it is. In characters.
const BAR: usize = 20;
const USUAL: usize = 80;

/// Whether anybody sees it at a terminal.
pub(super) fn is_shown() -> bool {
    io::stderr().is_terminal()
}

/// Writes over the line before; an empty text wipes it out. Nobody else is shown anything.
pub(super) fn show(text: &str) {
    let mut terminal = io::stderr().lock();
    if terminal.is_terminal() {
        // Without a terminal that takes it, the work goes on all the same.
        let _ = write!(terminal, "\r\x1b[K{text}").and_then(|()| terminal.flush());
    }
}

/// So many bytes, to be read by people.
pub(super) fn megabytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB)
}

/// What work is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    Things,
}

/// Work that is shown.
pub(super) struct Progress {
    unit: Unit,
    began: Instant,
    told: Instant,
    /// How much there is to do, as far as that is known.
    ahead: Option<u64>,
}

impl Progress {
    /// The work begins.
    pub(super) fn begin(unit: Unit) -> Self {
        let now = Instant::now();
        Self { unit, began: now, told: now, ahead: None }
    }

    /// What it is measured by.
    pub(super) fn unit(&self) -> Unit {
        self.unit
    }

    /// There is so much to do.
    pub(super) fn expect(&mut self, ahead: u64) {
        self.ahead = Some(ahead);
    }

    /// So much is done; `what` says it in words.
    pub(super) fn show(&mut self, what: &str, done: u64) {
        let took = self.began.elapsed();
        if is_shown() {
            let columns = tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
            let columns = if columns > 0 { columns } else { USUAL };
            show(&self.line(what, done, took, Some(columns - 1)));
        } else if self.told.elapsed() >= NOW_AND_THEN {
            self.told = Instant::now();
            eprintln!("{}", self.line(what, done, took, None));
        }
    }

    /// How far it is, how fast it goes, and how long it will take, after so long; within a width with a bar, if there is room for one.
    fn line(&self, what: &str, done: u64, took: Duration, width: Option<usize>) -> String {
        let ahead = self.ahead.filter(|ahead| *ahead > 0);
        let share = ahead.map(|ahead| Share { done: done.min(ahead), ahead });
        let text = self.text(what, done, took);
        let text = share.map_or_else(|| text.clone(), |share| format!("{:>3}% {text}", share.of(100)));
        let Some(width) = width else { return text };
        match share {
            Some(share) if text.chars().count() + BAR + 3 <= width => format!("{} {text}", share.bar()),
            _ => text.chars().take(width).collect(),
        }
    }

    fn text(&self, what: &str, done: u64, took: Duration) -> String {
        let (done, milliseconds) = (u128::from(done), took.as_millis().max(1));
        let rate = u64::try_from(done * 1_000 / milliseconds).unwrap_or(u64::MAX);
        let speed = match self.unit {
            Unit::Bytes => megabytes(rate),
            Unit::Things => count(rate),
        };
        let left = self.ahead.and_then(|ahead| u128::from(ahead).checked_sub(done)).filter(|left| *left > 0);
        let left = left.and_then(|left| (left * milliseconds).div_ceil(1_000).checked_div(done));
        let left = left.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)));
        let left = left.map(|left| format!(", about {} to go", show_duration(left)));
        format!("{what}, {speed}/s{}", left.unwrap_or_default())
    }
}

/// How much of something is done.
#[derive(Debug, Clone, Copy)]
struct Share {
    done: u64,
    /// In all, and more than nothing.
    ahead: u64,
}

impl Share {
    fn of(self, whole: u64) -> u64 {
        let part = u128::from(self.done) * u128::from(whole) / u128::from(self.ahead);
        u64::try_from(part).unwrap_or(whole)
    }

    fn bar(self) -> String {
        let full = usize::try_from(self.of(BAR as u64)).unwrap_or(BAR);
        format!("[{:<BAR$}]", "#".repeat(full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(unit: Unit, ahead: Option<u64>) -> Progress {
        Progress { ahead, ..Progress::begin(unit) }
    }

    #[test]
    fn what_is_done_is_told_with_its_share_its_rate_and_the_time_that_is_left() {
        let progress = progress(Unit::Bytes, Some(400 << 20));
        let line = |width| progress.line("read 7 blobs", 100 << 20, Duration::from_secs(10), width);
        assert_eq!(line(Some(80)), "[#####               ]  25% read 7 blobs, 10.0 MiB/s, about 30s to go");
        assert_eq!(line(None), " 25% read 7 blobs, 10.0 MiB/s, about 30s to go");
        assert_eq!(line(Some(68)), line(None), "the bar goes before anything else does");
        assert_eq!(line(Some(12)), " 25% read 7 ");
    }

    #[test]
    fn what_is_not_known_is_not_told_and_nothing_goes_beyond_its_end() {
        let second = Duration::from_secs(1);
        assert_eq!(progress(Unit::Things, None).line("looked", 1_500, second, Some(80)), "looked, 1,500/s");
        let over = progress(Unit::Things, Some(10)).line("looked", 12, second, None);
        assert_eq!(over, "100% looked, 12/s");
        assert_eq!(progress(Unit::Bytes, Some(0)).line("read", 0, second, Some(80)), "read, 0.0 MiB/s");
    }
}
