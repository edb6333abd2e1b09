//! Manifests to push.

use serde_json::json;

pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// A manifest that needs nothing else to be there.
pub const EMPTY_INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// An image of these blobs, each given by its digest and its size; the first one is the configuration.
pub fn image_manifest(config: (&str, u64), layers: &[(&str, u64)]) -> Vec<u8> {
    let descriptor = |media_type: &str, (digest, size): (&str, u64)| json!({"mediaType": media_type, "digest": digest, "size": size});
    let layer = |layer: &(&str, u64)| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", *layer);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    serde_json::to_vec(&manifest).unwrap()
}
