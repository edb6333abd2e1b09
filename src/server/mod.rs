//! Sockets, connections, limits and draining: everything between the network and a router.
//!
//! [`Server::bind`] takes an address, [`Server::run`] serves a router there until it is told to stop,
//! and then lets what is under way finish within `http.draintimeout`. Promises: a client that sends or
//! takes bytes, however slowly, is never cut off by a timeout; one that does neither is; no error of
//! one connection ends another, or the server.
//!
//! Called by the command line, which puts the pieces together. Knows nothing of registries: what it
//! serves is any axum router.

mod accept;
mod address;
mod connection;
mod conversation;
mod debug;
mod endpoint;
mod file_sender;
mod linger;
mod listener;
pub mod open_files;
mod phase;
mod places;
mod progress;
mod protocol;
mod refusal;
mod service;
pub mod signals;
mod socket;
mod socket_file;
pub mod supervisor;
pub mod tls;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;
use ipnet::IpNet;
use tokio::time::Instant;

pub use address::{Address, AddressError};
pub use debug::MetricsPage;
pub use endpoint::{Endpoint, Location};
pub use file_sender::FileSender;
pub use listener::BindError;
pub use socket_file::connect;
pub use tls::{Tls, TlsError};

use crate::health::Health;
use debug::Probes;
use file_sender::Files;
use listener::Listener;
use phase::{Lifecycle, Phase, PhaseWatch};
use places::{Place, Places};
use progress::Timeouts;

/// Limits and manners of a server. Times and sizes are those of the settings they are named after.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `http.headers`, for the answers that no router gives.
    pub headers: Vec<(String, String)>,
    /// `http.headertimeout`
    pub header_timeout: Duration,
    /// `http.idletimeout`. A little is added, so that a body's own timeout comes first and is answered.
    pub idle_timeout: Duration,
    /// `http.keepalivetimeout`
    pub keep_alive_timeout: Duration,
    /// `http.draintimeout`: from the wish to stop to the last connection's end.
    pub drain_timeout: Duration,
    /// `http.waittimeout`: how long a connection over the limit waits before it is refused.
    pub wait_timeout: Duration,
    /// `http.maxconnections`
    pub max_connections: usize,
    /// `http.maxheaderbytes`
    pub max_header_bytes: usize,
    /// What TLS is spoken with; plain HTTP without.
    pub tls: Option<Arc<Tls>>,
    /// `http.h2c.enabled`: HTTP/2 with prior knowledge is spoken beside HTTP/1, where there is no TLS.
    pub http2: bool,
    /// Whether requests are logged, and they and connections counted.
    pub logged: bool,
    /// `http.trustedproxies`: they may name requests.
    pub trusted_proxies: Vec<IpNet>,
    /// Who sends what is a file's from the file, over plain HTTP/1.1. Everything is copied without.
    pub files: Option<Arc<dyn FileSender>>,
}

/// What is added to `http.idletimeout` for a connection as a whole.
const IDLE_MARGIN: Duration = Duration::from_secs(5);

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    endpoint: Endpoint,
    settings: Settings,
    lifecycle: Lifecycle,
}

/// What all connections of a server share.
#[derive(Debug)]
struct House {
    router: Router,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    places: Places,
    answers: Answers,
    lifecycle: Lifecycle,
    logged: bool,
    trusted_proxies: Vec<IpNet>,
    files: Option<Files>,
}

#[derive(Debug)]
struct Limits {
    timeouts: Timeouts,
    wait: Duration,
    http2: bool,
}

/// Answers that are given without asking the router, ready to be sent.
#[derive(Debug)]
struct Answers {
    busy: String,
    no_tls: String,
    tls_only: String,
}

/// Whether a server is ready for requests: false from the moment it begins to drain.
#[derive(Debug, Clone)]
pub struct Readiness(PhaseWatch);

impl Readiness {
    /// Whether new requests are welcome.
    pub fn is_ready(&self) -> bool {
        self.0.is_serving()
    }

    /// The router of the debug listener, with metrics where they are wanted.
    pub fn debug_router(self, health: Arc<Health>, metrics: Option<MetricsPage>) -> Router {
        debug::router(Probes { readiness: self, health }, metrics)
    }
}

