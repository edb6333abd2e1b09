//! Walks every table and proves that they agree with one another.

use std::collections::HashSet;
use std::fmt;

use redb::ReadableTable;

use crate::oci::{Digest, RepositoryName};
use crate::store::hasher::Hasher;
use crate::store::ids::PayloadId;

use super::MetadataError;
use super::change::NeedKind;
use super::encoding::decode;
use super::keys::{digest_from_key, id_from_key};
use super::reads::DoomedFile;
use super::rows::{BlobRow, LinkRow, ManifestRow, Place, ReferrerRow, TagRow, UploadRow};
use super::tables::{Access, Tables};

/// One thing that must hold and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(String);

impl Violation {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a check has found in the tables.
#[derive(Debug, Default)]
pub struct Census {
    /// Every payload that should be there.
    pub blobs: Vec<(Digest, BlobRow)>,
    /// Every upload session that should be continuable.
    pub uploads: Vec<(PayloadId, UploadRow)>,
    /// Every file that is to be unlinked.
    pub(in crate::store) doomed: Vec<DoomedFile>,
    pub repositories: u64,
    pub manifests: u64,
    pub tags: u64,
    pub violations: Vec<Violation>,
}

impl Census {
    fn expect(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(Violation(text()));
        }
    }

    /// The part of a key, or a row, that has to be readable.
    fn readable<T>(&mut self, parsed: Option<T>, table: &str, key: &dyn fmt::Debug) -> Option<T> {
        self.expect(parsed.is_some(), || format!("{table}: the row at {key:?} cannot be read"));
        parsed
    }
}

impl<A: Access> Tables<A> {
    /// Walks all tables. Errors are the database's; what the tables get wrong is in the census.
    pub fn check(&self) -> Result<Census, MetadataError> {
        let mut census = Census::default();
        self.check_blobs(&mut census)?;
        self.check_log_payloads(&mut census)?;
        self.check_doomed_files(&mut census)?;
        self.check_blob_links(&mut census)?;
        self.check_manifests(&mut census)?;
        self.check_manifest_bytes(&mut census)?;
        self.check_catalog(&mut census)?;
        self.check_tags(&mut census)?;
        self.check_needs(&mut census)?;
        self.check_referrers(&mut census)?;
        self.check_uploads(&mut census)?;
        Ok(census)
    }

    fn check_blobs(&self, census: &mut Census) -> Result<(), MetadataError> {
        for entry in self.blobs.iter()? {
            let (key, value) = entry?;
            let row = digest_from_key(key.value()).zip(decode::<BlobRow>("blobs", value.value()).ok());
            let Some(blob) = census.readable(row, "blobs", &key.value()) else { continue };
            let is_held = self.is_blob_held(&blob.0)?;
            census.expect(is_held, || format!("no repository holds the blob {}", blob.0));
            census.blobs.push(blob);
        }
        Ok(())
    }

    fn check_log_payloads(&self, census: &mut Census) -> Result<(), MetadataError> {
        for entry in self.log_payloads.iter()? {
            let (key, digest) = entry?;
            let (segment, offset) = key.value();
            let row = self.blobs.get(digest.value())?;
            let row = row.and_then(|row| decode::<BlobRow>("blobs", row.value()).ok());
            let is_there = row.is_some_and(|row| row.place == (Place::Log { segment, offset }));
            census.expect(is_there, || format!("log_payloads has {} too many", show(digest.value())));
        }
        for (digest, row) in &census.blobs {
            if let Place::Log { segment, offset } = row.place
                && self.log_payloads.get((segment, offset))?.is_none()
            {
                census.violations.push(Violation(format!("log_payloads lacks {digest}")));
            }
        }
        Ok(())
    }

    fn check_doomed_files(&self, census: &mut Census) -> Result<(), MetadataError> {
        for entry in self.doomed_files.iter()? {
            let (key, ()) = (entry?.0, ());
            let (digest, file) = key.value();
            let doomed = digest_from_key(digest).zip(id_from_key(file));
            let Some((digest, file)) = census.readable(doomed, "doomed_files", &key.value()) else {
                continue;
            };
            let is_place = self.blob(&digest)?.is_some_and(|row| row.place == Place::File { id: file });
            census.expect(!is_place, || format!("the file of {digest} is to be unlinked, but serves it"));
            census.doomed.push(DoomedFile { digest, file });
        }
        Ok(())
    }

