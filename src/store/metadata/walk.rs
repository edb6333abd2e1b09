//! Walks through a whole table, a page at a time: a walk goes on behind the last key of the page before, whatever has
//! changed meanwhile, and holds no snapshot in between.

use std::ops::Bound;

use redb::ReadableTable;

use crate::oci::{Digest, RepositoryName, Tag};

use super::MetadataError;
use super::encoding::decode;
use super::keys::DigestKey;
use super::reads::{bad_key, digest_of};
use super::rows::{LinkRow, ManifestRow, TagRow};
use super::tables::{Access, Tables};

/// Something in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub repository: RepositoryName,
    pub digest: Digest,
}

impl<A: Access> Tables<A> {
    /// The payloads behind `last`, at most `limit`, in the order of their keys.
    pub fn payloads_after(&self, last: Option<&Digest>, limit: usize) -> Result<Vec<Digest>, MetadataError> {
        let key = last.map(DigestKey::new);
        let from = key.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let payloads = self.blobs.range::<&[u8]>((from, Bound::Unbounded))?.take(limit);
        payloads.map(|entry| digest_of("blobs", entry?.0.value())).collect()
    }

    /// The blobs that repositories hold behind `last`, at most `limit`, in the order of their keys.
    pub fn links_after(
        &self,
        last: Option<&Held>,
        limit: usize,
    ) -> Result<Vec<(Held, LinkRow)>, MetadataError> {
        page("blob_links", &self.blob_links, last, limit)
    }

    /// The tags of all repositories behind `last`, at most `limit`, in the order of their keys.
    pub(in crate::store) fn all_tags_after(
        &self,
        last: Option<&(RepositoryName, Tag)>,
        limit: usize,
    ) -> Result<Vec<(RepositoryName, Tag)>, MetadataError> {
        let from = match last {
            Some((repository, tag)) => Bound::Excluded((repository.as_str(), tag.as_str())),
            None => Bound::Unbounded,
        };
        let keys = self.tags.range((from, Bound::Unbounded))?.take(limit);
        keys.map(|entry| {
            let (key, _) = entry?;
            let (repository, tag) = key.value();
            repository.parse().ok().zip(tag.parse().ok()).ok_or_else(|| bad_key("tags"))
        })
        .collect()
    }

    /// The tags of a repository behind `last`, which need not exist, at most `limit`, in the order of their names.
    pub fn tag_rows_after(
        &self,
        repository: &RepositoryName,
        last: &str,
        limit: usize,
    ) -> Result<Vec<(Tag, TagRow)>, MetadataError> {
        let name = repository.as_str();
        let mut rows = Vec::new();
        for entry in self.tags.range((Bound::Excluded((name, last)), Bound::Unbounded))?.take(limit) {
            let (key, row) = entry?;
            let (of, tag) = key.value();
            if of != name {
                break;
            }
            rows.push((tag.parse().map_err(|_| bad_key("tags"))?, decode("tags", row.value())?));
        }
        Ok(rows)
    }

    /// The manifests that repositories hold behind `last`, at most `limit`, in the order of their keys.
    pub fn manifests_after(
        &self,
        last: Option<&Held>,
        limit: usize,
    ) -> Result<Vec<(Held, ManifestRow)>, MetadataError> {
        page("manifests", &self.manifests, last, limit)
    }

    /// The blobs of one repository behind `last`, at most `limit`, in the order of their keys.
    pub fn blobs_of(
        &self,
        repository: &RepositoryName,
        last: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<Digest>, MetadataError> {
        let rows = page_of("blob_links", &self.blob_links, repository, last, limit, |_| Ok(()))?;
        Ok(rows.into_iter().map(|(digest, ())| digest).collect())
    }

    /// The manifests of one repository behind `last`, at most `limit`, in the order of their keys.
    pub fn manifests_of(
        &self,
        repository: &RepositoryName,
        last: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<(Digest, ManifestRow)>, MetadataError> {
        page_of("manifests", &self.manifests, repository, last, limit, |row| decode("manifests", row))
    }
}

fn page_of<R>(
    name: &'static str,
    table: &impl ReadableTable<(&'static str, &'static [u8]), &'static [u8]>,
    repository: &RepositoryName,
    last: Option<&Digest>,
    limit: usize,
    read: impl Fn(&[u8]) -> Result<R, MetadataError>,
) -> Result<Vec<(Digest, R)>, MetadataError> {
    let key = last.map(DigestKey::new);
    let from = Bound::Excluded((repository.as_str(), key.as_deref().unwrap_or_default()));
    let mut rows = Vec::new();
    for entry in table.range((from, Bound::Unbounded))?.take(limit) {
        let (key, row) = entry?;
        let (of, digest) = key.value();
        if of != repository.as_str() {
            break;
        }
        rows.push((digest_of(name, digest)?, read(row.value())?));
    }
    Ok(rows)
}

fn page<R: for<'b> minicbor::Decode<'b, ()>>(
    name: &'static str,
    table: &impl ReadableTable<(&'static str, &'static [u8]), &'static [u8]>,
    last: Option<&Held>,
    limit: usize,
) -> Result<Vec<(Held, R)>, MetadataError> {
    let key = last.map(|last| (last.repository.as_str(), DigestKey::new(&last.digest)));
    let from = match &key {
        Some((repository, digest)) => Bound::Excluded((*repository, &**digest)),
        None => Bound::Unbounded,
    };
    let mut rows = Vec::new();
    for entry in table.range((from, Bound::Unbounded))?.take(limit) {
        let (key, row) = entry?;
        let (repository, digest) = key.value();
        let repository = repository.parse().map_err(|_| bad_key(name))?;
        rows.push((Held { repository, digest: digest_of(name, digest)? }, decode(name, row.value())?));
    }
    Ok(rows)
}
