//! Responses, and what all of them have.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use http_body::Body as _;
use serde::Serialize;

use super::headers::DOCKER_API_VERSION;

/// A response without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    body(status, Body::empty(), 0)
}

/// A response with a body of known length.
pub(super) fn body(status: StatusCode, body: Body, length: u64) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// A JSON document.
pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Response {
    json_as(status, document, "application/json")
}

/// A JSON document of a media type of its own.
pub(super) fn json_as(status: StatusCode, document: &impl Serialize, media_type: &'static str) -> Response {
    let bytes = serde_json::to_vec(document).expect("documents of text and numbers can always be written");
    let length = bytes.len() as u64;
    let mut response = body(status, Body::from(bytes), length);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// The answer to `OPTIONS`.
pub(super) fn options(methods: String) -> Response {
    empty(StatusCode::NO_CONTENT).with(header::ALLOW, methods)
}

/// Gives a response what all of them have, and a `HEAD` the headers of a `GET` alone.
pub(super) fn finish(
    mut response: Response,
    is_head: bool,
    configured: &[(HeaderName, HeaderValue)],
) -> Response {
    let headers = response.headers_mut();
    headers.insert(DOCKER_API_VERSION, HeaderValue::from_static("registry/2.0"));
    for (name, _) in configured {
        headers.remove(name);
    }
    for (name, value) in configured {
        headers.append(name, value.clone());
    }
    if is_head {
        debug_assert!(
            response.headers().contains_key(header::CONTENT_LENGTH) || response.body().is_end_stream()
        );
        *response.body_mut() = Body::empty();
    }
    response
}

/// Adding headers one by one.
pub(super) trait With: Sized {
    /// Adds a header. A value that no header can have is left out: it came from a client that knows what it sent.
    fn with(self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self;
}

impl With for Response {
    fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers_mut().append(name, value);
        }
        self
    }
}
