//! Rows that follow from others, told anew where they disagree with them.
//!
//! What is told are changes as any push makes them, and such that do no harm to tables that are sound: the log tells them to
//! the second copy as well, which is right already and has to stay so. What no such changes can put right is left to
//! `holdfast rebuild`, which makes all rows anew.

use redb::ReadableTable;

use crate::oci::{Digest, RepositoryName, Tag};
use crate::store::clock::Timestamp;
use crate::store::hasher::Hasher;
use crate::store::ids::PayloadId;

use super::MetadataError;
use super::change::{Change, Need, NeedKind};
use super::keys::{DigestKey, digest_from_key};
use super::retell::retell_tag;
use super::rows::{ManifestRow, Place};
use super::tables::{Access, Tables};

/// What is to be told anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Remedy {
    /// Whether a repository holds a blob.
    Holder { repository: RepositoryName, digest: Digest },
    /// A manifest, and what it is made of.
    Manifest { repository: RepositoryName, digest: Digest },
    /// Where a tag points, and that it does not point at `other`.
    Tag { repository: RepositoryName, tag: Tag, other: Digest },
    /// How much a repository holds, or without one how large all payloads are.
    Usage { repository: Option<RepositoryName> },
    /// That a file is not to be unlinked.
    Spare { digest: Digest, file: PayloadId },
}

impl Remedy {
    /// Of the parts of a key, if these can be read.
    pub(super) fn holder(name: &str, digest: &[u8]) -> Option<Self> {
        let (repository, digest) = name.parse().ok().zip(digest_from_key(digest))?;
        Some(Self::Holder { repository, digest })
    }

    /// The same.
    pub(super) fn manifest(name: &str, digest: &[u8]) -> Option<Self> {
        let (repository, digest) = name.parse().ok().zip(digest_from_key(digest))?;
        Some(Self::Manifest { repository, digest })
    }

    /// The same.
    pub(super) fn usage(name: &str) -> Option<Self> {
        Some(Self::Usage { repository: Some(name.parse().ok()?) })
    }

    /// The same.
    pub(super) fn tag(name: &str, tag: &str, other: &[u8]) -> Option<Self> {
        let (repository, tag) = name.parse().ok().zip(tag.parse().ok())?;
        Some(Self::Tag { repository, tag, other: digest_from_key(other)? })
    }
}

impl<A: Access> Tables<A> {
    /// The changes that tell it anew, from what the tables have now; none where nothing can be told.
    pub(in crate::store) fn mend(
        &self,
        remedy: &Remedy,
        now: Timestamp,
    ) -> Result<Vec<Change>, MetadataError> {
        match remedy {
            Remedy::Holder { repository, digest } => self.mend_holder(repository, digest, now),
            Remedy::Manifest { repository, digest } => self.mend_manifest(repository, digest, now),
            Remedy::Tag { repository, tag, other } => self.mend_tag(repository, tag, other),
            Remedy::Usage { repository } => {
                Ok(vec![Change::UsageRecounted { repository: repository.clone() }])
            }
            Remedy::Spare { digest, file } => {
                let is_place = self.blob(digest)?.is_some_and(|row| row.place == Place::File { id: *file });
                let spare = Change::FileUnlinked { digest: *digest, file: *file };
                Ok(is_place.then_some(spare).into_iter().collect())
            }
        }
    }

    /// A repository that needs a blob which is there holds it, and so does the only one of which anything says that it does.
    fn mend_holder(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        at: Timestamp,
    ) -> Result<Vec<Change>, MetadataError> {
        let is_linked = self.blob_link(repository, digest)?.is_some();
        let is_needed = !self.needed_by(repository, NeedKind::Blob, digest, 1)?.is_empty();
        let is_listed = self.blob_holders.get((&*DigestKey::new(digest), repository.as_str()))?.is_some();
        let is_only = is_listed && self.holders(digest, 2)? == 1;
        let is_payload = self.blob(digest)?.is_some();
        let (repository, digest) = (repository.clone(), *digest);
        Ok(match is_payload && (is_linked || is_needed || is_only) {
            true => vec![Change::BlobLinked { repository, digest, at }],
            false if is_listed && !is_linked => vec![Change::BlobUnlinked { repository, digest }],
            false => Vec::new(),
        })
    }

    /// Not if what has to be told of it is lost as well. To tell it anew is to drop first what it is made of: from when on the
    /// age of that is counted must not hang on the rows that are wrong, and is told as well.
    fn mend_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        at: Timestamp,
    ) -> Result<Vec<Change>, MetadataError> {
        let Some(row) = self.manifest(repository, digest)? else { return Ok(Vec::new()) };
        let bytes = self.manifest_bytes(digest)?;
        let is_whole = bytes.is_some_and(|bytes| Hasher::digest(digest.algorithm(), &bytes) == *digest);
        let is_told = match &row.subject {
            Some(subject) => self.referrer(repository, subject, digest)?.is_some(),
            None => true,
        };
        if !is_whole || !is_told {
            return Ok(Vec::new());
        }
        let mut changes = self.retell_manifest(repository.clone(), *digest, &row)?;
        for need in self.needs(repository, digest)? {
            changes.extend(self.retell_age(repository.clone(), &need, at)?);
        }
        Ok(changes)
    }

    fn retell_age(
        &self,
        repository: RepositoryName,
        &Need { kind, digest, .. }: &Need,
        at: Timestamp,
    ) -> Result<Option<Change>, MetadataError> {
        Ok(match kind {
            NeedKind::Blob => {
                let link = self.blob_link(&repository, &digest)?;
                link.map(|_| Change::BlobLinked { repository, digest, at })
            }
            NeedKind::Manifest => self.manifest(&repository, &digest)?.map(|row| {
                let ManifestRow { since, standing, pulled, .. } = row;
                Change::ManifestAged { repository, digest, since, standing, pulled }
            }),
        })
    }

    /// A tag that is set elsewhere and back again leaves nothing there. One that nobody knows is not made up.
    fn mend_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        other: &Digest,
    ) -> Result<Vec<Change>, MetadataError> {
        let Some(row) = self.tag(repository, tag)? else { return Ok(Vec::new()) };
        let (name, tag) = (repository.clone(), tag.clone());
        let elsewhere = (*other != row.digest).then(|| Change::TagSet {
            repository: repository.clone(),
            tag: tag.clone(),
            digest: *other,
            at: row.set,
        });
        Ok(elsewhere.into_iter().chain(retell_tag(name, tag, &row)).collect())
    }
}
