//! How far a load is, in one line that is written again and again, for a person at a terminal.

use std::io::{self, IsTerminal};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::progress::show;
use crate::load::numbers::{bandwidth, count, grouped};
use crate::load::{self, Load, Plan, Watch, Work};

/// How often the line is written.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long what is under way at the end of the time may still take.
const GRACE: Duration = Duration::from_secs(10);

/// Runs the load, shows how far it is, and stops it where it does not end by itself.
pub(super) fn run(plan: &Plan<'_>, watch: &Watch, work: &dyn Work) -> Load {
    let (end, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || accompany(plan, watch, &ended));
        let load = load::run(plan, watch, work);
        drop(end);
        load
    })
}

/// Looks on until the load has ended, which is when the sender is gone.
fn accompany(plan: &Plan<'_>, watch: &Watch, ended: &mpsc::Receiver<()>) {
    let is_shown = io::stderr().is_terminal();
    let began = Instant::now();
    let mut before = Counts::default();
    while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        if began.elapsed() > plan.limit.time.saturating_add(GRACE) {
            watch.stop.set_overdue();
        }
        if is_shown {
            let now = Counts::of(watch);
            show(&format!(
                "{} of {} s: {}",
                began.elapsed().as_secs(),
                plan.limit.time.as_secs(),
                now.since(&before)
            ));
            before = now;
        }
    }
    if is_shown {
        show("");
    }
}

/// What a load has done up to some moment.
struct Counts {
    at: Instant,
    operations: u64,
    bytes: u64,
    failures: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self { at: Instant::now(), operations: 0, bytes: 0, failures: 0 }
    }
}

impl Counts {
    fn of(watch: &Watch) -> Self {
        Self {
            at: Instant::now(),
            operations: watch.operations.load(Ordering::Relaxed),
            bytes: watch.bytes.load(Ordering::Relaxed),
            failures: watch.failures.load(Ordering::Relaxed),
        }
    }

    /// So many in all, and the rates of the moment.
    fn since(&self, before: &Self) -> String {
        let seconds = self.at.duration_since(before.at).as_secs_f64();
        format!(
            "{} operations, {}/s, {}, {} failed",
            count(self.operations),
            grouped((self.operations - before.operations) as f64 / seconds),
            bandwidth((self.bytes - before.bytes) as f64 / seconds),
            count(self.failures),
        )
    }
}
