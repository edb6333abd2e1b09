//! Pulling, as clients do it. What is pulled is told by its path; each gives the bytes that came.

use super::{Blob, Connection, Failure, Image, Request};
use crate::oci::ManifestType;
use crate::store::Hasher;

/// GET of something that has `size` bytes, of which nothing but their number is looked at.
pub fn pull(connection: &mut Connection, path: &str, size: u64) -> Result<u64, Failure> {
    expect_length(connection, &Request::new("GET", path), size)
}

/// GET of a manifest of this type, by tag or digest, of which nothing but its length is looked at.
pub fn pull_manifest(
    connection: &mut Connection,
    path: &str,
    media_type: ManifestType,
    size: u64,
) -> Result<u64, Failure> {
    expect_length(connection, &Request::new("GET", path).header("Accept", media_type.as_str()), size)
}

/// GET of something whose bytes have to have this digest.
pub fn pull_verified(connection: &mut Connection, path: &str, blob: Blob) -> Result<u64, Failure> {
    fetch_verified(connection, &Request::new("GET", path), blob)
}

/// HEAD of something that has `size` bytes.
pub fn check_blob(connection: &mut Connection, path: &str, size: u64) -> Result<u64, Failure> {
    expect_length(connection, &Request::new("HEAD", path), size).map(|_| 0)
}

/// The manifest by its tag, then the configuration and the layers, all of them verified.
pub fn pull_image(connection: &mut Connection, repository: &str, image: &Image) -> Result<u64, Failure> {
    let path = format!("/v2/{repository}/manifests/{}", image.tag);
    let request = Request::new("GET", &path).header("Accept", ManifestType::OciImage.as_str());
    let mut bytes = fetch_verified(connection, &request, image.manifest)?;
    for blob in &image.blobs {
        bytes += pull_verified(connection, &blob.path(repository), *blob)?;
    }
    Ok(bytes)
}

fn fetch_verified(connection: &mut Connection, request: &Request<'_>, blob: Blob) -> Result<u64, Failure> {
    let mut hasher = Hasher::new(blob.digest.algorithm());
    let answer = connection.fetch(request, 200, &mut |bytes| hasher.update(bytes))?;
    let found = hasher.finish();
    match found == blob.digest {
        true => Ok(answer.length),
        false => Err(Failure::Bytes { request: request.to_string(), found }),
    }
}

fn expect_length(connection: &mut Connection, request: &Request<'_>, expected: u64) -> Result<u64, Failure> {
    let length = connection.ask(request, 200)?.length;
    match length == expected {
        true => Ok(length),
        false => Err(Failure::Length { request: request.to_string(), length, expected }),
    }
}
