//! Manifests as JSON values, so that a test can change one field of a right one: `image["schemaVersion"] = json!(1)`.

use serde_json::{Value, json};

use super::content::sha256;

pub const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest that was pushed, with what it needs.
#[derive(Clone, Debug)]
pub struct Image {
    pub digest: String,
    pub bytes: Vec<u8>,
    pub media_type: String,
    /// Digest of the configuration.
    pub config: String,
    /// Digest of the only layer.
    pub layer: String,
}

impl Image {
    /// A descriptor of the manifest, as an index or a `subject` holds it.
    pub fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// A descriptor of these bytes.
pub fn descriptor(media_type: &str, bytes: impl AsRef<[u8]>) -> Value {
    json!({"mediaType": media_type, "digest": sha256(&bytes), "size": bytes.as_ref().len()})
}

/// A descriptor of a manifest given as JSON.
pub fn manifest_descriptor(manifest: &Value) -> Value {
    descriptor(manifest["mediaType"].as_str().unwrap(), to_bytes(manifest))
}

/// The bytes that stand for this manifest throughout the tests.
pub fn to_bytes(manifest: &Value) -> Vec<u8> {
    serde_json::to_vec(manifest).unwrap()
}

/// The descriptor of the empty JSON object, the configuration of most artifacts; its blob is `{}`.
pub fn empty_config() -> Value {
    descriptor("application/vnd.oci.empty.v1+json", "{}")
}

/// An OCI image manifest.
pub fn image(config: &Value, layers: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_IMAGE, "config": config, "layers": layers})
}

/// An OCI image index.
pub fn index(manifests: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})
}

/// An artifact: an image manifest with an `artifactType`, the empty configuration and no layer.
pub fn artifact(artifact_type: &str) -> Value {
    let mut manifest = image(&empty_config(), &[]);
    manifest["artifactType"] = json!(artifact_type);
    manifest
}

/// A Docker schema 2 image manifest.
pub fn docker_image(config: &Value, layers: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": DOCKER_IMAGE, "config": config, "layers": layers})
}

/// A Docker manifest list.
pub fn docker_list(manifests: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": manifests})
}
