//! What is said of each request: its id in every event about it, one event and one access line when
//! it is over.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::http::{HeaderMap, Method, Request, StatusCode, Uri, Version, header};
use ipnet::IpNet;
use time::OffsetDateTime;
use tracing::Span;

use super::identifiers::{RequestId, TraceParent};
use super::metrics::{Method as MethodLabel, Route, metrics};
use super::{access, report_lost, spans};
use crate::oci::RepositoryName;

/// Who is at the other end of a connection. Every request carries it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A client over TCP.
    Address(IpAddr),
    /// A client over a unix socket, which has no address.
    Local,
}

impl Peer {
    /// Whether it is one of these proxies, which are believed. Where there are any, whoever comes over a unix socket is one.
    pub fn is_trusted(self, proxies: &[IpNet]) -> bool {
        match self {
            Self::Address(address) => proxies.iter().any(|network| network.contains(&address)),
            Self::Local => !proxies.is_empty(),
        }
    }
}

/// How bytes travel between a client and this server. Every request carries it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// As they are.
    Plain,
    /// Over TLS.
    Encrypted,
}

impl Transport {
    /// The scheme of URLs that lead here by the same way.
    pub fn scheme(self) -> &'static str {
        match self {
            Transport::Plain => "http",
            Transport::Encrypted => "https",
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Address(address) => address.fmt(formatter),
            Peer::Local => formatter.write_str("@"),
        }
    }
}

/// What only the API knows of a request. It is an extension of the response, for [`Exchange::answered`].
#[derive(Debug, Clone)]
pub struct Told {
    pub route: Route,
    /// Its path, with the names of its parts in their place.
    pub template: &'static str,
    /// The repository that it names.
    pub repository: Option<RepositoryName>,
    /// Who has sent it, if anybody has proved that.
    pub user: Option<String>,
}

impl Told {
    /// Nothing is known.
    pub const NOTHING: Self = Self { route: Route::None, template: "", repository: None, user: None };
}

/// Counts the bytes of a request's body. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Received(Arc<AtomicU64>);

impl Received {
    /// So many more bytes have come in.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        metrics().request_bytes.inc_by(bytes);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One request and its response, from the request's headers to the last byte of the response's body.
/// Dropping it says that they are over.
#[derive(Debug)]
pub struct Exchange {
    id: RequestId,
    trace: Option<TraceParent>,
    peer: Peer,
    method: Method,
    target: Uri,
    version: Version,
    headers: Mentioned,
    began: Instant,
    clock: OffsetDateTime,
    status: Option<StatusCode>,
    told: Told,
    /// `None` without a body.
    received: Option<Received>,
    sent: u64,
    span: Span,
}

/// The request's headers that an access line repeats.
#[derive(Debug)]
struct Mentioned {
    referer: String,
    user_agent: String,
}

impl Exchange {
    /// The headers of a request have arrived. Who is trusted may have named it.
    pub fn begin<B>(request: &Request<B>, peer: Peer, is_trusted: bool) -> Self {
        let given = is_trusted.then(|| RequestId::given(request.headers())).flatten();
        let (id, trace) = (given.unwrap_or_else(RequestId::next), TraceParent::of(request.headers()));
        let span = span(&id, trace);
        metrics().requests_under_way.inc();
        Exchange {
            id,
            trace,
            peer,
            method: request.method().clone(),
            target: request.uri().clone(),
            version: request.version(),
            headers: Mentioned {
                referer: text(request.headers(), &header::REFERER),
                user_agent: text(request.headers(), &header::USER_AGENT),
            },
            began: Instant::now(),
            clock: OffsetDateTime::now_utc(),
            status: None,
            told: Told::NOTHING,
            received: None,
            sent: 0,
            span,
        }
    }

    /// The request's name.
    pub fn id(&self) -> RequestId {
        self.id.clone()
    }

    /// The span in which everything about this request happens: events within it carry its id.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The response's headers are known, and what the API has told of the request, if it has seen it.
    pub fn answered(&mut self, status: StatusCode, told: Option<Told>) {
        self.status = Some(status);
        self.told = told.unwrap_or(Told::NOTHING);
    }

    /// The request has a body, whose bytes are to be counted like this.
    pub fn receives(&mut self) -> Received {
        self.received.insert(Received::default()).clone()
    }

    /// So many more bytes of the response's body have been handed to the connection.
    pub fn sent(&mut self, bytes: u64) {
        self.sent += bytes;
        metrics().response_bytes.inc_by(bytes);
    }

    fn count(&self, status: u16) {
        let metrics = metrics();
        metrics.requests_under_way.dec();
        metrics.requests.record(
            self.told.route,
            MethodLabel::from(&self.method),
            status,
            self.began.elapsed(),
        );
    }

