//! Pushing, as clients do it.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use super::{
    Connection, EMPTY_INDEX, INDEX_TYPE, Limit, MANIFEST_TYPE, Payload, Request, Stem, image_manifest, run,
};

/// POST, PATCH with all the bytes, PUT with the digest. Returns the payload's size.
pub fn push_blob(connection: &mut Connection, repository: &str, payload: &Payload<'_>) -> io::Result<u64> {
    let uploads = format!("/v2/{repository}/blobs/uploads/");
    let session =
        connection.send(Request::new("POST", &uploads).body(Vec::new()))?.expect(202)?.into_location()?;
    let patch = Request::new("PATCH", &session).header("Content-Type", "application/octet-stream");
    let session = connection.send(patch.body(payload.slices()))?.expect(202)?.into_location()?;
    let separator = if session.contains('?') { '&' } else { '?' };
    let close = format!("{session}{separator}digest={}", payload.digest);
    connection.send(Request::new("PUT", &close).body(Vec::new()))?.expect(201)?;
    Ok(payload.size())
}

/// HEAD of each blob, then its push, then the manifest under `tag`. Returns the size of the blobs.
pub fn push_image(
    connection: &mut Connection,
    repository: &str,
    tag: &str,
    config: &Stem,
    layers: &[&Stem],
) -> io::Result<u64> {
    let config = config.payload();
    let layers: Vec<_> = layers.iter().map(|stem| stem.payload()).collect();
    for blob in layers.iter().chain([&config]) {
        let path = format!("/v2/{repository}/blobs/{}", blob.digest);
        connection.send(Request::new("HEAD", &path))?.expect(404)?;
        push_blob(connection, repository, blob)?;
    }
    let describe = |blob: &'_ Payload<'_>| (blob.digest.clone(), blob.size());
    let described: Vec<_> = layers.iter().map(describe).collect();
    let descriptors: Vec<_> = described.iter().map(|(digest, size)| (digest.as_str(), *size)).collect();
    let manifest = image_manifest((&config.digest, config.size()), &descriptors);
    put_manifest(connection, repository, tag, MANIFEST_TYPE, &manifest)?;
    Ok(layers.iter().map(Payload::size).sum::<u64>() + config.size())
}

/// Puts a manifest under a tag or a digest.
pub fn put_manifest(
    connection: &mut Connection,
    repository: &str,
    reference: &str,
    media_type: &str,
    manifest: &[u8],
) -> io::Result<()> {
    let path = format!("/v2/{repository}/manifests/{reference}");
    let request = Request::new("PUT", &path).header("Content-Type", media_type);
    connection.send(request.body(vec![IoSlice::new(manifest)]))?.expect(201).map(drop)
}

/// Gives one manifest the tags `t0000000` to `count` - 1.
pub fn fill_with_tags(address: SocketAddr, repository: &str, count: u64) -> io::Result<()> {
    let limit = Limit { operations: count, time: Duration::MAX };
    let work = |connection: &mut Connection, number: u64| {
        let tag = format!("t{number:07}");
        put_manifest(connection, repository, &tag, INDEX_TYPE, EMPTY_INDEX.as_bytes())?;
        Ok(0)
    };
    run(address, 64, limit, &work).map(drop)
}
