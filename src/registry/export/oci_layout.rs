//! OCI image layouts (OCI image specification, "OCI image layout"), one a repository, in a folder of its name.
//!
//! ```text
//! <name>/
//!   oci-layout                       says that this is one
//!   index.json                       its tags, and the manifests that nothing there leads to
//!   blobs/<algorithm>/<hex>          payloads, and the bytes of manifests
//! ```

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::oci::{Algorithm, Descriptor, Digest, ManifestType, RepositoryName};
use crate::store::{Outlet, OutletError};

use super::shape::{Exported, ExportedManifest, Shape, repositories_below};

/// What lies in a layout.
const INNER: [&str; 3] = ["blobs", "index.json", "oci-layout"];
/// The annotation that has a tag.
const TAG: &str = "org.opencontainers.image.ref.name";

pub(super) struct OciLayout;

impl Shape for OciLayout {
    /// A name that leads into the layout of another repository.
    fn objection(&self, name: &RepositoryName, above: &dyn Fn(&RepositoryName) -> bool) -> Option<String> {
        let mut outer = name.as_str().match_indices('/').filter_map(|(at, _)| {
            let (outer, inner) = name.as_str().split_at(at);
            INNER.contains(&inner.split('/').nth(1)?).then(|| outer.parse().ok())?
        });
        let outer = outer.find(|outer| above(outer))?;
        Some(format!(
            "it would lie among the files of {outer}; export it to a folder of its own, with --repository"
        ))
    }

    fn knows(&self, _algorithm: Algorithm) -> bool {
        true
    }

    fn payload(&self, name: &RepositoryName, digest: &Digest) -> PathBuf {
        Path::new(name.as_str()).join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    fn begin(&self, outlet: &mut Outlet<'_>, name: &RepositoryName) -> Result<(), OutletError> {
        let layout = json!({"imageLayoutVersion": "1.0.0"}).to_string();
        outlet.write(layout.as_bytes(), &Path::new(name.as_str()).join("oci-layout"))
    }

    fn link_blob(
        &self,
        _outlet: &mut Outlet<'_>,
        _name: &RepositoryName,
        _digest: &Digest,
    ) -> Result<(), OutletError> {
        Ok(())
    }

    fn link_manifest(
        &self,
        _outlet: &mut Outlet<'_>,
        _name: &RepositoryName,
        _digest: &Digest,
    ) -> Result<(), OutletError> {
        Ok(())
    }

    fn end(
        &self,
        outlet: &mut Outlet<'_>,
        name: &RepositoryName,
        exported: &Exported,
    ) -> Result<u64, OutletError> {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": ManifestType::OciIndex.as_str(),
            "manifests": listed(exported),
        });
        outlet.write(index.to_string().as_bytes(), &Path::new(name.as_str()).join("index.json"))?;
        Ok(0)
    }

    fn repositories(&self, outlet: &Outlet<'_>) -> Result<Vec<RepositoryName>, OutletError> {
        repositories_below(outlet, "", "index.json", &INNER)
    }

    fn remove_repository(&self, outlet: &mut Outlet<'_>, name: &RepositoryName) -> Result<(), OutletError> {
        let folder = Path::new(name.as_str());
        outlet.remove_file(&folder.join("index.json"))?;
        outlet.remove_file(&folder.join("oci-layout"))?;
        outlet.remove_folder(&folder.join("blobs"))
    }
}

/// The tags, then the manifests to which neither a tag nor an index leads: referrers are found by these.
fn listed(exported: &Exported) -> Vec<Descriptor> {
    let tagged: HashSet<_> = exported.tags.values().collect();
    let tags = exported.tags.iter().filter_map(|(tag, digest)| {
        let tag = BTreeMap::from([(TAG.to_owned(), tag.to_string())]);
        Some(descriptor(digest, exported.manifests.get(digest)?, Some(tag)))
    });
    let is_left = |digest: &Digest| !tagged.contains(digest) && !exported.children.contains(digest);
    let left = exported.manifests.iter().filter(|(digest, _)| is_left(digest));
    tags.chain(left.map(|(digest, manifest)| descriptor(digest, manifest, None))).collect()
}

fn descriptor(
    digest: &Digest,
    manifest: &ExportedManifest,
    annotations: Option<BTreeMap<String, String>>,
) -> Descriptor {
    Descriptor {
        media_type: manifest.media_type.as_str().to_owned(),
        size: manifest.size,
        digest: *digest,
        artifact_type: manifest.artifact_type.clone(),
        annotations,
        urls: None,
        platform: None,
    }
}
