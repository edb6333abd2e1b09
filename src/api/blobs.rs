//! `/v2/<name>/blobs/<digest>` (distribution specification, "Pulling blobs" and "Deleting blobs").

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Version, header};
use axum::response::Response;
use bytes::Bytes;

use super::Call;
use super::conditions::{allows_range, etag, is_not_modified};
use super::error::Error;
use super::headers::{DOCKER_CONTENT_DIGEST, text};
use super::payload_body::{PayloadBody, Piece};
use super::ranges::{Selection, select};
use super::respond::{self, With};
use crate::observe::Transport;
use crate::oci::{Digest, RepositoryName};
use crate::registry::VerifiedPull;
use crate::store::{Payload, PayloadId, Transfer};

const OCTETS: &str = "application/octet-stream";

/// `HEAD`: whether the repository holds the blob, and its size.
pub(super) async fn head(
    call: &Call,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Error> {
    let size = call.api.registry.vouch_for_blob(repository, digest).await?;
    if is_not_modified(&call.parts.headers, digest) {
        return Ok(describe(respond::empty(StatusCode::NOT_MODIFIED), call, digest));
    }
    let response = respond::body(StatusCode::OK, Body::empty(), size);
    Ok(describe(response, call, digest).with(header::CONTENT_TYPE, OCTETS))
}

/// `GET`: the blob, or the ranges of it that were asked for.
pub(super) async fn get(
    call: &Call,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Error> {
    let headers = &call.parts.headers;
    if is_not_modified(headers, digest) {
        call.api.registry.blob_size(repository, digest)?;
        return Ok(describe(respond::empty(StatusCode::NOT_MODIFIED), call, digest));
    }
    let payload = call.api.registry.open_blob(repository, digest).await?;
    let selection = selection(headers, digest, payload.size());
    if let Some(occasion) = call.pull_occasion() {
        call.api.registry.note_blob_pulled(&occasion, repository, digest, payload.size());
    }
    if call.api.settings.verify_pulls && !payload.is_verified() && selection.is_whole(payload.size()) {
        let pull = call.api.registry.verify_pull(repository, digest).await?;
        return Ok(describe(verified(pull, &selection), call, digest));
    }
    let transfer = transfer(&call.parts);
    let response = match selection {
        Selection::Whole => whole(payload, transfer),
        Selection::Single(range) => single(payload, transfer, range),
        Selection::Multiple(ranges) => multiple(payload, transfer, ranges),
        Selection::Unsatisfiable => return Ok(identify(unsatisfiable(payload.size()), digest)),
    };
    Ok(describe(response, call, digest))
}

/// `DELETE`: the repository no longer holds the blob; others are not concerned.
pub(super) async fn delete(
    call: &Call,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Error> {
    call.api.registry.delete_blob(repository, digest, call.occasion()).await?;
    Ok(respond::empty(StatusCode::ACCEPTED).with(DOCKER_CONTENT_DIGEST, digest.to_string()))
}

/// HTTP/2 looks at the bytes it frames, and TLS at those it encrypts; plain HTTP/1 passes them on.
fn transfer(parts: &Parts) -> Transfer {
    match super::transport(&parts.extensions) {
        Transport::Plain if parts.version < Version::HTTP_2 => Transfer::Mapped,
        _ => Transfer::Copied,
    }
}

fn selection(headers: &HeaderMap, digest: &Digest, size: u64) -> Selection {
    match allows_range(headers, digest) {
        true => select(text(headers, header::RANGE), size),
        false => Selection::Whole,
    }
}

/// The headers of every answer that has the blob, or stands for it.
fn describe(response: Response, call: &Call, digest: &Digest) -> Response {
    identify(response, digest).with(header::CACHE_CONTROL, call.caching().immutable)
}

/// The headers of every answer about a blob.
fn identify(response: Response, digest: &Digest) -> Response {
    response
        .with(DOCKER_CONTENT_DIGEST, digest.to_string())
        .with(header::ETAG, etag(digest))
        .with(header::ACCEPT_RANGES, "bytes")
}

fn respond_with(
    status: StatusCode,
    payload: Arc<Payload>,
    transfer: Transfer,
    pieces: VecDeque<Piece>,
) -> Response {
    let body = PayloadBody::new(payload, transfer, pieces);
    let length = body.length();
    respond::body(status, Body::new(body), length)
}

fn whole(payload: Arc<Payload>, transfer: Transfer) -> Response {
    let range = 0..payload.size();
    respond_with(StatusCode::OK, payload, transfer, pieces_of(range)).with(header::CONTENT_TYPE, OCTETS)
}

/// The whole, compared with its digest on its way out, although somebody may have asked for it as a range.
fn verified(pull: VerifiedPull, selection: &Selection) -> Response {
    let size = pull.size();
    let body = |status| respond::body(status, Body::from_stream(pull.into_pieces()), size);
    let response = match selection {
        Selection::Single(range) => {
            body(StatusCode::PARTIAL_CONTENT).with(header::CONTENT_RANGE, content_range(range, size))
        }
        _ => body(StatusCode::OK),
    };
    response.with(header::CONTENT_TYPE, OCTETS)
}

fn single(payload: Arc<Payload>, transfer: Transfer, range: Range<u64>) -> Response {
    let content_range = content_range(&range, payload.size());
    respond_with(StatusCode::PARTIAL_CONTENT, payload, transfer, pieces_of(range))
        .with(header::CONTENT_TYPE, OCTETS)
        .with(header::CONTENT_RANGE, content_range)
}

fn pieces_of(range: Range<u64>) -> VecDeque<Piece> {
    VecDeque::from_iter((!range.is_empty()).then_some(Piece::Payload(range)))
}

/// `multipart/byteranges` (RFC 9110, section 14.6): one part for each range, in the order asked for.
fn multiple(payload: Arc<Payload>, transfer: Transfer, ranges: Vec<Range<u64>>) -> Response {
    let boundary = PayloadId::random().to_string();
    let mut pieces = VecDeque::with_capacity(2 * ranges.len() + 1);
    for range in ranges {
        let content_range = content_range(&range, payload.size());
        let head =
            format!("\r\n--{boundary}\r\nContent-Type: {OCTETS}\r\nContent-Range: {content_range}\r\n\r\n");
        pieces.push_back(Piece::Bytes(Bytes::from(head)));
        pieces.push_back(Piece::Payload(range));
    }
    pieces.push_back(Piece::Bytes(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    respond_with(StatusCode::PARTIAL_CONTENT, payload, transfer, pieces)
        .with(header::CONTENT_TYPE, format!("multipart/byteranges; boundary={boundary}"))
}

fn unsatisfiable(size: u64) -> Response {
    let error = serde_json::json!({ "errors": [{
        "code": "SIZE_INVALID",
        "message": format!("none of the ranges lies within the blob's {size} bytes"),
    }]});
    respond::json(StatusCode::RANGE_NOT_SATISFIABLE, &error)
        .with(header::CONTENT_RANGE, format!("bytes */{size}"))
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}
