//! The queue between those who log and a pipe that may be read slowly or not at all.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// How many lines wait for their reader before new ones are lost.
const CAPACITY: usize = 16 * 1024;

/// A writer that never blocks: each `write` is one line, written by a thread of its own in the order
/// it came. Dropping the guard writes out what waits.
pub(super) fn queue(output: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(CAPACITY)
        .finish(output);
    if let Ok(mut queues) = LOSSES.queues.lock() {
        queues.push(writer.error_counter());
    }
    (writer, guard)
}

/// Lines that found their queue full.
struct Losses {
    queues: Mutex<Vec<ErrorCounter>>,
    reported: AtomicUsize,
    last_report: Mutex<Option<Instant>>,
}

static LOSSES: Losses = Losses {
    queues: Mutex::new(Vec::new()),
    reported: AtomicUsize::new(0),
    last_report: Mutex::new(None),
};

const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Logs how many lines were lost since this was last logged, now and then. Not to be called while an
/// event is being written.
pub(super) fn report_lost() {
    let Ok(queues) = LOSSES.queues.try_lock() else {
        return;
    };
    let lost = queues
        .iter()
        .map(ErrorCounter::dropped_lines)
        .sum::<usize>();
    drop(queues);
    let unreported = lost.saturating_sub(LOSSES.reported.load(Ordering::Relaxed));
    if unreported > 0 && is_report_due() {
        LOSSES.reported.store(lost, Ordering::Relaxed);
        tracing::warn!(
            lines = unreported,
            "log lines were lost: standard output or error is not read fast enough"
        );
    }
}

fn is_report_due() -> bool {
    let Ok(mut last) = LOSSES.last_report.try_lock() else {
        return false;
    };
    let due = last.is_none_or(|last| last.elapsed() >= REPORT_EVERY);
    if due {
        *last = Some(Instant::now());
    }
    due
}
