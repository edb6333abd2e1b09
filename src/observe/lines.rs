//! The queue between those who log and a pipe that may be read slowly or not at all.
//!
//! Written here rather than taken from tracing-appender, whose guard prints to standard output when
//! its queue is full at the end: with nobody reading, that would keep the process from ending.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// How many lines wait for their reader before new ones are lost.
const CAPACITY: usize = 16 * 1024;

/// How many bytes are written in one call, about.
const BATCH: usize = 64 * 1024;

/// Lines on their way out, written by a thread of their own in the order in which they came.
#[derive(Debug)]
pub(super) struct Lines {
    queue: SyncSender<Item>,
    lost: AtomicUsize,
}

#[derive(Debug)]
enum Item {
    Line(String),
    /// Everything before it has been written when the answer comes.
    Flush(SyncSender<()>),
}

impl Lines {
    /// Starts the thread that writes.
    pub(super) fn to(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, items) = sync_channel(CAPACITY);
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread.spawn(move || write_all(&items, output))?;
        Ok(Lines { queue, lost: AtomicUsize::new(0) })
    }

    /// Adds a line, which ends with its line feed. Never waits: a line for which there is no room is
    /// lost.
    pub(super) fn write(&self, line: String) {
        if self.queue.try_send(Item::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines were lost since this was last asked.
    pub(super) fn take_lost(&self) -> usize {
        match self.lost.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.lost.swap(0, Ordering::Relaxed),
        }
    }

    /// Waits until what was added before is written, or the patience is over.
    pub(super) fn flush(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let (done, is_done) = sync_channel(1);
        while let Err(TrySendError::Full(_)) = self.queue.try_send(Item::Flush(done.clone())) {
            if Instant::now() >= end {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Whether it is done or too late, there is nothing more to do.
        let _ = is_done.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

/// Writes until nobody can add any more. What the output does not take (its reader is gone, say) is
/// given up: there is nowhere to complain.
fn write_all(items: &Receiver<Item>, mut output: impl Write) {
    let mut batch = String::new();
    while let Ok(first) = items.recv() {
        let mut next = Some(first);
        let mut flushed = None;
        while let Some(item) = next {
            match item {
                Item::Line(line) => batch.push_str(&line),
                Item::Flush(done) => flushed = Some(done),
            }
            let more = flushed.is_none() && batch.len() < BATCH;
            next = more.then(|| items.try_recv().ok()).flatten();
        }
        let _ = output.write_all(batch.as_bytes()).and_then(|()| output.flush());
        batch.clear();
        if let Some(done) = flushed {
            let _ = done.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipe that nobody reads.
    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                std::thread::park();
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn with_a_stuck_reader_lines_are_lost_and_counted_and_nobody_waits() -> io::Result<()> {
        let lines = Lines::to(Stuck)?;
        let began = Instant::now();
        for _ in 0..2 * CAPACITY {
            lines.write("a line\n".to_owned());
        }
        lines.flush(Duration::from_millis(50));
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(lines.take_lost() > 0);
        assert_eq!(lines.take_lost(), 0);
        Ok(())
    }

    #[test]
    fn what_was_added_is_written_in_order_once_flushed() -> io::Result<()> {
        let (mut reader, writer) = io::pipe()?;
        let lines = Lines::to(writer)?;
        for number in 0..1_000 {
            lines.write(format!("{number}\n"));
        }
        lines.flush(Duration::from_secs(30));
        drop(lines);
        let mut written = String::new();
        io::Read::read_to_string(&mut reader, &mut written)?;
        let expected: String = (0..1_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(written, expected);
        Ok(())
    }
}