    fn log(&self, status: u16) {
        let milliseconds = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (method, path, sent) = (self.method.as_str(), self.target.path(), self.sent);
        let _entered = self.span.enter();
        match status {
            500.. => tracing::error!(method, path, status, sent, milliseconds, "request failed"),
            _ => tracing::info!(method, path, status, sent, milliseconds, "request served"),
        }
    }

    /// Says in the span what the request has come to, if anybody traces it.
    fn trace(&self, status: u16) {
        if !spans::are_made() {
            return;
        }
        let ended = spans::Ended {
            method: self.method.as_str(),
            template: self.told.template,
            path: self.target.path(),
            status,
            repository: self.told.repository.as_ref().map(RepositoryName::as_str),
            received: self.received.as_ref().map_or(0, Received::get),
            sent: self.sent,
            client: self.peer.to_string(),
            user_agent: &self.headers.user_agent,
        };
        ended.record(&self.span);
    }
}

/// What proxies write for a client that was gone before there was an answer.
const CLIENT_GONE: u16 = 499;

impl Drop for Exchange {
    fn drop(&mut self) {
        let status = self.status.map_or(CLIENT_GONE, |status| status.as_u16());
        self.count(status);
        self.log(status);
        access::write(&access::Line {
            request: &self.id,
            trace: self.trace.as_ref(),
            route: self.told.route,
            repository: self.told.repository.as_ref(),
            user: self.told.user.as_deref(),
            client: &self.peer,
            began: self.clock,
            method: self.method.as_str(),
            target: self.target.path_and_query().map_or("/", |target| target.as_str()),
            version: version(self.version),
            status,
            received: self.received.as_ref().map_or(0, Received::get),
            sent: self.sent,
            took: self.began.elapsed(),
            referer: &self.headers.referer,
            user_agent: &self.headers.user_agent,
        });
        self.trace(status);
        report_lost();
    }
}

/// The fields that are empty here are the id of a trace, and those of the audit. Whatever is logged at all carries what they say, for
/// no level is above this one.
fn span(id: &RequestId, trace: Option<TraceParent>) -> Span {
    use tracing::field::Empty;
    let span = tracing::error_span!(
        target: spans::REQUEST,
        "request",
        otel.kind = "server",
        request = %id,
        trace_id = Empty,
        audit = Empty,
        who = Empty,
        action = Empty,
        from = Empty
    );
    if let Some(trace) = trace {
        spans::continue_trace(&span, &trace);
        span.record("trace_id", trace.trace_id());
    }
    span
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    value.unwrap_or_default().into_owned()
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::{Layer, SubscriberExt};
    use tracing_subscriber::registry::Registry;

    use super::super::event::{Events, Form};
    use super::super::targets;
    use super::*;

    /// What is logged when a request ends with this status.
    fn logged(status: Option<StatusCode>) -> String {
        let lines = Arc::new(Mutex::new(String::new()));
        let copy = Arc::clone(&lines);
        let form = Form { json: false, colour: false, fields: BTreeMap::new() };
        let events = Events::new(form, move |line: String| {
            if let Ok(mut lines) = copy.lock() {
                lines.push_str(&line);
            }
        });
        tracing::subscriber::with_default(Registry::default().with(events), || {
            let mut request = Request::new(());
            *request.uri_mut() = Uri::from_static("/v2/?q");
            let mut exchange = Exchange::begin(&request, Peer::Local, false);
            exchange.sent(7);
            status.into_iter().for_each(|status| exchange.answered(status, None));
        });
        lines.lock().map(|lines| lines.clone()).unwrap_or_default()
    }

    #[test]
    fn an_event_carries_its_request_however_little_is_logged() {
        let lines = Arc::new(Mutex::new(String::new()));
        let copy = Arc::clone(&lines);
        let form = Form { json: false, colour: false, fields: BTreeMap::new() };
        let events = Events::new(form, move |line: String| copy.lock().unwrap().push_str(&line));
        let quiet = events.with_filter(targets(tracing::Level::WARN));
        tracing::subscriber::with_default(Registry::default().with(quiet), || {
            let exchange = Exchange::begin(&Request::new(()), Peer::Local, false);
            exchange.span().in_scope(|| {
                tracing::info!("of no interest");
                tracing::warn!("refused");
            });
        });
        let logged = lines.lock().unwrap().clone();
        assert!(logged.contains(" WARN refused request=") && logged.lines().count() == 1, "{logged}");
    }

    #[test]
    fn a_request_that_fails_is_an_error_with_its_method_path_status_and_id() {
        let line = logged(Some(StatusCode::SERVICE_UNAVAILABLE));
        assert!(line.contains("ERROR request failed method=GET path=/v2/ status=503 sent=7"), "{line}");
        assert!(line.contains(" request="), "{line}");
    }

    #[test]
    fn a_request_that_is_served_is_an_event_and_one_whose_client_left_says_so() {
        assert!(logged(Some(StatusCode::NOT_FOUND)).contains(" INFO request served"));
        assert!(logged(None).contains("status=499"));
    }
}
