//! The calls to the ACME server, made by the house's one client for outgoing calls.

use std::pin::Pin;

use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::outgoing::{Outgoing, OutgoingError};

/// The most that an answer may hold, in bytes: far more than the longest chain of certificates.
const LIMIT: usize = 1 << 20;

pub(super) struct Calls(pub(super) Outgoing);

type Answering = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

impl HttpClient for Calls {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Answering {
        let outgoing = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let url = parts.uri.to_string();
            let Ok(body) = body.collect().await;
            let answer = outgoing.call(Request::from_parts(parts, body.to_bytes()), LIMIT).await;
            let answer = answer.and_then(|answer| in_terms_of_acme(url, answer));
            answer.map(|answer| answer.map(Full::new).into()).map_err(|error| Error::Other(Box::new(error)))
        })
    }
}

/// An error that tells no problem (RFC 7807) is none of the ACME server's: a proxy's, or another server's.
fn in_terms_of_acme(url: String, answer: Response<Bytes>) -> Result<Response<Bytes>, OutgoingError> {
    let is_problem = answer
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("application/problem+json")));
    match answer.status() {
        status if status.is_success() || is_problem => Ok(answer),
        status => Err(OutgoingError::Status { url, status }),
    }
}
