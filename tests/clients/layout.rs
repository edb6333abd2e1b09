//! OCI image layouts: images in a folder, made without any client, so that what comes back can be compared with what
//! is known to be right.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Registry, bytes_of, descriptor, image, index, manifest_descriptor, sha256, to_bytes};
use crate::{gzip, tar, zstd};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const GZIP_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const TAG: &str = "org.opencontainers.image.ref.name";

/// A layout that holds one image or index, under a tag.
pub(crate) struct Layout {
    folder: PathBuf,
    tag: &'static str,
    /// Digest of what the tag names.
    pub(crate) digest: String,
    /// The bytes of what the tag names.
    pub(crate) manifest: Vec<u8>,
    content: Content,
}

/// What an image or index consists of.
#[derive(Default)]
struct Content {
    blobs: Vec<Vec<u8>>,
    /// What needs others comes after them: the last one is the whole.
    manifests: Vec<Value>,
}

impl Layout {
    /// A layout with an image of one layer; seeds tell images apart.
    pub(crate) fn of_image(folder: impl Into<PathBuf>, tag: &'static str, seed: u64) -> Self {
        let mut content = Content::default();
        content.add_image("amd64", seed);
        content.write(folder.into(), tag)
    }

    /// A layout with an image whose layer is a zstd frame.
    pub(crate) fn of_zstd_image(folder: impl Into<PathBuf>, tag: &'static str, seed: u64) -> Self {
        let mut content = Content::default();
        let tar = layer(100_000, seed);
        content.add_image_with("amd64", &tar, ZSTD_LAYER, zstd::wrap(&tar));
        content.write(folder.into(), tag)
    }

    /// A layout with an index of two images, for amd64 and arm64.
    pub(crate) fn of_index(folder: impl Into<PathBuf>, tag: &'static str, seed: u64) -> Self {
        let mut content = Content::default();
        let children = [("amd64", seed), ("arm64", seed + 1000)].map(|(architecture, seed)| {
            let mut child = content.add_image(architecture, seed);
            child["platform"] = json!({"architecture": architecture, "os": "linux"});
            child
        });
        content.manifests.push(index(&children));
        content.write(folder.into(), tag)
    }

    /// The folder and the tag as skopeo and its kin name them: `oci:<folder>:<tag>`.
    pub(crate) fn reference(&self) -> String {
        format!("oci:{}", self.folder_and_tag())
    }

    /// The folder and the tag as oras has them, and regctl after `ocidir://`: `<folder>:<tag>`.
    pub(crate) fn folder_and_tag(&self) -> String {
        format!("{}:{}", self.folder.display(), self.tag)
    }

    /// The folder, as an argument.
    pub(crate) fn folder(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    /// The layout as one tar archive.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let files = self.content.files(self.tag);
        let files: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (n.as_str(), &b[..])).collect();
        tar::archive(&files)
    }

    /// Pushes the content to the registry without a client.
    #[track_caller]
    pub(crate) fn push(&self, registry: &Registry, repository: &str, tag: &str) {
        for blob in &self.content.blobs {
            registry.push_blob(repository, blob);
        }
        for manifest in &self.content.manifests {
            registry.push_manifest(repository, &sha256(to_bytes(manifest)), manifest);
        }
        registry.push_manifest(repository, tag, self.content.whole());
    }
}

impl Content {
    /// Adds an image and gives its descriptor.
    fn add_image(&mut self, architecture: &str, seed: u64) -> Value {
        let tar = layer(100_000, seed);
        self.add_image_with(architecture, &tar, GZIP_LAYER, gzip::wrap(&tar))
    }

    fn add_image_with(&mut self, architecture: &str, tar: &[u8], kind: &str, layer: Vec<u8>) -> Value {
        let config = config(architecture, tar);
        let manifest = image(&descriptor(CONFIG, &config), &[descriptor(kind, &layer)]);
        let added = manifest_descriptor(&manifest);
        self.blobs.extend([config, layer]);
        self.manifests.push(manifest);
        added
    }

    fn whole(&self) -> &Value {
        self.manifests.last().unwrap()
    }

    /// The layout's files by their paths in it.
    fn files(&self, tag: &str) -> Vec<(String, Vec<u8>)> {
        let mut entry = manifest_descriptor(self.whole());
        entry["annotations"] = json!({TAG: tag});
        let fixed = br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec();
        let mut files =
            vec![("oci-layout".to_owned(), fixed), ("index.json".to_owned(), to_bytes(&index(&[entry])))];
        let manifests = self.manifests.iter().map(to_bytes);
        for bytes in self.blobs.iter().cloned().chain(manifests) {
            files.push((format!("blobs/{}", sha256(&bytes).replace(':', "/")), bytes));
        }
        files
    }

    fn write(self, folder: PathBuf, tag: &'static str) -> Layout {
        std::fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        for (name, bytes) in self.files(tag) {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        let manifest = to_bytes(self.whole());
        let digest = sha256(&manifest);
        Layout { folder, tag, digest, manifest, content: self }
    }
}

/// The digest of what is tagged in the layout in `folder`, which a client wrote: the only entry, if none has a tag.
#[track_caller]
pub(crate) fn digest_in(folder: &str) -> String {
    let bytes = std::fs::read(Path::new(folder).join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&bytes).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let is_tagged = |entry: &&Value| entry["annotations"][TAG].is_string();
    let only = entries.first().filter(|_| entries.len() == 1);
    let Some(entry) = entries.iter().find(is_tagged).or(only) else { panic!("nothing is tagged in {index}") };
    entry["digest"].as_str().unwrap().to_owned()
}

/// The configuration of an image whose layer unpacks to this.
pub(crate) fn config(architecture: &str, tar: &[u8]) -> Vec<u8> {
    to_bytes(&json!({
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [sha256(tar)]},
        "history": [{"created_by": "a test"}],
    }))
}

/// A layer: a tar archive of the file `payload`, `length` bytes long.
pub(crate) fn layer(length: usize, seed: u64) -> Vec<u8> {
    tar::archive(&[("payload", &bytes_of(length, seed))])
}
