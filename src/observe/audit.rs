//! Who was let do what: an event for each refusal, and fields of the request's own event for each write that was let in.

use axum::http::Method;
use tracing::Span;
use tracing::field::display;

use super::Peer;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Granted,
    /// Refused for now: whoever asks has not said yet who they are, as most clients begin.
    Asked,
    Refused,
}

/// Tells of a decision: who wanted to do what, where, and from which address. The field `audit` says what became of it.
///
/// What was granted stands in the event with which the request ends, together with what came of it; a second line for each
/// request of a push would cost more than the door itself.
pub fn audit(decision: Decision, who: &str, method: &Method, path: &str, action: &str, from: Peer) {
    let method = method.as_str();
    match decision {
        Decision::Granted => grant(who, action, from),
        Decision::Asked => {
            tracing::info!(audit = "refused", who, action, method, path, from = display(from), "access");
        }
        Decision::Refused => {
            tracing::warn!(audit = "refused", who, action, method, path, from = display(from), "access");
        }
    }
}

fn grant(who: &str, action: &str, from: Peer) {
    let request = Span::current();
    request
        .record("audit", "granted")
        .record("who", who)
        .record("action", action)
        .record("from", display(from));
}
