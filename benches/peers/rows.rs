//! What is measured: each row puts something in and then does one thing many times.

use std::sync::atomic::{AtomicU64, Ordering};

use holdfast::load::{
    Connection, EMPTY_INDEX, Failure, Reconnect, Request, Stem, check_blob, image_manifest, pull,
    pull_manifest, pull_verified, push_blob, push_image, put_manifest,
};
use holdfast::oci::ManifestType;

use crate::page_cache::PageCache;
use crate::place::{Place, REPOSITORY};
use crate::support::{Way, fill_with_tags};

/// One operation: it is told its number, and says how many bytes of payload it has moved.
pub(crate) type Work = Box<dyn Fn(&mut Connection, u64) -> Result<u64, Failure> + Send + Sync>;

/// A line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    /// The most operations of one turn, so that the disk is not filled.
    pub(crate) operations: u64,
    /// What there is of it when a turn begins.
    pub(crate) page_cache: PageCache,
    pub(crate) way: Way,
    /// Puts in what the operations need.
    pub(crate) prepare: fn(&Place<'_>) -> Result<Work, Failure>,
}

impl Row {
    /// Whether it does nothing that a server of files could not do as well.
    pub(crate) fn is_pull(&self) -> bool {
        self.name.starts_with("pull ")
    }

