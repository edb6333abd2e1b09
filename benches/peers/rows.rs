//! What is measured: each row puts something in and then does one thing many times.

use std::io;
use std::net::SocketAddr;

use crate::support::{
    Connection, EMPTY_INDEX, INDEX_TYPE, Limit, MANIFEST_TYPE, Request, Stem, check_blob, fill_with_tags,
    image_manifest, pull, pull_verified, push_blob, push_image, put_manifest, run,
};

/// One operation: it is told its number, and says how many bytes of payload it has moved.
pub(crate) type Work = Box<dyn Fn(&mut Connection, u64) -> io::Result<u64> + Send + Sync>;

/// A line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    /// The most operations of one turn, so that the disk is not filled.
    pub(crate) operations: u64,
    /// Puts in what the operations need.
    pub(crate) prepare: fn(SocketAddr) -> io::Result<Work>,
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const UNBOUNDED: u64 = u64::MAX;

/// All of them.
pub(crate) fn all() -> [Row; 14] {
    let row = |name, connections, operations, prepare| Row { name, connections, operations, prepare };
    [
        row("pull 256 MiB", 8, UNBOUNDED, pull_large),
        row("pull 64 KiB", 8, UNBOUNDED, pull_small),
        row("HEAD of a blob", 8, UNBOUNDED, head_of_blob),
        row("GET a manifest by tag", 8, UNBOUNDED, get_manifest),
        row("100 tags of 2,000, from the middle", 4, UNBOUNDED, list_tags),
        row("push 256 MiB", 1, 4, |_| push(256 * MIB)),
        row("push 64 MiB", 4, 16, |_| push(64 * MIB)),
        row("push 64 KiB", 8, UNBOUNDED, |_| push(64 * KIB)),
        row("push 64 KiB, alone", 1, UNBOUNDED, |_| push(64 * KIB)),
        row("push images of 4 layers of 64 KiB", 8, UNBOUNDED, |_| push_images()),
        row("tag a manifest, alone", 1, UNBOUNDED, tag_manifest),
        row("tag a manifest", 64, UNBOUNDED, tag_manifest),
        row("push a 4 MiB blob that is there, to new repositories", 4, 1_500, push_again),
        row("GET /v2/", 8, UNBOUNDED, |_| base()),
    ]
}

const REPOSITORY: &str = "bench/peers";

/// Pushes one blob; gives its path and its digest.
fn put_blob(address: SocketAddr, stem: &Stem) -> io::Result<(String, String)> {
    let payload = stem.payload();
    push_blob(&mut Connection::open(address)?, REPOSITORY, &payload)?;
    Ok((format!("/v2/{REPOSITORY}/blobs/{}", payload.digest), payload.digest))
}

fn pull_large(address: SocketAddr) -> io::Result<Work> {
    let stem = Stem::new(256 * MIB);
    let (path, digest) = put_blob(address, &stem)?;
    pull_verified(&mut Connection::open(address)?, &path, stem.size(), &digest)?;
    Ok(Box::new(move |connection, _| pull(connection, &path, stem.size())))
}

/// One of every so many is verified while the clock runs: their hashing costs a fraction of what the rest costs.
const VERIFIED: u64 = 64;

fn pull_small(address: SocketAddr) -> io::Result<Work> {
    const BLOBS: usize = 200;
    let stem = Stem::new(64 * KIB);
    let blobs = (0..BLOBS).map(|_| put_blob(address, &stem)).collect::<io::Result<Vec<_>>>()?;
    Ok(Box::new(move |connection, number| {
        let (path, digest) = blobs.iter().cycle().nth(number as usize % BLOBS).unwrap();
        match number % VERIFIED {
            0 => pull_verified(connection, path, stem.size(), digest),
            _ => pull(connection, path, stem.size()),
        }
    }))
}

fn head_of_blob(address: SocketAddr) -> io::Result<Work> {
    let stem = Stem::new(64 * KIB);
    let (path, _) = put_blob(address, &stem)?;
    Ok(Box::new(move |connection, _| check_blob(connection, &path, stem.size())))
}

fn get_manifest(address: SocketAddr) -> io::Result<Work> {
    let stem = Stem::new(2_000);
    let (_, digest) = put_blob(address, &stem)?;
    let manifest = image_manifest((&digest, stem.size()), &[(digest.as_str(), stem.size()); 6]);
    put_manifest(&mut Connection::open(address)?, REPOSITORY, "latest", MANIFEST_TYPE, &manifest)?;
    let path = format!("/v2/{REPOSITORY}/manifests/latest");
    Ok(Box::new(move |connection, _| {
        let request = Request::new("GET", &path).header("Accept", MANIFEST_TYPE);
        Ok(connection.send(request)?.expect(200)?.expect_length(manifest.len() as u64)?.length)
    }))
}

fn list_tags(address: SocketAddr) -> io::Result<Work> {
    fill_with_tags(address, REPOSITORY, 2_000)?;
    let path = format!("/v2/{REPOSITORY}/tags/list?n=100&last=t0000999");
    Ok(Box::new(move |connection, _| {
        let mut body = Vec::new();
        let answer =
            connection.exchange(Request::new("GET", &path), &mut |bytes| body.extend_from_slice(bytes));
        answer?.expect(200)?;
        let tags: serde_json::Value = serde_json::from_slice(&body)?;
        let tags = tags["tags"].as_array().map(|tags| (tags.len(), tags.last().and_then(|tag| tag.as_str())));
        match tags {
            Some((100, Some("t0001099"))) => Ok(0),
            other => Err(io::Error::other(format!("another page: {other:?}"))),
        }
    }))
}

fn push(size: usize) -> io::Result<Work> {
    let stem = Stem::new(size);
    Ok(Box::new(move |connection, _| push_blob(connection, REPOSITORY, &stem.payload())))
}

fn push_images() -> io::Result<Work> {
    let (layer, config) = (Stem::new(64 * KIB), Stem::new(2_000));
    let names = Names::default();
    Ok(Box::new(move |connection, _| {
        push_image(connection, REPOSITORY, &names.next(), &config, &[&layer; 4])
    }))
}

fn tag_manifest(_: SocketAddr) -> io::Result<Work> {
    let names = Names::default();
    Ok(Box::new(move |connection, _| {
        put_manifest(connection, REPOSITORY, &names.next(), INDEX_TYPE, EMPTY_INDEX.as_bytes()).map(|()| 0)
    }))
}

fn push_again(address: SocketAddr) -> io::Result<Work> {
    let stem: &'static Stem = Box::leak(Box::new(Stem::new(4 * MIB)));
    let payload = stem.payload();
    push_blob(&mut Connection::open(address)?, REPOSITORY, &payload)?;
    let names = Names::default();
    Ok(Box::new(move |connection, _| push_blob(connection, &format!("bench/{}", names.next()), &payload)))
}

fn base() -> io::Result<Work> {
    Ok(Box::new(|connection, _| connection.send(Request::new("GET", "/v2/"))?.expect(200).map(|_| 0)))
}

/// Names that were never given before, whatever the number of the operation: those begin anew each turn.
#[derive(Default)]
struct Names(std::sync::atomic::AtomicU64);

impl Names {
    fn next(&self) -> String {
        format!("n{}", self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
}
