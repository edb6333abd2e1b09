//! OCI image layouts: images in a folder, made without any client, so that what comes back can be compared with what
//! is known to be right.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{
    OCI_INDEX, bytes_of, descriptor, image, index, manifest_descriptor, sha256, to_bytes,
};
use crate::{gzip, tar};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const TAG: &str = "org.opencontainers.image.ref.name";

/// A layout that holds one image or index, under a tag.
pub(crate) struct Layout {
    path: PathBuf,
    pub(crate) tag: &'static str,
    /// Digest of what the tag names.
    pub(crate) digest: String,
    /// The bytes of what the tag names.
    pub(crate) manifest: Vec<u8>,
}

impl Layout {
    /// A layout with an image of one layer; seeds tell images apart.
    pub(crate) fn of_image(path: impl Into<PathBuf>, tag: &'static str, seed: u64) -> Self {
        Self::write(path.into(), tag, |blobs| write_image(blobs, "amd64", seed))
    }

    /// A layout with an index of two images, for amd64 and arm64.
    pub(crate) fn of_index(path: impl Into<PathBuf>, tag: &'static str, seed: u64) -> Self {
        Self::write(path.into(), tag, |blobs| {
            let children = ["amd64", "arm64"].map(|architecture| {
                let mut child = manifest_descriptor(&write_image(blobs, architecture, seed));
                child["platform"] = json!({"architecture": architecture, "os": "linux"});
                child
            });
            write_manifest(blobs, index(&children))
        })
    }

    fn write(path: PathBuf, tag: &'static str, content: impl FnOnce(&Path) -> Value) -> Self {
        let blobs = path.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let top = content(&blobs);
        let mut entry = manifest_descriptor(&top);
        entry["annotations"] = json!({TAG: tag});
        std::fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        std::fs::write(path.join("index.json"), to_bytes(&index(&[entry]))).unwrap();
        let manifest = to_bytes(&top);
        Self {
            path,
            tag,
            digest: sha256(&manifest),
            manifest,
        }
    }

    /// The folder and the tag as skopeo and its kin name them: `oci:<folder>:<tag>`.
    pub(crate) fn reference(&self) -> String {
        format!("oci:{}:{}", self.path.display(), self.tag)
    }

    /// The folder and the tag as oras has them, and regctl after `ocidir://`: `<folder>:<tag>`.
    pub(crate) fn folder_and_tag(&self) -> String {
        format!("{}:{}", self.path.display(), self.tag)
    }

    /// The folder, as an argument.
    pub(crate) fn folder(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// The layout as one tar archive.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let mut files = vec!["oci-layout".to_owned(), "index.json".to_owned()];
        for entry in std::fs::read_dir(self.path.join("blobs/sha256")).unwrap() {
            files.push(format!(
                "blobs/sha256/{}",
                entry.unwrap().file_name().to_str().unwrap()
            ));
        }
        let contents: Vec<Vec<u8>> = files
            .iter()
            .map(|name| std::fs::read(self.path.join(name)).unwrap())
            .collect();
        let pairs: Vec<(&str, &[u8])> = files
            .iter()
            .map(String::as_str)
            .zip(contents.iter().map(Vec::as_slice))
            .collect();
        tar::archive(&pairs)
    }
}

/// The digest of what is tagged in the layout in `folder`, which a client wrote: the only entry, if none has a tag.
#[track_caller]
pub(crate) fn digest_in(folder: &str) -> String {
    let index: Value =
        serde_json::from_slice(&std::fs::read(Path::new(folder).join("index.json")).unwrap())
            .unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let is_tagged = |entry: &&Value| entry["annotations"][TAG].is_string();
    let tagged = entries
        .iter()
        .find(is_tagged)
        .or(entries.first().filter(|_| entries.len() == 1));
    tagged.unwrap_or_else(|| panic!("nothing is tagged in {index}"))["digest"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A layer: a tar archive of one file, `length` bytes long.
pub(crate) fn layer(length: usize, seed: u64) -> Vec<u8> {
    tar::archive(&[("payload", &bytes_of(length, seed))])
}

fn write_image(blobs: &Path, architecture: &str, seed: u64) -> Value {
    let tar = layer(100_000, seed ^ u64::from(architecture == "arm64") << 32);
    let layer = gzip::wrap(&tar);
    let config = to_bytes(&json!({
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [sha256(&tar)]},
        "history": [{"created_by": "a test"}],
    }));
    let manifest = image(&descriptor(CONFIG, &config), &[descriptor(LAYER, &layer)]);
    write_blob(blobs, &layer);
    write_blob(blobs, &config);
    write_manifest(blobs, manifest)
}

fn write_manifest(blobs: &Path, manifest: Value) -> Value {
    write_blob(blobs, &to_bytes(&manifest));
    manifest
}

fn write_blob(blobs: &Path, bytes: &[u8]) {
    let digest = sha256(bytes);
    std::fs::write(blobs.join(digest.trim_start_matches("sha256:")), bytes).unwrap();
}
