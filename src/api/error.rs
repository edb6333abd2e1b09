//! Errors, as clients see them (distribution specification, "Error codes").

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

use super::headers::{self, DOCKER_UPLOAD_UUID};
use super::links::Links;
use super::respond;
use crate::auth::token::{KeyError, ScopeError};
use crate::auth::{Action, Rejection};
use crate::oci::{DigestError, NameError, ReferenceError, RepositoryName, TagError};
use crate::registry;

/// Everything that a request can come to, other than success.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("there is nothing at this path; the API begins at /v2/")]
    NoEndpoint,
    #[error("this endpoint knows no such method; it has {allowed}")]
    Method { allowed: String },
    #[error("the path is no UTF-8 text once its escapes are read")]
    PathEncoding,
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Tag(#[from] TagError),
    #[error("no manifest can have this tag: {0}")]
    TagUnknown(TagError),
    #[error(transparent)]
    Digest(#[from] DigestError),
    #[error("the digest of the content is missing: add ?digest=ALGORITHM:HEX")]
    DigestMissing,
    #[error("no upload of {repository} has this identifier; begin one with POST")]
    UploadId { repository: RepositoryName },
    #[error("Content-Range is written FIRST-LAST, such as 0-1023, not {0:?}")]
    ContentRange(String),
    #[error("n is the number of entries of a page{}, not {asked:?}", at_most(*max))]
    PageSize { asked: String, max: Option<usize> },
    #[error("a manifest has at most {max} bytes here (validation.manifests.maxsize)")]
    ManifestTooLarge { max: usize },
    #[error("at most {max} tags can be set by one request (validation.manifests.maxtags)")]
    TooManyTags { max: usize },
    /// Who asks has to log in, or to log in as somebody else.
    #[error("{}", unauthorized(why.as_ref()))]
    Unauthorized { challenge: String, why: Option<Rejection> },
    #[error("{}", denied(who, *action, repository.as_ref()))]
    Denied { who: String, action: Action, repository: Option<RepositoryName> },
    #[error("too many want to log in at once; try again")]
    LoginsBusy,
    #[error(transparent)]
    Scope(ScopeError),
    #[error("no token can be signed")]
    Keys(#[source] KeyError),
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// As above, for a request to an upload of this repository.
    #[error("{error}")]
    Upload { repository: RepositoryName, error: registry::Error },
    #[error("the registry is out of service: a health check fails")]
    Unwell,
    #[error("the server has met an error of its own")]
    Panicked,
}

fn at_most(max: Option<usize>) -> String {
    max.map_or_else(String::new, |max| format!(" and at most {max}"))
}

fn unauthorized(why: Option<&Rejection>) -> String {
    why.map_or_else(|| "authentication required: log in first".to_owned(), ToString::to_string)
}

fn denied(who: &str, action: Action, repository: Option<&RepositoryName>) -> String {
    match repository {
        Some(repository) => format!("{who} may not {action} in {repository}"),
        None => format!("{who} may not {action} repositories"),
    }
}

impl From<ReferenceError> for Error {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Tag(error) => Self::Tag(error),
            ReferenceError::Digest(error) => Self::Digest(error),
        }
    }
}

/// One entry of the body.
#[derive(Serialize)]
struct Entry {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    detail: Value,
}

impl Error {
    /// The response. `links` makes the URLs from which an upload can be continued.
    pub(super) fn into_response(self, links: &Links) -> Response {
        let (status, code) = self.status();
        if status.is_server_error() {
            self.log(status);
        }
        let mut response = respond::json(status, &json!({ "errors": self.entries(code) }));
        for (name, value) in self.headers(status, links) {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn registry(&self) -> Option<&registry::Error> {
        match self {
            Self::Registry(error) | Self::Upload { error, .. } => Some(error),
            _ => None,
        }
    }

    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoEndpoint => (StatusCode::NOT_FOUND, "UNSUPPORTED"),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
            Self::PathEncoding | Self::Name(_) => (StatusCode::BAD_REQUEST, "NAME_INVALID"),
            Self::Tag(_) => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
            Self::TagUnknown(_) => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
            Self::Digest(_) | Self::DigestMissing => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
            Self::UploadId { .. } => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            Self::ContentRange(_) => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
            Self::PageSize { .. } => (StatusCode::BAD_REQUEST, "UNSUPPORTED"),
            Self::ManifestTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
            Self::TooManyTags { .. } => (StatusCode::URI_TOO_LONG, "MANIFEST_INVALID"),
            Self::Unauthorized { .. } => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
            Self::Denied { .. } => (StatusCode::FORBIDDEN, "DENIED"),
            Self::Scope(_) => (StatusCode::BAD_REQUEST, "UNSUPPORTED"),
            Self::Keys(_) => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
            Self::LoginsBusy | Self::Unwell => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
            Self::Registry(error) | Self::Upload { error, .. } => registry_status(error),
            Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        }
    }

