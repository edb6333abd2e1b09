//! Which part of its life a server is in. One place changes it; everyone else watches.

use tokio::sync::watch;

/// In the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Connections are accepted.
    Serving,
    /// No more connections; those idle are closed, requests under way are finished.
    Draining,
    /// Everything left is dropped.
    Closing,
}

/// Changes the phase.
#[derive(Debug)]
pub(super) struct Lifecycle(watch::Sender<Phase>);

/// Sees the phase change.
#[derive(Debug, Clone)]
pub(super) struct PhaseWatch(watch::Receiver<Phase>);

impl Lifecycle {
    pub(super) fn new() -> Self {
        Lifecycle(watch::Sender::new(Phase::Serving))
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.0.send_replace(phase);
    }

    pub(super) fn watch(&self) -> PhaseWatch {
        PhaseWatch(self.0.subscribe())
    }
}

impl PhaseWatch {
    /// Returns once the phase, or a later one, is entered; at once if that has happened.
    pub(super) async fn reached(&mut self, phase: Phase) {
        // An error says that the lifecycle is gone, and with it the server: later than any phase.
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }

    pub(super) fn is_serving(&self) -> bool {
        *self.0.borrow() == Phase::Serving
    }
}
