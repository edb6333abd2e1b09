//! Manifests: images, indexes, and artifacts in their form.
//!
//! A manifest is stored and served byte for byte; what is read here is only what a registry must know of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::media_type::{is_docker_schema_1, is_non_distributable};
use super::{Descriptor, Digest, ManifestType, Platform};

/// What a registry must know of a manifest (OCI image specification, "Image manifest" and "Image index"; Docker image
/// manifest version 2, schema 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub media_type: ManifestType,
    /// What a listing of referrers says of it: its own, else for an image its configuration's media type.
    pub artifact_type: Option<String>,
    pub annotations: Option<BTreeMap<String, String>>,
    /// The digest of the manifest that this one refers to; it need not exist.
    pub subject: Option<Digest>,
    /// What it is made of, in the document's order.
    pub children: Vec<Child>,
}

/// Content that a manifest is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    pub digest: Digest,
    /// That its descriptor says, in bytes.
    pub size: u64,
    pub kind: ChildKind,
    /// Where an index says for which platform it is.
    pub platform: Option<Platform>,
    pub urls: Vec<String>,
}

/// Where a child has to be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildKind {
    /// Among the blobs: a configuration or a layer.
    Blob,
    /// A layer that may be kept elsewhere and need not be here.
    NonDistributable,
    /// Among the manifests.
    Manifest,
    /// An entry of an index whose type is not a manifest's: a blob in a build cache, or something newer.
    BlobOrManifest,
}

/// Why a document is not accepted as a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest is no valid JSON document of its kind: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the manifest is not written in UTF-8: {0}")]
    Encoding(#[from] std::str::Utf8Error),
    #[error(
        "Docker image manifests of schema 1 are no longer supported; push the image with a current client, which \
         writes schema 2 or OCI manifests"
    )]
    Schema1,
    #[error("schemaVersion is {0}; it has to be 2")]
    SchemaVersion(u64),
    #[error(
        "the media type {0:?} is none of a manifest; accepted are {types}",
        types = accepted()
    )]
    UnknownType(String),
    #[error("the Content-Type is {header}, but the document's mediaType is {document:?}")]
    TypeMismatch { header: ManifestType, document: String },
    #[error("a document of type {0} has to name it as its mediaType")]
    MissingMediaType(ManifestType),
    #[error("neither the Content-Type nor the document says what kind of manifest this is")]
    Untyped,
    #[error("a manifest has either manifests, or config and layers; this one has both")]
    Mixed,
    #[error("an image manifest has no manifests")]
    ImageWithManifests,
    #[error("an index has neither config nor layers")]
    IndexWithLayers,
    #[error("an image manifest needs a config")]
    MissingConfig,
}

fn accepted() -> String {
    ManifestType::ALL.map(ManifestType::as_str).join(", ")
}

/// The document's fields that matter. What else it has is kept in its bytes alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

/// What can be told of a document before its kind is known.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    schema_version: Option<u64>,
    media_type: Option<String>,
}

impl Manifest {
    /// Reads a manifest. `content_type` is the request's, with or without parameters.
    ///
    /// Without a usable `content_type` the document's `mediaType` decides, and without that its shape.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        let header = content_type.map(without_parameters).filter(|text| !text.is_empty());
        // The parser looks at no text that nobody asks for.
        let text = std::str::from_utf8(bytes)?;
        refuse_schema_1(text, header)?;
        let document: Document = serde_json::from_str(text)?;
        match document.schema_version {
            Some(2) => {}
            other => return Err(ManifestError::SchemaVersion(other.unwrap_or(0))),
        }
        let media_type = document.media_type(header)?;
        document.into_manifest(media_type)
    }
}

/// Schema 1 has another shape altogether, so that it would fail with a message that helps nobody.
fn refuse_schema_1(text: &str, header: Option<&str>) -> Result<(), ManifestError> {
    let outline: Outline = serde_json::from_str(text)?;
    let named = |media_type: Option<&str>| media_type.is_some_and(is_docker_schema_1);
    if named(header) || named(outline.media_type.as_deref()) || outline.schema_version == Some(1) {
        return Err(ManifestError::Schema1);
    }
    Ok(())
}

