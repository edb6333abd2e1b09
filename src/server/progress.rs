//! What happens on a connection, and when it has gone on for too long without anything happening.
//!
//! A connection is at one of three stages, each with a timeout of its own: nothing is asked
//! (`http.keepalivetimeout`), a request's headers are coming in (`http.headertimeout`), or a request
//! is under way (`http.idletimeout`, counted from the last byte in either direction). There is no
//! limit on a whole request's time: slow is not stuck.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// How long each stage may last without a byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    /// From the first byte of a request, or from the connection's start, to the end of its headers.
    pub(super) headers: Duration,
    /// Between two bytes, in either direction, while a request is under way.
    pub(super) idle: Duration,
    /// Between two requests.
    pub(super) keep_alive: Duration,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    NextRequest,
    Headers,
    Request,
}

/// What has happened on one connection. Shared by its socket, its requests and its watchdog.
///
/// Times are milliseconds since it began, plus one: zero stands for "never". No field decides about
/// another's memory, so relaxed ordering is enough.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    last_byte: AtomicU64,
    /// When the headers now coming in began to; zero when none are.
    headers_since: AtomicU64,
    requests: AtomicU32,
    /// The peer does not take what is written as fast as it is written.
    write_blocked: AtomicBool,
    /// A request's body was not read to its end.
    body_left: AtomicBool,
    /// HTTP/2: bytes outside of requests are housekeeping, not the beginning of headers.
    multiplexed: AtomicBool,
}

impl Progress {
    /// A connection has been accepted. The headers of its first request are due.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Progress {
            began: Instant::now(),
            last_byte: AtomicU64::new(1),
            headers_since: AtomicU64::new(1),
            requests: AtomicU32::new(0),
            write_blocked: AtomicBool::new(false),
            body_left: AtomicBool::new(false),
            multiplexed: AtomicBool::new(false),
        })
    }

    /// The connection speaks HTTP/2.
    pub(super) fn is_multiplexed(&self) {
        self.multiplexed.store(true, Ordering::Relaxed);
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        let now = self.now();
        self.last_byte.store(now, Ordering::Relaxed);
        let between = self.requests.load(Ordering::Relaxed) == 0
            && self.headers_since.load(Ordering::Relaxed) == 0
            && !self.multiplexed.load(Ordering::Relaxed);
        if between {
            self.headers_since.store(now, Ordering::Relaxed);
        }
    }

    /// Bytes went out.
    pub(super) fn sent(&self) {
        self.touch();
        self.write_blocked.store(false, Ordering::Relaxed);
    }

    fn touch(&self) {
        self.last_byte.store(self.now(), Ordering::Relaxed);
    }

    /// Bytes are to go out, and the peer does not take them yet.
    pub(super) fn write_blocked(&self) {
        self.write_blocked.store(true, Ordering::Relaxed);
    }

    /// A request's body was dropped before its end.
    pub(super) fn body_left(&self) {
        self.body_left.store(true, Ordering::Relaxed);
    }

    /// Whether the peer may still be sending what nobody will read.
    pub(super) fn is_peer_sending(&self) -> bool {
        self.body_left.load(Ordering::Relaxed) || self.headers_since.load(Ordering::Relaxed) != 0
    }

    /// A request's headers have arrived. It is under way until the value returned is dropped.
    pub(super) fn begin_request(self: &Arc<Self>) -> UnderWay {
        self.headers_since.store(0, Ordering::Relaxed);
        self.body_left.store(false, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// What is waited for, and until when.
    fn deadline(&self, timeouts: &Timeouts) -> (Stage, Instant) {
        let headers_since = self.headers_since.load(Ordering::Relaxed);
        let busy = self.requests.load(Ordering::Relaxed) > 0 || self.write_blocked.load(Ordering::Relaxed);
        let last_byte = self.last_byte.load(Ordering::Relaxed);
        let (stage, since, timeout) = match (busy, headers_since) {
            (true, _) => (Stage::Request, last_byte, timeouts.idle),
            (false, 0) => (Stage::NextRequest, last_byte, timeouts.keep_alive),
            (false, since) => (Stage::Headers, since, timeouts.headers),
        };
        (stage, self.began + Duration::from_millis(since - 1) + timeout)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).map_or(u64::MAX, |now| now.saturating_add(1))
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Progress>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.touch();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Completes, with the stage, when a stage has lasted too long. Polled by the connection's own task
/// after each thing that happened, so that a deadline that came nearer is seen.
pub(super) struct Watchdog {
    progress: Arc<Progress>,
    timeouts: Timeouts,
    sleep: Pin<Box<Sleep>>,
}

impl Watchdog {
    pub(super) fn new(progress: Arc<Progress>, timeouts: Timeouts) -> Self {
        let (_, deadline) = progress.deadline(&timeouts);
        Watchdog { progress, timeouts, sleep: Box::pin(tokio::time::sleep_until(deadline)) }
    }
}

/// How long a connection without a request lasts once the server drains. HTTP/1 ends it at once;
/// HTTP/2 asks the client first.
const FAREWELL: Duration = Duration::from_secs(1);

impl Watchdog {
    /// The server drains: from now on a connection without a request does not last.
    pub(super) fn drain(&mut self) {
        self.progress.touch();
        self.timeouts.keep_alive = self.timeouts.keep_alive.min(FAREWELL);
    }
}

impl Future for Watchdog {
    type Output = Stage;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Stage> {
        let (stage, deadline) = self.progress.deadline(&self.timeouts);
        if deadline < self.sleep.deadline() {
            self.sleep.as_mut().reset(deadline);
        }
        while self.sleep.as_mut().poll(context).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(stage);
            }
            self.sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        headers: Duration::from_secs(30),
        idle: Duration::from_secs(60),
        keep_alive: Duration::from_secs(120),
    };

    fn stage(progress: &Progress) -> Stage {
        progress.deadline(&TIMEOUTS).0
    }

    #[test]
    fn a_connection_goes_from_headers_to_request_to_waiting_for_the_next() {
        let progress = Progress::new();
        assert_eq!(stage(&progress), Stage::Headers);
        let request = progress.begin_request();
        assert_eq!(stage(&progress), Stage::Request);
        drop(request);
        assert_eq!(stage(&progress), Stage::NextRequest);
        progress.received();
        assert_eq!(stage(&progress), Stage::Headers);
    }

    #[test]
    fn a_response_that_the_client_does_not_take_is_still_under_way() {
        let progress = Progress::new();
        drop(progress.begin_request());
        progress.write_blocked();
        assert_eq!(stage(&progress), Stage::Request);
        progress.sent();
        assert_eq!(stage(&progress), Stage::NextRequest);
    }

    #[test]
    fn housekeeping_between_http_2_requests_is_not_taken_for_headers() {
        let progress = Progress::new();
        progress.is_multiplexed();
        drop(progress.begin_request());
        progress.received();
        assert_eq!(stage(&progress), Stage::NextRequest);
    }
}
