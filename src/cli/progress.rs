//! How far something is, in one line that is written again and again, for a person at a terminal.

use std::io::{self, IsTerminal, Write};

/// Whether anybody sees it.
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
