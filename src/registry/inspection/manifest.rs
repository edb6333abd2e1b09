//! A manifest.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use crate::oci::{Digest, Manifest, ManifestError, Reference, RepositoryName, Tag};
use crate::registry::{Error, Registry, blocking};
use crate::store::{MetadataError, NeedKind, Snapshot};

use super::NAMED;

/// A manifest in a repository, what it is made of, and what refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestReport {
    pub repository: RepositoryName,
    pub digest: Digest,
    pub media_type: String,
    pub artifact_type: Option<String>,
    /// Of the manifest itself, in bytes.
    pub size: u64,
    /// Of the blobs that it and the manifests below it are made of and that are here, each once, in bytes.
    pub content_size: u64,
    /// When it was pushed first, as RFC 3339 writes it.
    pub pushed: String,
    pub annotations: Option<BTreeMap<String, String>>,
    /// The manifest that it refers to.
    pub subject: Option<Digest>,
    pub config: Option<Part>,
    pub layers: Vec<Part>,
    /// Of an index.
    pub manifests: Vec<Part>,
    /// Those that point at it.
    pub tags: Vec<Tag>,
    /// The indexes that it is part of.
    pub part_of: Vec<Digest>,
    pub referrers: Vec<ReferrerEntry>,
    /// Whether all are named; if not they are the first.
    #[serde(rename = "complete")]
    pub is_whole: bool,
}

/// Something that a manifest is made of, as its descriptor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    pub platform: Option<PartPlatform>,
    /// Whether the repository has it.
    #[serde(default, rename = "present")]
    pub is_present: bool,
}

/// For which machines a manifest of an index is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartPlatform {
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A manifest that refers to another as its subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferrerEntry {
    pub digest: Digest,
    pub artifact_type: Option<String>,
    /// In bytes.
    pub size: u64,
}

/// The parts of a document, in its order.
#[derive(Deserialize)]
struct Document {
    config: Option<Part>,
    #[serde(default)]
    layers: Vec<Part>,
    #[serde(default)]
    manifests: Vec<Part>,
}

impl Registry {
    /// What is known of a manifest.
    pub async fn inspect_manifest(
        self: &Arc<Self>,
        repository: RepositoryName,
        reference: Reference,
    ) -> Result<ManifestReport, Error> {
        let registry = Arc::clone(self);
        blocking(move || {
            let (found, bytes) = registry.read_manifest(&repository, &reference)?;
            let tables = registry.store.read();
            // It may have gone since it was read.
            let row = tables.manifest(&repository, &found.digest)?;
            let row = row.ok_or(Error::ManifestUnknown { repository: repository.clone(), reference })?;
            let manifest = Manifest::parse(&bytes, Some(found.media_type.as_str()))?;
            let mut document: Document = serde_json::from_slice(&bytes).map_err(ManifestError::from)?;
            let mut report = ManifestReport {
                digest: found.digest,
                media_type: found.media_type.to_string(),
                artifact_type: manifest.artifact_type,
                size: found.size,
                content_size: content_size(&tables, &repository, &found.digest)?,
                pushed: row.pushed.to_string(),
                annotations: manifest.annotations,
                subject: manifest.subject,
                config: document.config.take(),
                layers: document.layers,
                manifests: document.manifests,
                tags: tables.tags_of(&repository, &found.digest, NAMED + 1)?,
                part_of: tables.needed_by(&repository, NeedKind::Manifest, &found.digest, NAMED + 1)?,
                referrers: referrers(&tables, &repository, &found.digest)?,
                is_whole: true,
                repository,
            };
            report.shorten();
            report.note_presence(&tables)?;
            Ok(report)
        })
        .await
    }
}

impl Registry {
    /// Tells the text of a manifest, a piece at a time.
    pub async fn tell_manifest(
        self: &Arc<Self>,
        repository: RepositoryName,
        reference: Reference,
        listener: Sender<String>,
    ) -> Result<(), Error> {
        const PIECE: usize = 64 << 10;
        let (_, bytes) = self.read_manifest(&repository, &reference)?;
        let mut rest = std::str::from_utf8(&bytes).map_err(ManifestError::from)?;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(PIECE));
            if listener.send(piece.to_owned()).await.is_err() {
                break;
            }
            rest = behind;
        }
        Ok(())
    }
}

impl ManifestReport {
    /// Leaves out what is too much to be told.
    fn shorten(&mut self) {
        fn cut<T>(list: &mut Vec<T>, is_whole: &mut bool) {
            *is_whole &= list.len() <= NAMED;
            list.truncate(NAMED);
        }
        let is_whole = &mut self.is_whole;
        cut(&mut self.layers, is_whole);
        cut(&mut self.manifests, is_whole);
        cut(&mut self.tags, is_whole);
        cut(&mut self.part_of, is_whole);
        cut(&mut self.referrers, is_whole);
    }

    fn note_presence(&mut self, tables: &Snapshot) -> Result<(), MetadataError> {
        let repository = &self.repository;
        for blob in self.config.iter_mut().chain(&mut self.layers) {
            blob.is_present = tables.blob_link(repository, &blob.digest)?.is_some();
        }
        for part in &mut self.manifests {
            part.is_present = tables.manifest(repository, &part.digest)?.is_some()
                || tables.blob_link(repository, &part.digest)?.is_some();
        }
        Ok(())
    }
}

fn referrers(
    tables: &Snapshot,
    repository: &RepositoryName,
    subject: &Digest,
) -> Result<Vec<ReferrerEntry>, MetadataError> {
    let mut entries = Vec::new();
    tables.referrers_after(repository, subject, None, |referrer| {
        let (digest, row) = (referrer.digest, referrer.row);
        entries.push(ReferrerEntry { digest, artifact_type: row.artifact_type, size: row.size });
        entries.len() <= NAMED
    })?;
    Ok(entries)
}

/// Of the blobs that a manifest and those below it are made of, each once, in bytes.
fn content_size(
    tables: &Snapshot,
    repository: &RepositoryName,
    manifest: &Digest,
) -> Result<u64, MetadataError> {
    let (mut size, mut seen, mut next) = (0, HashSet::from([*manifest]), vec![*manifest]);
    while let Some(manifest) = next.pop() {
        for need in tables.needs(repository, &manifest)? {
            if !need.present || !seen.insert(need.digest) {
                continue;
            }
            match need.kind {
                NeedKind::Blob => size += tables.blob(&need.digest)?.map_or(0, |row| row.size),
                NeedKind::Manifest => next.push(need.digest),
            }
        }
    }
    Ok(size)
}