fn without_parameters(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

impl Document {
    fn media_type(&self, header: Option<&str>) -> Result<ManifestType, ManifestError> {
        let parse = |text: &str| {
            text.parse::<ManifestType>().map_err(|()| ManifestError::UnknownType(text.to_owned()))
        };
        let document = self.media_type.as_deref().filter(|text| !text.is_empty());
        match (header.map(parse).transpose()?, document) {
            (Some(header), Some(document)) if document != header.as_str() => {
                Err(ManifestError::TypeMismatch { header, document: document.to_owned() })
            }
            (Some(header), None) if header.is_docker() => Err(ManifestError::MissingMediaType(header)),
            (Some(header), _) => Ok(header),
            (None, Some(document)) => parse(document),
            (None, None) => self.type_by_shape(),
        }
    }

    fn type_by_shape(&self) -> Result<ManifestType, ManifestError> {
        if self.manifests.is_some() {
            Ok(ManifestType::OciIndex)
        } else if self.config.is_some() || self.layers.is_some() {
            Ok(ManifestType::OciImage)
        } else {
            Err(ManifestError::Untyped)
        }
    }

    fn into_manifest(self, media_type: ManifestType) -> Result<Manifest, ManifestError> {
        let has_content = self.config.is_some() || self.layers.is_some();
        match (self.manifests.is_some(), has_content, media_type.is_index()) {
            (true, true, _) => return Err(ManifestError::Mixed),
            (true, _, false) => return Err(ManifestError::ImageWithManifests),
            (_, true, true) => return Err(ManifestError::IndexWithLayers),
            (_, _, false) if self.config.is_none() => return Err(ManifestError::MissingConfig),
            _ => {}
        }
        let config_type = self.config.as_ref().map(|config| config.media_type.clone());
        let entries = self.manifests.into_iter().flatten().map(Child::of_index);
        let config = self.config.into_iter().map(|config| Child::new(config, ChildKind::Blob));
        let layers = self.layers.into_iter().flatten().map(Child::layer);
        Ok(Manifest {
            media_type,
            artifact_type: [self.artifact_type, config_type]
                .into_iter()
                .flatten()
                .find(|text| !text.is_empty()),
            annotations: self.annotations,
            subject: self.subject.map(|subject| subject.digest),
            children: config.chain(layers).chain(entries).collect(),
        })
    }
}

impl Child {
    fn new(descriptor: Descriptor, kind: ChildKind) -> Self {
        Self {
            digest: descriptor.digest,
            size: descriptor.size,
            kind,
            platform: descriptor.platform,
            urls: descriptor.urls.unwrap_or_default(),
        }
    }

    fn layer(descriptor: Descriptor) -> Self {
        let kind = if is_non_distributable(&descriptor.media_type) {
            ChildKind::NonDistributable
        } else {
            ChildKind::Blob
        };
        Self::new(descriptor, kind)
    }

    fn of_index(descriptor: Descriptor) -> Self {
        let is_manifest =
            descriptor.media_type.is_empty() || descriptor.media_type.parse::<ManifestType>().is_ok();
        let kind = if is_manifest { ChildKind::Manifest } else { ChildKind::BlobOrManifest };
        Self::new(descriptor, kind)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";

    fn descriptor(media_type: &str, digit: &str) -> Value {
        json!({ "mediaType": media_type, "size": 1, "digest": format!("sha256:{}", digit.repeat(64)) })
    }

    fn image() -> Value {
        json!({
            "schemaVersion": 2,
            "config": descriptor("application/vnd.oci.image.config.v1+json", "c"),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", "1")],
        })
    }

    fn parse(document: &Value, content_type: Option<&str>) -> Result<Manifest, ManifestError> {
        Manifest::parse(document.to_string().as_bytes(), content_type)
    }

    fn with(mut document: Value, key: &str, value: Value) -> Value {
        document[key] = value;
        document
    }

    #[test]
    fn an_image_is_made_of_its_config_and_layers() {
        let manifest = parse(&image(), Some(OCI_IMAGE)).expect("an image");
        assert_eq!(manifest.media_type, ManifestType::OciImage);
        assert_eq!(manifest.artifact_type.as_deref(), Some("application/vnd.oci.image.config.v1+json"));
        let kinds: Vec<_> = manifest.children.iter().map(|child| child.kind).collect();
        assert_eq!(kinds, [ChildKind::Blob, ChildKind::Blob]);
    }

    #[test]
    fn the_type_comes_from_the_header_then_the_document_then_its_shape() {
        let named = with(image(), "mediaType", json!(OCI_IMAGE));
        let parameters = format!("{OCI_IMAGE}; charset=utf-8");
        for (document, header) in [(&named, Some(parameters.as_str())), (&named, None), (&image(), None)] {
            let manifest = parse(document, header).expect("an image");
            assert_eq!(manifest.media_type, ManifestType::OciImage);
        }
        let index = json!({ "schemaVersion": 2, "manifests": [] });
        assert_eq!(parse(&index, None).expect("an index").media_type, ManifestType::OciIndex);
    }

    #[test]
    fn an_entry_of_an_index_that_is_no_manifest_may_be_a_blob() {
        let index = json!({ "schemaVersion": 2, "manifests": [
            descriptor(OCI_IMAGE, "1"),
            descriptor("application/vnd.oci.image.layer.v1.tar+gzip", "2"),
            descriptor("application/vnd.buildkit.cacheconfig.v0", "3"),
        ]});
        let manifest = parse(&index, Some(OCI_INDEX)).expect("an index");
        let kinds: Vec<_> = manifest.children.iter().map(|child| child.kind).collect();
        assert_eq!(kinds, [ChildKind::Manifest, ChildKind::BlobOrManifest, ChildKind::BlobOrManifest]);
        assert_eq!(manifest.artifact_type, None);
    }

    #[test]
    fn lists_that_go_programs_write_as_null_are_empty() {
        assert!(parse(&with(image(), "layers", Value::Null), Some(OCI_IMAGE)).is_ok());
        assert!(parse(&json!({ "schemaVersion": 2, "manifests": null }), Some(OCI_INDEX)).is_ok());
    }

    #[test]
    fn a_number_that_nobody_asks_for_may_be_larger_than_any_float() {
        let document = image().to_string().replacen('{', r#"{"other":2e25553,"#, 1);
        let manifest = Manifest::parse(document.as_bytes(), Some(OCI_IMAGE)).expect("an image");
        assert_eq!(manifest.children.len(), 2);
    }

    #[test]
    fn what_is_wrong_with_a_manifest_is_told_apart() {
        let refused = |document: &Value, header| parse(document, header).expect_err("refused");
        let schema_1 = json!({ "schemaVersion": 1, "fsLayers": [], "history": [] });
        assert!(matches!(refused(&schema_1, None), ManifestError::Schema1));
        let prettyjws = Some("application/vnd.docker.distribution.manifest.v1+prettyjws");
        assert!(matches!(refused(&image(), prettyjws), ManifestError::Schema1));
        let version_3 = with(image(), "schemaVersion", json!(3));
        assert!(matches!(refused(&version_3, None), ManifestError::SchemaVersion(3)));
        assert!(matches!(refused(&image(), Some("text/plain")), ManifestError::UnknownType(_)));
        assert!(matches!(refused(&image(), Some(DOCKER_IMAGE)), ManifestError::MissingMediaType(_)));
        let named = with(image(), "mediaType", json!(DOCKER_IMAGE));
        assert!(matches!(refused(&named, Some(OCI_IMAGE)), ManifestError::TypeMismatch { .. }));
        let mixed = with(image(), "manifests", json!([]));
        assert!(matches!(refused(&mixed, Some(OCI_INDEX)), ManifestError::Mixed));
        assert!(matches!(refused(&image(), Some(OCI_INDEX)), ManifestError::IndexWithLayers));
        let index = json!({ "schemaVersion": 2, "manifests": [] });
        assert!(matches!(refused(&index, Some(OCI_IMAGE)), ManifestError::ImageWithManifests));
        assert!(matches!(refused(&json!({ "schemaVersion": 2 }), None), ManifestError::Untyped));
        let no_config = json!({ "schemaVersion": 2, "layers": [] });
        assert!(matches!(refused(&no_config, Some(OCI_IMAGE)), ManifestError::MissingConfig));
        assert!(matches!(Manifest::parse(b"{", None), Err(ManifestError::Json(_))));
    }

    #[test]
    fn a_non_distributable_layer_need_not_be_here() {
        let layers = json!([
            descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", "1"),
            descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "2"),
        ]);
        let manifest = parse(&with(image(), "layers", layers), Some(OCI_IMAGE)).expect("an image");
        assert!(manifest.children[1..].iter().all(|child| child.kind == ChildKind::NonDistributable));
    }
}