    fn entries(&self, code: &'static str) -> Vec<Entry> {
        let message = self.to_string();
        match self.registry() {
            Some(registry::Error::ChildrenMissing(digests)) => digests
                .iter()
                .map(|digest| Entry {
                    code,
                    message: format!("{digest} is not in the repository; push it first"),
                    detail: json!({ "digest": digest }),
                })
                .collect(),
            Some(registry::Error::StillNeeded { by, .. }) => {
                vec![Entry { code, message, detail: json!({ "neededBy": by }) }]
            }
            Some(registry::Error::OutOfOrder { offset, .. }) => {
                vec![Entry { code, message, detail: json!({ "offset": offset }) }]
            }
            None if matches!(self, Self::Unwell) => {
                vec![Entry { code, message, detail: json!("health check failed: please see /debug/health") }]
            }
            _ => vec![Entry { code, message, detail: Value::Null }],
        }
    }

    fn headers(&self, status: StatusCode, links: &Links) -> Vec<(HeaderName, String)> {
        let mut headers = Vec::new();
        match self {
            Self::Method { allowed } => headers.push((header::ALLOW, allowed.clone())),
            Self::Unauthorized { challenge, why } => {
                headers.push((header::WWW_AUTHENTICATE, challenge.clone()));
                if let Some(Rejection::TooOften(wait)) = why {
                    headers.push((header::RETRY_AFTER, (wait.as_secs() + 1).to_string()));
                }
            }
            Self::Upload { repository, error: registry::Error::OutOfOrder { id, offset, .. } } => {
                headers.push((header::LOCATION, links.upload(repository, *id)));
                headers.push((DOCKER_UPLOAD_UUID, id.to_string()));
                // Without a byte there is nothing to tell: a client would take 0-0 for one byte.
                if *offset > 0 {
                    headers.push((header::RANGE, headers::upload_range(*offset)));
                }
            }
            _ if status == StatusCode::METHOD_NOT_ALLOWED => {
                headers.push((header::ALLOW, "GET, HEAD, OPTIONS".to_owned()));
            }
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                headers.push((header::RETRY_AFTER, "1".to_owned()));
            }
            _ => {}
        }
        headers
    }

    /// What the client is not told: paths and causes.
    fn log(&self, status: StatusCode) {
        let mut causes = Vec::new();
        let mut cause = self.registry().and_then(std::error::Error::source);
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        tracing::error!(status = status.as_u16(), error = %self, causes = causes.join(": "), "a request failed");
    }
}

fn registry_status(error: &registry::Error) -> (StatusCode, &'static str) {
    use registry::Error as E;
    match error {
        E::RepositoryUnknown(_) => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
        E::BlobUnknown { .. } => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
        E::ManifestUnknown { .. } => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
        E::UploadUnknown { .. } => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
        E::OutOfOrder { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
        E::Size { .. } => (StatusCode::BAD_REQUEST, "SIZE_INVALID"),
        E::DigestMismatch { .. } => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
        E::BodyBroken => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
        E::Stalled => (StatusCode::REQUEST_TIMEOUT, "BLOB_UPLOAD_INVALID"),
        E::ManifestInvalid(_) | E::UrlNotAllowed { .. } => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
        E::ChildrenMissing(_) => (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"),
        E::PreconditionFailed { .. } => (StatusCode::PRECONDITION_FAILED, "DENIED"),
        E::TagImmutable { .. } => (StatusCode::FORBIDDEN, "DENIED"),
        E::QuotaExceeded(_) => (StatusCode::FORBIDDEN, "DENIED"),
        E::BlobTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
        E::StillNeeded { .. } | E::DeleteDisabled | E::ReadOnly => {
            (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED")
        }
        E::UploadBusy | E::Interrupted | E::Busy | E::OutcomeUnknown | E::Stopped => {
            (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE")
        }
        E::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "UNAVAILABLE"),
        E::Damaged { .. } | E::Disk(_) | E::Metadata(_) | E::Write(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN")
        }
    }
}
