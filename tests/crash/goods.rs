//! What is pushed: few things, so that they meet again and again.

use std::sync::LazyLock;

use bytes::Bytes;
use holdfast::oci::{Algorithm, Digest, RepositoryName, Tag};
use holdfast::store::Hasher;
use serde_json::{Value, json};

pub(crate) struct Blob {
    pub(crate) bytes: Bytes,
    pub(crate) digest: Digest,
}

pub(crate) struct Manifest {
    pub(crate) bytes: Bytes,
    pub(crate) digest: Digest,
    /// The blobs that it needs, by number.
    pub(crate) blobs: Vec<usize>,
    /// The manifests that it needs, by number.
    pub(crate) manifests: Vec<usize>,
}

/// Everything there is. Elsewhere it goes by its number here.
pub(crate) struct Goods {
    pub(crate) repositories: Vec<RepositoryName>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) blobs: Vec<Blob>,
    pub(crate) manifests: Vec<Manifest>,
}

pub(crate) static GOODS: LazyLock<Goods> = LazyLock::new(Goods::make);

impl Goods {
    fn make() -> Self {
        const SIZES: [usize; 8] = [0, 1, 511, 512, 1_300, 4_096, 9_000, 40_000];
        let blobs: Vec<_> = SIZES.into_iter().enumerate().map(|(number, size)| blob(number, size)).collect();
        let mut manifests = vec![
            image(&blobs, &[0, 3]),
            image(&blobs, &[1, 3, 5]),
            image(&blobs, &[2, 6]),
            image(&blobs, &[4, 7]),
        ];
        manifests.push(index(&manifests, &[0, 1]));
        manifests.push(index(&manifests, &[2]));
        Self {
            repositories: ["one", "two/of", "three/of/them"].map(|name| name.parse().unwrap()).into(),
            tags: ["latest", "1.0", "1.1"].map(|name| name.parse().unwrap()).into(),
            blobs,
            manifests,
        }
    }
}

fn blob(number: usize, size: usize) -> Blob {
    let mut bytes = vec![0; size];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    let algorithm = match number {
        2 => Algorithm::Blake3,
        6 => Algorithm::Sha512,
        _ => Algorithm::Sha256,
    };
    Blob { digest: Hasher::digest(algorithm, &bytes), bytes: bytes.into() }
}

fn image(all: &[Blob], blobs: &[usize]) -> Manifest {
    let layers: Vec<_> = blobs
        .iter()
        .map(|number| {
            let blob = &all[*number];
            let media_type = "application/vnd.oci.image.layer.v1.tar";
            json!({"mediaType": media_type, "digest": blob.digest.to_string(), "size": blob.bytes.len()})
        })
        .collect();
    let text = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": layers[0],
        "layers": layers[1..],
    });
    Manifest { blobs: blobs.to_owned(), ..manifest(&text) }
}

fn index(all: &[Manifest], manifests: &[usize]) -> Manifest {
    let children: Vec<_> = manifests
        .iter()
        .map(|number| {
            let child = &all[*number];
            let media_type = "application/vnd.oci.image.manifest.v1+json";
            json!({"mediaType": media_type, "digest": child.digest.to_string(), "size": child.bytes.len()})
        })
        .collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let text = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": children});
    Manifest { manifests: manifests.to_owned(), ..manifest(&text) }
}

fn manifest(text: &Value) -> Manifest {
    let bytes = Bytes::from(text.to_string());
    let digest = Hasher::digest(Algorithm::Sha256, &bytes);
    Manifest { bytes, digest, blobs: Vec::new(), manifests: Vec::new() }
}