impl Server {
    /// Listens on the address. Connections are accepted by the system from now on, and wait.
    pub async fn bind(address: &Address, settings: Settings) -> Result<Self, BindError> {
        Self::over(Listener::bind(address).await?, settings)
    }

    fn over(listener: Listener, settings: Settings) -> Result<Self, BindError> {
        let location = listener.location().map_err(BindError::Lost)?;
        let endpoint = Endpoint { location, is_encrypted: settings.tls.is_some() };
        Ok(Server { listener, endpoint, settings, lifecycle: Lifecycle::new() })
    }

    /// Listens on the socket that a supervisor has handed over, or on the address where there is none.
    pub async fn bind_or_inherit(address: &Address, settings: Settings) -> Result<Self, BindError> {
        match supervisor::socket().map_err(BindError::Inherited)? {
            Some(socket) => {
                tracing::info!(
                    "the supervisor has handed over the socket to serve; http.addr does not count"
                );
                Self::over(Listener::inherit(socket)?, settings)
            }
            None => Self::bind(address, settings).await,
        }
    }

    /// Where it listens, with the port that was chosen.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A view of whether this server is ready.
    pub fn readiness(&self) -> Readiness {
        Readiness(self.lifecycle.watch())
    }

    /// Serves until `stop` completes, then drains: no more connections, those idle are closed, requests
    /// under way are finished. Shortly before `http.draintimeout` is over `last_call` is called, which
    /// is to make whatever is still under way end; at its end what is left is dropped.
    pub async fn run(self, router: Router, stop: impl Future<Output = ()>, last_call: impl FnOnce()) {
        let drain_timeout = self.settings.drain_timeout;
        let (listener, house) = self.open(router);
        let accepting = accept::run(listener, Arc::clone(&house));
        let stopping = async {
            stop.await;
            house.lifecycle.enter(Phase::Draining);
            Instant::now()
        };
        let ((), began) = tokio::join!(accepting, stopping);
        drain(&house, began, drain_timeout, last_call).await;
    }

    fn open(self, router: Router) -> (Listener, Arc<House>) {
        let settings = self.settings;
        let files = settings.files.filter(|_| settings.tls.is_none());
        let header_lines = refusal::header_lines(&settings.headers);
        let house = House {
            router,
            http1: protocol::http1(settings.max_header_bytes),
            http2: protocol::http2(settings.max_header_bytes),
            tls: settings.tls,
            limits: Limits {
                timeouts: Timeouts {
                    headers: settings.header_timeout,
                    idle: settings.idle_timeout.saturating_add(IDLE_MARGIN),
                    keep_alive: settings.keep_alive_timeout,
                },
                wait: settings.wait_timeout,
                http2: settings.http2,
            },
            places: Places::new(settings.max_connections),
            answers: Answers {
                busy: refusal::busy(&header_lines),
                no_tls: refusal::no_tls(&header_lines),
                tls_only: refusal::tls_only(&header_lines),
            },
            lifecycle: self.lifecycle,
            logged: settings.logged,
            trusted_proxies: settings.trusted_proxies,
            files: files.map(Files::new),
        };
        (self.listener, Arc::new(house))
    }
}

/// How long before the end of the drain the last call is made, at the most.
const LAST_CALL: Duration = Duration::from_secs(2);

async fn drain(house: &House, began: Instant, timeout: Duration, last_call: impl FnOnce()) {
    let last_call_at = began + timeout.saturating_sub(LAST_CALL.min(timeout / 4));
    if tokio::time::timeout_at(last_call_at, house.places.empty()).await.is_ok() {
        return;
    }
    tracing::info!(connections = house.places.taken(), "still busy: uploads are parked now");
    last_call();
    if tokio::time::timeout_at(began + timeout, house.places.empty()).await.is_ok() {
        return;
    }
    tracing::warn!(connections = house.places.taken(), "http.draintimeout is over: what is left is dropped");
    house.lifecycle.enter(Phase::Closing);
    // Dropping takes no time to speak of; a moment's patience lets each task see the word.
    let _ = tokio::time::timeout(Duration::from_millis(500), house.places.empty()).await;
}
