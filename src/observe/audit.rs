//! Who was let do what: an event for each decision on a write, and for each refusal.

use axum::http::Method;

use super::Peer;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Granted,
    /// Refused for now: whoever asks has not said yet who they are, as most clients begin.
    Asked,
    Refused,
}

/// Tells of a decision: who wanted to do what, where, and from which address. The event's `audit` says what became of it.
pub fn audit(decision: Decision, who: &str, method: &Method, path: &str, action: &str, from: Peer) {
    let (method, from) = (method.as_str(), tracing::field::display(from));
    match decision {
        Decision::Granted => tracing::info!(audit = "granted", who, action, method, path, from, "access"),
        Decision::Asked => tracing::info!(audit = "refused", who, action, method, path, from, "access"),
        Decision::Refused => tracing::warn!(audit = "refused", who, action, method, path, from, "access"),
    }
}
