//! What can be looked at.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Glob, Reference, RepositoryName};
use crate::registry::{BlobReport, ManifestReport, Registry, Statistics, TagEntry, Usage};

use super::telling::{Events, tell};

/// A listing of repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repositories {
    /// Which names; left out, all.
    pub pattern: Option<Glob>,
}

/// What a repository takes, or each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageOf {
    pub repository: Option<RepositoryName>,
}

/// A listing of tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    pub repository: RepositoryName,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestAt {
    pub repository: RepositoryName,
    pub reference: Reference,
}

/// A blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobOf {
    pub digest: Digest,
}

/// The figures of the whole registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatisticsOf {}

/// Begins a listing of repositories, a page at a time. The outcome is how many there are.
pub fn repositories(registry: Arc<Registry>, wanted: Repositories) -> Events<Vec<RepositoryName>, u64> {
    tell(move |listener| async move { registry.tell_repositories(wanted.pattern, listener).await })
}

/// Begins a listing of what repositories take. The outcome is how many there are.
pub fn usage(registry: Arc<Registry>, wanted: UsageOf) -> Events<Usage, u64> {
    tell(move |listener| async move { registry.tell_usage(wanted.repository, listener).await })
}

/// Begins a listing of tags, a page at a time. The outcome is how many there are.
pub fn tags(registry: Arc<Registry>, wanted: Tags) -> Events<Vec<TagEntry>, u64> {
    tell(move |listener| async move { registry.tell_tags(wanted.repository, listener).await })
}

/// Finds out what is known of a manifest.
pub fn manifest(registry: Arc<Registry>, wanted: ManifestAt) -> Events<(), ManifestReport> {
    let ManifestAt { repository, reference } = wanted;
    tell(move |_| async move { registry.inspect_manifest(repository, reference).await })
}

/// Tells the text of a manifest, in pieces.
pub fn manifest_text(registry: Arc<Registry>, wanted: ManifestAt) -> Events<String, ()> {
    let ManifestAt { repository, reference } = wanted;
    tell(move |listener| async move { registry.tell_manifest(repository, reference, listener).await })
}

/// Finds out what is known of a blob, if anybody holds it.
pub fn blob(registry: Arc<Registry>, wanted: BlobOf) -> Events<(), Option<BlobReport>> {
    tell(move |_| async move { registry.inspect_blob(wanted.digest).await })
}

/// Counts everything, and tells how many blobs it has looked at so far.
pub fn statistics(registry: Arc<Registry>, _: StatisticsOf) -> Events<u64, Statistics> {
    tell(move |listener| async move { registry.statistics(listener).await })
}
