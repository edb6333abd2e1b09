//! Blobs, images and manifests to push.

use serde_json::json;

use crate::oci::{Digest, ManifestType};

/// A manifest that needs nothing else to be there, of the type [`ManifestType::OciIndex`].
pub const EMPTY_INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// Content of which the registry has to have these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
}

impl Blob {
    /// Where a repository has it.
    pub fn path(&self, repository: &str) -> String {
        format!("/v2/{repository}/blobs/{}", self.digest)
    }
}

/// An image that has been pushed.
#[derive(Debug, Clone)]
pub struct Image {
    pub tag: String,
    pub manifest: Blob,
    /// The configuration and the layers.
    pub blobs: Vec<Blob>,
}

/// The manifest of an image.
pub fn image_manifest(config: Blob, layers: &[Blob]) -> Vec<u8> {
    let descriptor = |media_type: &str, blob: &Blob| json!({"mediaType": media_type, "digest": blob.digest, "size": blob.size});
    let layer = |layer| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": ManifestType::OciImage.as_str(),
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    manifest.to_string().into_bytes()
}