    /// What it is called: by how many connections as well.
    pub(crate) fn label(&self) -> String {
        format!("{} ({})", self.name, self.connections)
    }
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const UNBOUNDED: u64 = u64::MAX;

/// All of them.
pub(crate) fn all() -> [Row; 25] {
    let row = |name, connections, operations, prepare| Row {
        name,
        connections,
        operations,
        page_cache: PageCache::Empty,
        way: Way::Plain,
        prepare,
    };
    let over_tls = |row, reconnect| Row { way: Way::Encrypted(reconnect), ..row };
    let over_http2 = |row| Row { way: Way::Http2, ..row };
    [
        row("pull 256 MiB", 8, UNBOUNDED, pull_large),
        row("pull 64 KiB", 8, UNBOUNDED, pull_small),
        row("HEAD of a blob", 8, UNBOUNDED, head_of_blob),
        row("GET a manifest by tag", 8, UNBOUNDED, get_manifest),
        row("100 tags of 2,000, from the middle", 4, UNBOUNDED, list_tags),
        row("push 256 MiB", 1, 4, |_| push(256 * MIB)),
        Row {
            page_cache: PageCache::Full,
            ..row("push 256 MiB, the page cache full of other files", 1, 4, |_| push(256 * MIB))
        },
        row("push 64 MiB", 4, 16, |_| push(64 * MIB)),
        row("push 64 KiB", 8, UNBOUNDED, |_| push(64 * KIB)),
        row("push 64 KiB, alone", 1, UNBOUNDED, |_| push(64 * KIB)),
        row("push images of 4 layers of 64 KiB", 8, UNBOUNDED, |_| push_images()),
        row("tag a manifest, alone", 1, UNBOUNDED, tag_manifest),
        row("tag a manifest", 64, UNBOUNDED, tag_manifest),
        row("push a 4 MiB blob that is there, to new repositories", 4, 1_500, push_again),
        row("GET /v2/", 8, UNBOUNDED, |_| base()),
        over_tls(row("pull 256 MiB over TLS", 8, UNBOUNDED, pull_large), Reconnect::Never),
        over_tls(row("pull 64 KiB over TLS", 8, UNBOUNDED, pull_small), Reconnect::Never),
        over_tls(
            row("pull a manifest, a TLS session resumed each", 8, UNBOUNDED, get_manifest),
            Reconnect::Resuming,
        ),
        over_tls(row("pull a manifest, a TLS handshake each", 8, UNBOUNDED, get_manifest), Reconnect::Anew),
        over_tls(row("push 64 KiB over TLS", 8, UNBOUNDED, |_| push(64 * KIB)), Reconnect::Never),
        over_tls(row("push 256 MiB over TLS", 1, 4, |_| push(256 * MIB)), Reconnect::Never),
        over_http2(row("pull 256 MiB over HTTP/2", 8, UNBOUNDED, pull_large)),
        over_http2(row("pull 64 KiB over HTTP/2", 8, UNBOUNDED, pull_small)),
        over_http2(row("push 64 KiB over HTTP/2", 8, UNBOUNDED, |_| push(64 * KIB))),
        over_http2(row("push 256 MiB over HTTP/2", 1, 4, |_| push(256 * MIB))),
    ]
}

fn pull_large(place: &Place<'_>) -> Result<Work, Failure> {
    let stem = Stem::new(256 * MIB);
    let (path, blob) = place.put_blob(&stem)?;
    pull_verified(&mut place.connect()?, &path, blob)?;
    Ok(Box::new(move |connection, _| pull(connection, &path, stem.size())))
}

/// One of every so many is verified while the clock runs: their hashing costs a fraction of what the rest costs.
const VERIFIED: u64 = 64;

fn pull_small(place: &Place<'_>) -> Result<Work, Failure> {
    const BLOBS: u64 = 200;
    let stem = Stem::new(64 * KIB);
    let blobs = (0..BLOBS).map(|_| place.put_blob(&stem)).collect::<Result<Vec<_>, Failure>>()?;
    Ok(Box::new(move |connection, number| {
        let (path, blob) = &blobs[usize::try_from(number % BLOBS).unwrap()];
        match number % VERIFIED {
            0 => pull_verified(connection, path, *blob),
            _ => pull(connection, path, blob.size),
        }
    }))
}

fn head_of_blob(place: &Place<'_>) -> Result<Work, Failure> {
    let stem = Stem::new(64 * KIB);
    let (path, _) = place.put_blob(&stem)?;
    Ok(Box::new(move |connection, _| check_blob(connection, &path, stem.size())))
}

fn get_manifest(place: &Place<'_>) -> Result<Work, Failure> {
    let stem = Stem::new(2_000);
    let (_, blob) = place.put_blob(&stem)?;
    let manifest = image_manifest(blob, &[blob; 6]);
    let path = place.put_manifest("latest", ManifestType::OciImage, &manifest)?;
    Ok(Box::new(move |connection, _| {
        pull_manifest(connection, &path, ManifestType::OciImage, manifest.len() as u64)
    }))
}

fn list_tags(place: &Place<'_>) -> Result<Work, Failure> {
    fill_with_tags(place.target(), REPOSITORY, 2_000)?;
    let path = format!("/v2/{REPOSITORY}/tags/list?n=100&last=t0000999");
    Ok(Box::new(move |connection, _| list_page(connection, &path, "t0001099")))
}

/// A page of 100 tags that has to end with this one.
pub(crate) fn list_page(connection: &mut Connection, path: &str, last: &str) -> Result<u64, Failure> {
    let (request, mut body) = (Request::new("GET", path), Vec::new());
    connection.fetch(&request, 200, &mut |bytes| body.extend_from_slice(bytes))?;
    let page: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let tags = page["tags"].as_array().map(|tags| (tags.len(), tags.last().and_then(|tag| tag.as_str())));
    match tags {
        Some((100, Some(tag))) if tag == last => Ok(0),
        _ => Err(Failure::Content {
            request: request.to_string(),
            found: String::from_utf8_lossy(&body).into_owned(),
        }),
    }
}

fn push(size: usize) -> Result<Work, Failure> {
    let stem = Stem::new(size);
    Ok(Box::new(move |connection, _| push_blob(connection, REPOSITORY, &stem.payload())))
}

fn push_images() -> Result<Work, Failure> {
    let (layer, config) = (Stem::new(64 * KIB), Stem::new(2_000));
    let names = Names::default();
    Ok(Box::new(move |connection, _| {
        let layers = [(); 4].map(|()| layer.payload());
        let image = push_image(connection, REPOSITORY, names.next(), &config.payload(), &[], &layers);
        image.map(|(_, bytes)| bytes)
    }))
}

fn tag_manifest(_: &Place<'_>) -> Result<Work, Failure> {
    let names = Names::default();
    Ok(Box::new(move |connection, _| {
        put_manifest(connection, REPOSITORY, &names.next(), ManifestType::OciIndex, EMPTY_INDEX.as_bytes())
            .map(|()| 0)
    }))
}

fn push_again(place: &Place<'_>) -> Result<Work, Failure> {
    let stem: &'static Stem = Box::leak(Box::new(Stem::new(4 * MIB)));
    let payload = stem.payload();
    push_blob(&mut place.connect()?, REPOSITORY, &payload)?;
    let names = Names::default();
    Ok(Box::new(move |connection, _| push_blob(connection, &format!("bench/{}", names.next()), &payload)))
}

fn base() -> Result<Work, Failure> {
    Ok(Box::new(|connection, _| connection.ask(&Request::new("GET", "/v2/"), 200).map(|_| 0)))
}

/// Names that were never given before, whatever the number of the operation: those begin anew each turn.
#[derive(Default)]
struct Names(AtomicU64);

impl Names {
    fn next(&self) -> String {
        format!("n{}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}
