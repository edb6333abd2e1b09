//! `/v2/<name>/manifests/<reference>` (distribution specification, "Pulling manifests", "Pushing manifests", "Deleting
//! manifests").

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use tracing::Instrument;

use super::Call;
use super::conditions::{etag, is_not_modified, precondition};
use super::error::Error;
use super::headers::{DOCKER_CONTENT_DIGEST, OCI_SUBJECT, OCI_TAG, text};
use super::request_body::RequestBody;
use super::respond::{self, With};
use crate::auth::Action;
use crate::observe::step;
use crate::oci::{Digest, Reference, RepositoryName, Tag};
use crate::registry::{FoundManifest, PutManifest};

/// `HEAD`: whether the repository holds the manifest, and which it is.
pub(super) async fn head(
    call: &Call,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Response, Error> {
    let found = call.api.registry.vouch_for_manifest(repository, reference).await?;
    Ok(answer(call, &found, reference, Body::empty()))
}

/// `GET`: the manifest as it was pushed, whatever `Accept` says.
pub(super) fn get(
    call: &Call,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Response, Error> {
    let (found, bytes) = call.api.registry.pull_manifest(repository, reference)?;
    if let Some(occasion) = call.pull_occasion() {
        let described = (found.media_type, found.size);
        call.api.registry.note_manifest_pulled(
            &occasion,
            repository,
            &found.digest,
            described,
            reference.tag(),
        );
    }
    Ok(answer(call, &found, reference, Body::from(bytes)))
}

fn answer(call: &Call, found: &FoundManifest, reference: &Reference, body: Body) -> Response {
    let response = match is_not_modified(&call.parts.headers, &found.digest) {
        true => respond::empty(StatusCode::NOT_MODIFIED),
        false => respond::body(StatusCode::OK, body, found.size),
    };
    let caching = match reference {
        Reference::Digest(_) => call.caching().immutable,
        Reference::Tag(_) => call.caching().revalidate,
    };
    response
        .with(header::CONTENT_TYPE, found.media_type.as_str())
        .with(DOCKER_CONTENT_DIGEST, found.digest.to_string())
        .with(header::ETAG, etag(&found.digest))
        .with(header::CACHE_CONTROL, caching)
}

/// `PUT`: takes a manifest in, and sets the tag that the path names and those that the query names.
pub(super) async fn put(
    call: &Call,
    body: RequestBody,
    repository: RepositoryName,
    reference: Reference,
) -> Result<Response, Error> {
    let tags = tags(call)?;
    let expected = call.query.parsed::<Digest>("digest")?;
    let Call { api, links, parts, .. } = call;
    let (headers, settings) = (&parts.headers, &api.settings);
    let receiving = body.read(headers, settings.manifest_max_size, settings.idle, &api.room);
    let whole = receiving.instrument(step!("receive the body")).await?;
    let put = PutManifest {
        reference,
        tags,
        expected,
        content_type: text(headers, header::CONTENT_TYPE).map(str::to_owned),
        precondition: precondition(headers),
        bytes: whole.bytes.clone(),
        may_overwrite: call.guest.caller.may(Action::Overwrite, &repository),
        occasion: call.occasion(),
        repository: repository.clone(),
    };
    let pushed = api.registry.put_manifest(put).await?;
    let mut response = respond::empty(StatusCode::CREATED)
        .with(header::LOCATION, links.manifest(&repository, &pushed.digest))
        .with(DOCKER_CONTENT_DIGEST, pushed.digest.to_string());
    if let Some(subject) = pushed.subject {
        response = response.with(OCI_SUBJECT, subject.to_string());
    }
    for tag in pushed.tags {
        response = response.with(OCI_TAG, tag.as_str());
    }
    Ok(response)
}

/// The tags that the query names, each once.
fn tags(call: &Call) -> Result<Vec<Tag>, Error> {
    let max = call.api.settings.manifest_max_tags;
    if call.query.get_all("tag").nth(max).is_some() {
        return Err(Error::TooManyTags { max });
    }
    let mut tags = Vec::new();
    for tag in call.query.get_all("tag").map(str::parse::<Tag>) {
        let tag = tag?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// `DELETE`: by tag, the tag alone; by digest, the manifest with all its tags.
pub(super) async fn delete(
    call: &Call,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Response, Error> {
    let precondition = precondition(&call.parts.headers);
    let may_overwrite = call.guest.caller.may(Action::Overwrite, repository);
    let occasion = call.occasion();
    call.api.registry.delete_manifest(repository, reference, precondition, may_overwrite, occasion).await?;
    Ok(respond::empty(StatusCode::ACCEPTED))
}
