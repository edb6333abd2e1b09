//! What a supervisor (systemd, or who speaks its protocol) is told, ready and stopping, and the socket that it may hand over.
//! Where there is none, nothing happens.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use sd_notify::NotifyState;

/// The service answers requests from now on.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The service finishes what is under way and ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The socket that a supervisor listens on and has handed over (systemd's socket activation), if there is one. Call it once.
///
/// # Errors
///
/// When there is more than one: nobody could say which is meant.
pub fn socket() -> io::Result<Option<OwnedFd>> {
    let mut descriptors = sd_notify::listen_fds()?;
    match (descriptors.next(), descriptors.len()) {
        (None, _) => Ok(None),
        // SAFETY: the supervisor has opened the descriptor for this process, and nobody else here takes it.
        (Some(descriptor), 0) => Ok(Some(unsafe { OwnedFd::from_raw_fd(descriptor) })),
        (Some(_), more) => {
            let count = more + 1;
            Err(io::Error::other(format!(
                "the supervisor has handed over {count} sockets: name one in its unit"
            )))
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the supervisor named by NOTIFY_SOCKET cannot be told");
    }
}
