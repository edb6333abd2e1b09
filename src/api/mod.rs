//! HTTP and nothing else: path to route, headers to arguments, outcome to response, error to code.
//!
//! A request walks one way: [`route`] → [`access`] → a handler → the registry. Handlers are
//! in a file for each family of endpoints. Whatever goes wrong becomes a response in [`error`] and nowhere else.

mod access;
mod base;
mod blobs;
mod catalog;
mod conditions;
mod description;
mod error;
mod headers;
mod links;
mod manifests;
mod occasion;
mod payload_body;
mod query;
mod ranges;
mod referrers;
mod request_body;
mod respond;
mod route;
mod source;
mod tags;
mod token;
mod uploads;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderName, HeaderValue, Method, request::Parts};
use axum::response::Response;
use futures_util::FutureExt;
use ipnet::IpNet;

use crate::auth::Authority;
use crate::health::Health;
use crate::observe::{Told, Transport};
use crate::registry::{Occasion, Registry};
use access::{Entry, Guest};
pub use description::openapi;
use error::Error;
use headers::Caching;
use links::Links;
use occasion::occasion;
use query::Query;
use request_body::{RequestBody, Room};
use route::Route;

/// How the API presents itself.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The URL under which clients know this registry, for absolute `Location`s; relative ones without.
    pub host: Option<String>,
    /// Without a host: whether `Location`s are paths, or made from how the request has reached the server.
    pub relative_urls: bool,
    /// The path in front of `/v2/`, beginning and ending with a slash.
    pub prefix: String,
    /// Headers of every response.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The largest page of the catalog.
    pub catalog_max_entries: usize,
    /// The largest page of a list of tags.
    pub tags_max_entries: usize,
    /// The largest manifest that is accepted, in bytes.
    pub manifest_max_size: usize,
    /// The most `tag` parameters of one push.
    pub manifest_max_tags: usize,
    /// Whether blobs that are pulled whole are verified on their way out.
    pub verify_pulls: bool,
    /// Proxies that are believed about where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// How long the body of a manifest may stay without a byte.
    pub idle: Duration,
    /// How long a request waits where something is short, before it is told to come again.
    pub wait: Duration,
    /// While this says that something is wrong, nothing is served.
    pub health: Arc<Health>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: None,
            relative_urls: true,
            prefix: "/".to_owned(),
            headers: Vec::new(),
            catalog_max_entries: 1_000,
            tags_max_entries: 100_000,
            manifest_max_size: 4 << 20,
            manifest_max_tags: 64,
            verify_pulls: false,
            trusted_proxies: Vec::new(),
            idle: Duration::from_secs(15 * 60),
            wait: Duration::from_secs(10),
            health: Arc::default(),
        }
    }
}

/// What every handler has at hand.
struct Api {
    registry: Arc<Registry>,
    authority: Arc<Authority>,
    settings: Settings,
    /// For the bodies of manifests.
    room: Room,
}

/// How many manifests of more than 64 KiB are in memory at once.
const LARGE_MANIFESTS: usize = 32;

/// A request whose route is known and allowed.
struct Call {
    api: Arc<Api>,
    guest: Guest,
    links: Links,
    parts: Parts,
    query: Query,
}

impl Call {
    /// What is told of this request, where anybody is told of anything.
    fn occasion(&self) -> Option<Arc<Occasion>> {
        self.api.registry.tells_events().then(|| Arc::new(occasion(self)))
    }

    /// The same for a pull.
    fn pull_occasion(&self) -> Option<Occasion> {
        self.api.registry.tells_pulls().then(|| occasion(self))
    }

    /// What caches may do with the answer.
    fn caching(&self) -> Caching {
        Caching::new(self.api.authority.asks())
    }
}

/// The whole API as a service.
pub fn router(registry: Arc<Registry>, authority: Arc<Authority>, settings: Settings) -> Router {
    let room = Room::new(LARGE_MANIFESTS, settings.wait);
    Router::new().fallback(answer).with_state(Arc::new(Api { registry, authority, settings, room }))
}

/// How the request has come; not encrypted unless somebody says so.
fn transport(extensions: &Extensions) -> Transport {
    extensions.get().copied().unwrap_or(Transport::Plain)
}

/// Answers every request, whatever becomes of it.
async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    let is_head = request.method() == Method::HEAD;
    let links = Links::new(&api.settings, request.headers(), transport(request.extensions()));
    let mut told = Told::NOTHING;
    let handling = handle(Arc::clone(&api), links.clone(), request, &mut told);
    let handled = AssertUnwindSafe(handling).catch_unwind().await;
    let mut response = match handled {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => error.into_response(&links),
        Err(_panic) => Error::Panicked.into_response(&links),
    };
    response.extensions_mut().insert(told);
    respond::finish(response, is_head, &api.settings.headers)
}

async fn handle(api: Arc<Api>, links: Links, request: Request, told: &mut Told) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let body = RequestBody::new(body, &parts.headers);
    let route = Route::parse(parts.uri.path(), &api.settings.prefix);
    if let Ok(route) = &route {
        (told.route, told.template) = (route.label(), route.template());
        told.repository = route.repository().cloned();
    }
    if !api.settings.health.is_well() {
        return Err(Error::Unwell);
    }
    if parts.method == Method::OPTIONS {
        return Ok(respond::options(
            route.map_or_else(|_| Method::OPTIONS.to_string(), |route| route.methods()),
        ));
    }
    let route = route.map_err(|error| match error {
        // Who only looks for it is told that it is not there.
        Error::Tag(error) if parts.method != Method::PUT => Error::TagUnknown(error),
        error => error,
    })?;
    let Some(rule) = route.rule(&parts.method) else {
        return Err(Error::Method { allowed: route.methods() });
    };
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let entry = Entry { route: &route, rule, parts: &parts, query: &query, links: &links };
    let guest = api.admit(&entry).await?;
    told.user = guest.name();
    if rule.is_write() {
        api.registry.expect_writable()?;
    }
    dispatch(route, &Call { api, guest, links, parts, query }, body).await
}

async fn dispatch(route: Route, call: &Call, body: RequestBody) -> Result<Response, Error> {
    match route {
        Route::Root => Ok(base::root()),
        Route::Base => Ok(base::base()),
        Route::Description => Ok(description::serve()),
        Route::Catalog => catalog::list(call),
        Route::Token => token::issue(call, body).await,
        Route::TokenKeys => token::keys(call),
        Route::Tags { repository } => tags::list(call, &repository),
        Route::Referrers { repository, digest } => referrers::list(call, &repository, &digest),
        Route::Blob { repository, digest } => match call.parts.method {
            Method::DELETE => blobs::delete(call, &repository, &digest).await,
            Method::HEAD => blobs::head(call, &repository, &digest).await,
            _ => blobs::get(call, &repository, &digest).await,
        },
        Route::Manifest { repository, reference } => match call.parts.method {
            Method::PUT => manifests::put(call, body, repository, reference).await,
            Method::DELETE => manifests::delete(call, &repository, &reference).await,
            Method::HEAD => manifests::head(call, &repository, &reference).await,
            _ => manifests::get(call, &repository, &reference),
        },
        Route::Uploads { repository } => uploads::start(call, body, &repository).await,
        Route::Upload { repository, id } => match call.parts.method {
            Method::PATCH => uploads::append(call, body, &repository, id).await,
            Method::PUT => uploads::finish(call, body, &repository, id).await,
            Method::DELETE => uploads::cancel(call, &repository, id).await,
            _ => uploads::status(call, &repository, id).await,
        },
    }
}
