//! The end of a process in which something has panicked that others rely on.

/// Ends the process if the thread panics that has it. What such a thread has left in memory may be anything; what is on
/// disk is sound.
pub(super) struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            crate::observe::finish();
            std::process::abort();
        }
    }
}
