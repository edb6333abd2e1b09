//! What `docker save` wrote before version 25, and others still do: a manifest.json that names the configuration and the layers of
//! each image, the layers as plain tars. There is no manifest, so one is made, as Docker itself makes it in a push.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::json;

use crate::oci::{Algorithm, Digest, ManifestType};
use crate::store::Hasher;

use super::archive::{Part, Unpacked};
use super::listing::{self, Listed, Name};
use super::origin::Unusable;

const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// An entry of manifest.json.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    /// Null for an image that was saved by its id.
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// What a manifest.json comes to.
#[derive(Default)]
pub(super) struct Saved {
    pub(super) listed: Vec<Listed>,
    /// Those that were made.
    pub(super) manifests: HashMap<Digest, Vec<u8>>,
    /// Images that lack something.
    pub(super) broken: Vec<Unusable>,
}

/// Reads a manifest.json, and makes a manifest of each image.
pub(super) fn read(text: &[u8], unpacked: &Unpacked<'_>) -> serde_json::Result<Saved> {
    let images: Vec<Image> = serde_json::from_slice(text)?;
    let mut saved = Saved::default();
    for image in images {
        let names = image.repo_tags.clone().unwrap_or_default();
        match make(&image, unpacked) {
            Ok(manifest) => {
                let digest = Hasher::digest(Algorithm::Sha256, &manifest);
                saved.manifests.insert(digest, manifest);
                let list = |name| saved.listed.push(Listed { name, digest });
                match names.is_empty() {
                    true => [Name::default()].into_iter().for_each(list),
                    false => names.iter().map(|name| listing::split(name)).for_each(list),
                }
            }
            Err(lacking) => {
                let reason = format!("the archive lacks {lacking}, which the image is made of");
                let repository = names.first().unwrap_or(&image.config).clone();
                saved.broken.push(Unusable { repository, reason });
            }
        }
    }
    Ok(saved)
}

/// The manifest of an image, or the path of what it lacks.
fn make(image: &Image, unpacked: &Unpacked<'_>) -> Result<Vec<u8>, String> {
    let find = |path: &String| unpacked.part(path).ok_or_else(|| path.clone());
    let descriptor =
        |kind: String, part: Part| json!({"mediaType": kind, "size": part.size, "digest": part.digest});
    let config = descriptor(CONFIG.to_owned(), find(&image.config)?);
    let layer = |path| {
        let part = find(path)?;
        let compression = match (part.is_gzip, part.is_zstd) {
            (true, _) => ".gzip",
            (_, true) => ".zstd",
            _ => "",
        };
        Ok(descriptor(format!("{LAYER}{compression}"), part))
    };
    let layers = image.layers.iter().flatten().map(layer).collect::<Result<Vec<_>, String>>()?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": ManifestType::DockerImage.as_str(),
        "config": config,
        "layers": layers,
    });
    Ok(manifest.to_string().into_bytes())
}