    fn check_blob_links(&self, census: &mut Census) -> Result<(), MetadataError> {
        for entry in self.blob_links.iter()? {
            let (key, value) = entry?;
            let (name, digest) = key.value();
            let row = decode::<LinkRow>("blob_links", value.value()).ok();
            census.readable(row, "blob_links", &key.value());
            let is_payload = self.blobs.get(digest)?.is_some();
            census
                .expect(is_payload, || format!("{name} holds the blob {}, which is not there", show(digest)));
            let is_mirrored = self.blob_holders.get((digest, name))?.is_some();
            census.expect(is_mirrored, || format!("blob_holders lacks {} of {name}", show(digest)));
        }
        for entry in self.blob_holders.iter()? {
            let (key, _) = entry?;
            let (digest, name) = key.value();
            let is_mirrored = self.blob_links.get((name, digest))?.is_some();
            census.expect(is_mirrored, || format!("blob_holders has {} of {name} too many", show(digest)));
        }
        Ok(())
    }

    fn check_manifests(&self, census: &mut Census) -> Result<(), MetadataError> {
        for entry in self.manifests.iter()? {
            let (key, value) = entry?;
            let (name, digest) = key.value();
            census.manifests += 1;
            let row = decode::<ManifestRow>("manifests", value.value()).ok();
            let Some(row) = census.readable(row, "manifests", &key.value()) else {
                continue;
            };
            let size = self.manifest_bytes.get(digest)?.map(|bytes| bytes.value().len() as u64);
            census.expect(size == Some(row.size), || {
                format!(
                    "{name} holds the manifest {} of {} bytes, but {size:?} are there",
                    show(digest),
                    row.size
                )
            });
            let is_mirrored = self.manifest_holders.get((digest, name))?.is_some();
            census.expect(is_mirrored, || format!("manifest_holders lacks {} of {name}", show(digest)));
            let is_listed = self.catalog.get(name)?.is_some();
            census.expect(is_listed, || format!("the catalog lacks {name}"));
            if let Some(subject) = row.subject {
                let key = super::keys::DigestKey::new(&subject);
                let is_listed = self.referrers.get((name, &*key, digest))?.is_some();
                census.expect(is_listed, || format!("{name}: {} is no referrer of {subject}", show(digest)));
            }
        }
        for entry in self.manifest_holders.iter()? {
            let (key, _) = entry?;
            let (digest, name) = key.value();
            let is_mirrored = self.manifests.get((name, digest))?.is_some();
            census
                .expect(is_mirrored, || format!("manifest_holders has {} of {name} too many", show(digest)));
        }
        Ok(())
    }

    fn check_manifest_bytes(&self, census: &mut Census) -> Result<(), MetadataError> {
        for entry in self.manifest_bytes.iter()? {
            let (key, bytes) = entry?;
            let digest = census.readable(digest_from_key(key.value()), "manifest_bytes", &key.value());
            let Some(digest) = digest else { continue };
            let found = Hasher::digest(digest.algorithm(), bytes.value());
            census.expect(found == digest, || format!("the bytes of manifest {digest} are those of {found}"));
            let mut holders = self.manifest_holders.range((key.value(), "")..)?;
            let holder = holders.next().transpose()?;
            let is_held = holder.is_some_and(|(holder, _)| holder.value().0 == key.value());
            census.expect(is_held, || format!("no repository holds the manifest {digest}"));
        }
        Ok(())
    }

    fn check_catalog(&self, census: &mut Census) -> Result<(), MetadataError> {
        for entry in self.catalog.iter()? {
            let (key, _) = entry?;
            let name = key.value();
            census.repositories += 1;
            census.readable(name.parse::<RepositoryName>().ok(), "catalog", &name);
            let first = self.manifests.range((name, &[][..])..)?.next().transpose()?;
            let has_manifest = first.is_some_and(|(manifest, _)| manifest.value().0 == name);
            census.expect(has_manifest, || format!("the catalog lists {name}, which has no manifest"));
        }
        Ok(())
    }

