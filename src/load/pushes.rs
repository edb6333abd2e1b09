//! Pushing, as clients do it.

use bytes::Bytes;

use super::{Blob, Connection, Failure, Image, Payload, Request, check_blob, image_manifest};
use crate::oci::{Algorithm, ManifestType};
use crate::store::Hasher;

/// POST, PATCH with all the bytes, PUT with the digest. Gives the payload's size.
pub fn push_blob(
    connection: &mut Connection,
    repository: &str,
    payload: &Payload<'_>,
) -> Result<u64, Failure> {
    let uploads = format!("/v2/{repository}/blobs/uploads/");
    let session = connection.ask(&Request::new("POST", &uploads).body(Vec::new()), 202)?.into_location()?;
    let patch = Request::new("PATCH", &session).header("Content-Type", "application/octet-stream");
    let session = connection.ask(&patch.body(payload.slices()), 202)?.into_location()?;
    let separator = if session.contains('?') { '&' } else { '?' };
    let blob = payload.blob();
    let close = format!("{session}{separator}digest={}", blob.digest);
    connection.ask(&Request::new("PUT", &close).body(Vec::new()), 201)?;
    Ok(blob.size)
}

/// An image of a configuration and layers that are new, on top of some that are there: HEAD of each blob, the push of those
/// that are new, then the manifest under `tag`. Gives the image and the bytes that were sent for it.
pub fn push_image(
    connection: &mut Connection,
    repository: &str,
    tag: String,
    config: &Payload<'_>,
    base: &[Blob],
    layers: &[Payload<'_>],
) -> Result<(Image, u64), Failure> {
    for blob in base {
        check_blob(connection, &blob.path(repository), blob.size)?;
    }
    let mut bytes = 0;
    for payload in layers.iter().chain([config]) {
        connection.ask(&Request::new("HEAD", &payload.blob().path(repository)), 404)?;
        bytes += push_blob(connection, repository, payload)?;
    }
    let mut blobs: Vec<_> = base.iter().copied().chain(layers.iter().map(Payload::blob)).collect();
    let manifest = image_manifest(config.blob(), &blobs);
    put_manifest(connection, repository, &tag, ManifestType::OciImage, &manifest)?;
    blobs.push(config.blob());
    let digest = Hasher::digest(Algorithm::Sha256, &manifest);
    let manifest = Blob { digest, size: manifest.len() as u64 };
    Ok((Image { tag, manifest, blobs }, bytes + manifest.size))
}

/// Puts a manifest under a tag or a digest.
pub fn put_manifest(
    connection: &mut Connection,
    repository: &str,
    reference: &str,
    media_type: ManifestType,
    manifest: &[u8],
) -> Result<(), Failure> {
    let path = format!("/v2/{repository}/manifests/{reference}");
    let request = Request::new("PUT", &path).header("Content-Type", media_type.as_str());
    connection.ask(&request.body(vec![Bytes::copy_from_slice(manifest)]), 201).map(drop)
}
