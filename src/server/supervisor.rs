//! What a supervisor (systemd, or who speaks its protocol) is told: ready, reloading, stopping. Where
//! there is none, nothing happens.

use sd_notify::NotifyState;

/// The service answers requests from now on.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The service finishes what is under way and ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the supervisor named by NOTIFY_SOCKET cannot be told");
    }
}