    fn check_tags(&self, census: &mut Census) -> Result<(), MetadataError> {
        for entry in self.tags.iter()? {
            let (key, value) = entry?;
            let (name, tag) = key.value();
            census.tags += 1;
            let row = decode::<TagRow>("tags", value.value()).ok();
            let Some(row) = census.readable(row, "tags", &key.value()) else {
                continue;
            };
            let digest = super::keys::DigestKey::new(&row.digest);
            let is_there = self.manifests.get((name, &*digest))?.is_some();
            census.expect(is_there, || format!("{name}:{tag} points at {}, which is not there", row.digest));
            let is_mirrored = self.tags_by_manifest.get((name, &*digest, tag))?.is_some();
            census.expect(is_mirrored, || format!("tags_by_manifest lacks {name}:{tag}"));
        }
        for entry in self.tags_by_manifest.iter()? {
            let (key, _) = entry?;
            let (name, digest, tag) = key.value();
            let row = self.tags.get((name, tag))?;
            let row = row.and_then(|row| decode::<TagRow>("tags", row.value()).ok());
            let is_mirrored = row.map(|row| row.digest) == digest_from_key(digest);
            census.expect(is_mirrored, || {
                format!("tags_by_manifest has {name}:{tag} at {} too many", show(digest))
            });
        }
        Ok(())
    }

    fn check_needs(&self, census: &mut Census) -> Result<(), MetadataError> {
        for entry in self.needs.iter()? {
            let (key, present) = entry?;
            let (name, manifest, kind, digest) = key.value();
            let by = || format!("{name}: the manifest {}", show(manifest));
            let is_there = self.manifests.get((name, manifest))?.is_some();
            census.expect(is_there, || format!("{} has needs, but is not there", by()));
            let is_mirrored = self.needed_by.get((name, kind, digest, manifest))?.is_some();
            census.expect(is_mirrored, || format!("needed_by lacks {} of {}", show(digest), by()));
            let is_held = match NeedKind::from_number(kind) {
                Some(NeedKind::Blob) => self.blob_links.get((name, digest))?.is_some(),
                Some(NeedKind::Manifest) => self.manifests.get((name, digest))?.is_some(),
                None => false,
            };
            census.expect(is_held || !present.value(), || {
                format!("{} needs {}, which is not there", by(), show(digest))
            });
        }
        for entry in self.needed_by.iter()? {
            let (key, _) = entry?;
            let (name, kind, digest, manifest) = key.value();
            let is_mirrored = self.needs.get((name, manifest, kind, digest))?.is_some();
            census.expect(is_mirrored, || format!("needed_by has {} in {name} too many", show(digest)));
        }
        Ok(())
    }

    fn check_referrers(&self, census: &mut Census) -> Result<(), MetadataError> {
        for entry in self.referrers.iter()? {
            let (key, value) = entry?;
            let (name, subject, manifest) = key.value();
            let row = decode::<ReferrerRow>("referrers", value.value()).ok();
            census.readable(row, "referrers", &key.value());
            let manifest_row = self.manifests.get((name, manifest))?;
            let manifest_row =
                manifest_row.and_then(|row| decode::<ManifestRow>("manifests", row.value()).ok());
            let refers = manifest_row.and_then(|row| row.subject) == digest_from_key(subject);
            census
                .expect(refers, || format!("{name}: {} does not refer to {}", show(manifest), show(subject)));
        }
        Ok(())
    }

    fn check_uploads(&self, census: &mut Census) -> Result<(), MetadataError> {
        let mut ids = HashSet::new();
        for entry in self.uploads.iter()? {
            let (key, value) = entry?;
            let row = id_from_key(key.value()).zip(decode::<UploadRow>("uploads", value.value()).ok());
            if let Some(upload) = census.readable(row, "uploads", &key.value()) {
                ids.insert(upload.0);
                census.uploads.push(upload);
            }
        }
        for (digest, row) in &census.blobs {
            if matches!(row.place, Place::File { id } if ids.contains(&id)) {
                census
                    .violations
                    .push(Violation(format!("{digest} lies in the file of an upload that goes on")));
            }
        }
        Ok(())
    }
}

/// A digest in a key, for people.
fn show(key: &[u8]) -> String {
    digest_from_key(key).map_or_else(|| format!("{key:?}"), |digest| digest.to_string())
}
