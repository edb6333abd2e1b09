//! `/v2/<name>/blobs/uploads/` (distribution specification, "Pushing blobs").

use axum::http::{StatusCode, header};
use axum::response::Response;

use super::Call;
use super::error::Error;
use super::headers::{self, DOCKER_CONTENT_DIGEST, DOCKER_UPLOAD_UUID};
use super::request_body::RequestBody;
use super::respond::{self, With};
use crate::auth::Action;
use crate::oci::{Algorithm, Digest, RepositoryName};
use crate::registry::{Append, Ending, Extent, MountSource, Started};
use crate::store::PayloadId;

/// `POST`: mounts a blob, takes one in whole, or begins a session for one.
pub(super) async fn start(
    call: &Call,
    body: RequestBody,
    repository: &RepositoryName,
) -> Result<Response, Error> {
    if let Some(response) = mount(call, repository).await? {
        return Ok(response);
    }
    if let Some(digest) = call.query.parsed::<Digest>("digest")? {
        let append = append_of(call, body)?;
        let ending = Ending { digest, occasion: call.occasion() };
        call.api.registry.upload_whole(repository, append, ending).await?;
        return Ok(created(call.links.blob(repository, &digest), &digest));
    }
    call.api.registry.expect_quota(repository, 0)?;
    let algorithm = call.query.parsed("digest-algorithm")?.unwrap_or(Algorithm::Sha256);
    let started = call.api.registry.start_upload(repository, algorithm, call.guest.owner());
    Ok(session(StatusCode::ACCEPTED, call, repository, started))
}

/// Mounts, if that is what is asked for and can be done. Whatever stands in the way, the client uploads instead.
async fn mount(call: &Call, repository: &RepositoryName) -> Result<Option<Response>, Error> {
    let Some(Ok(digest)) = call.query.get("mount").map(str::parse::<Digest>) else {
        return Ok(None);
    };
    let Some(source) = mount_source(call, &digest)? else {
        return Ok(None);
    };
    let is_mounted = call.api.registry.mount_blob(repository, &digest, source, call.occasion()).await?;
    Ok(is_mounted.then(|| created(call.links.blob(repository, &digest), &digest)))
}

/// Where to mount from: a repository that whoever asks may pull from.
fn mount_source(call: &Call, digest: &Digest) -> Result<Option<MountSource>, Error> {
    let may_pull = |from: &RepositoryName| call.guest.caller.may(Action::Pull, from);
    let from = match call.query.get("from").map(str::parse) {
        None if !call.api.authority.asks() => return Ok(Some(MountSource::Anywhere)),
        None => call.api.registry.readable_holder(digest, may_pull)?,
        Some(Ok(from)) if is_from_here(call) => Some(from).filter(may_pull),
        Some(_) => None,
    };
    Ok(from.map(MountSource::Repository))
}

/// Some clients name the registry that holds `from`, which may be another one.
fn is_from_here(call: &Call) -> bool {
    let own = call.api.settings.host.as_deref().and_then(|url| url.split("://").nth(1));
    let asked = headers::text(&call.parts.headers, header::HOST);
    match call.query.get("origin") {
        Some(origin) => own.map(|own| own.trim_end_matches('/')) == Some(origin) || asked == Some(origin),
        None => true,
    }
}

/// `PATCH`: appends a chunk.
pub(super) async fn append(
    call: &Call,
    body: RequestBody,
    repository: &RepositoryName,
    id: PayloadId,
) -> Result<Response, Error> {
    let api = &call.api;
    let append = append_of(call, body)?;
    let appended = api.registry.append_upload(repository, id, append).await;
    let started = appended.map_err(|error| Error::Upload { repository: repository.clone(), error })?;
    let location = call.links.upload(repository, id);
    Ok(describe(respond::empty(StatusCode::ACCEPTED), location, started))
}

/// `PUT`: appends what the body has, and makes the upload a blob.
pub(super) async fn finish(
    call: &Call,
    body: RequestBody,
    repository: &RepositoryName,
    id: PayloadId,
) -> Result<Response, Error> {
    let digest = call.query.parsed::<Digest>("digest")?.ok_or(Error::DigestMissing)?;
    let ending = Ending { digest, occasion: call.occasion() };
    let finished = call.api.registry.finish_upload(repository, id, append_of(call, body)?, ending).await;
    finished.map_err(|error| Error::Upload { repository: repository.clone(), error })?;
    Ok(created(call.links.blob(repository, &digest), &digest))
}

/// `GET`: how far an upload has come.
pub(super) async fn status(
    call: &Call,
    repository: &RepositoryName,
    id: PayloadId,
) -> Result<Response, Error> {
    let started = call.api.registry.upload_status(repository, id).await?;
    Ok(session(StatusCode::NO_CONTENT, call, repository, started))
}

/// `DELETE`: cancels an upload.
pub(super) async fn cancel(
    call: &Call,
    repository: &RepositoryName,
    id: PayloadId,
) -> Result<Response, Error> {
    call.api.registry.cancel_upload(repository, id).await?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

fn append_of(call: &Call, body: RequestBody) -> Result<Append, Error> {
    let extent = extent(&call.parts.headers)?;
    Ok(Append { body: body.into_stream(), extent })
}

fn extent(headers: &axum::http::HeaderMap) -> Result<Extent, Error> {
    Ok(Extent { range: headers::content_range(headers)?, length: headers::content_length(headers) })
}

fn session(status: StatusCode, call: &Call, repository: &RepositoryName, started: Started) -> Response {
    let location = call.links.upload(repository, started.id);
    describe(respond::empty(status), location, started)
}

fn describe(response: Response, location: String, started: Started) -> Response {
    response
        .with(header::LOCATION, location)
        .with(header::RANGE, headers::upload_range(started.offset))
        .with(DOCKER_UPLOAD_UUID, started.id.to_string())
}

fn created(location: String, digest: &Digest) -> Response {
    respond::empty(StatusCode::CREATED)
        .with(header::LOCATION, location)
        .with(DOCKER_CONTENT_DIGEST, digest.to_string())
}
