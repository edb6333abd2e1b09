//! What is pushed: few things, so that they meet again and again. Each goes by its number.

use std::sync::LazyLock;

use bytes::Bytes;
use holdfast::oci::{Algorithm, Digest, RepositoryName, Tag};
use holdfast::store::{Hasher, NeedKind};

/// The largest payload that rides in the log, in bytes.
pub const LARGEST_LOGGED: u64 = 6_000;

pub struct Blob {
    pub bytes: Bytes,
    pub digest: Digest,
}

pub struct Manifest {
    pub bytes: Bytes,
    pub digest: Digest,
    pub needs: Vec<(NeedKind, Digest)>,
    pub subject: Option<Digest>,
}

pub struct Goods {
    pub repositories: [RepositoryName; 3],
    pub tags: [Tag; 3],
    pub blobs: Vec<Blob>,
    pub manifests: Vec<Manifest>,
}

pub static GOODS: LazyLock<Goods> = LazyLock::new(|| {
    let blobs: Vec<_> = [1, 700, 4_096, 5_000, 6_000, 9_000].into_iter().enumerate().map(blob).collect();
    let need = |blob: usize| (NeedKind::Blob, blobs[blob].digest);
    let mut manifests = vec![
        manifest(0, vec![need(0), need(1)], None),
        manifest(1, vec![need(1), need(2), need(5)], None),
        manifest(2, vec![need(3)], None),
    ];
    let image = |manifest: usize| (NeedKind::Manifest, manifests[manifest].digest);
    let index = manifest(3, vec![image(0), image(1)], None);
    let referrers = [0, 2].map(|subject| manifest(4 + subject, vec![need(4)], Some(image(subject).1)));
    manifests.push(index);
    manifests.extend(referrers);
    Goods {
        repositories: ["one", "two/of", "three"].map(|name| name.parse().unwrap()),
        tags: ["latest", "1.0", "x"].map(|name| name.parse().unwrap()),
        blobs,
        manifests,
    }
});

fn blob((number, size): (usize, usize)) -> Blob {
    let bytes = content(number, size);
    Blob { digest: Hasher::digest(Algorithm::ALL[number % 3], &bytes), bytes }
}

fn manifest(number: usize, needs: Vec<(NeedKind, Digest)>, subject: Option<Digest>) -> Manifest {
    let bytes = content(100 + number, 50 * (number + 1));
    Manifest { digest: Hasher::digest(Algorithm::Sha256, &bytes), bytes, needs, subject }
}

/// Bytes that are the same each time and like no others.
pub fn content(number: usize, size: usize) -> Bytes {
    (0..size)
        .map(|index| number.wrapping_mul(31).wrapping_add(index / 7 + index % 251).to_le_bytes()[0])
        .collect()
}
