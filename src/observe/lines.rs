//! The queue between those who log and a pipe that may be read slowly or not at all.

use std::io::Write;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

/// How many lines wait for their reader before new ones are lost.
const CAPACITY: usize = 16 * 1024;

/// A writer that never blocks: each `write` is one line, written by a thread of its own in the order
/// it came. Dropping the guard writes out what waits.
pub(super) fn queue(output: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(CAPACITY)
        .finish(output)
}
