//! Questions that the metadata answers, the same inside a write transaction and outside.

use std::ops::Bound;

use redb::{AccessGuard, ReadableTable};

use crate::oci::{Digest, RepositoryName, Tag};
use crate::store::clock::ServedTime;
use crate::store::ids::PayloadId;
use crate::store::log::Position;

use super::MetadataError;
use super::change::{Need, NeedKind};
use super::encoding::decode;
use super::keys::{DigestKey, digest_from_key, id_from_key};
use super::rows::{BlobRow, LinkRow, ManifestRow, Place, ReferrerRow, TagRow, UploadRow};
use super::tables::{Access, Tables};

/// A manifest's bytes, where the database has them.
pub struct ManifestBytes<'a>(AccessGuard<'a, &'static [u8]>);

impl std::ops::Deref for ManifestBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.value()
    }
}

/// A payload that lies in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct LogPayload {
    pub(in crate::store) digest: Digest,
    pub(in crate::store) segment: u64,
    pub(in crate::store) offset: u64,
    /// In bytes.
    pub(in crate::store) size: u64,
}

/// The file of a payload that has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct DoomedFile {
    pub(in crate::store) digest: Digest,
    pub(in crate::store) file: PayloadId,
}

/// The name under which the table of state has the log's position.
pub(super) const POSITION: &str = "position";
/// The name under which it has the layout's version.
pub(super) const LAYOUT: &str = "layout";
/// The name under which it has for how long the store was served.
pub(super) const SERVED: &str = "served";
/// The name under which it has the size of all payloads.
pub(super) const STORED: &str = "stored";
/// The name under which it has how far the events have come.
pub(super) const OUTBOX: &str = "outbox";

/// An entry of a listing of referrers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    pub digest: Digest,
    pub row: ReferrerRow,
}

impl<A: Access> Tables<A> {
    /// The payload with this digest, whoever holds it.
    pub fn blob(&self, digest: &Digest) -> Result<Option<BlobRow>, MetadataError> {
        let row = self.blobs.get(&*DigestKey::new(digest))?;
        row.map(|row| decode("blobs", row.value())).transpose()
    }

    /// That a repository holds a blob.
    pub fn blob_link(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<LinkRow>, MetadataError> {
        let row = self.blob_links.get((repository.as_str(), &*DigestKey::new(digest)))?;
        row.map(|row| decode("blob_links", row.value())).transpose()
    }

    /// The blob with this digest, if the repository holds it.
    pub fn blob_in(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<BlobRow>, MetadataError> {
        match self.blob_link(repository, digest)? {
            Some(_) => self.blob(digest),
            None => Ok(None),
        }
    }

    /// Whether the payload with this digest is there, as far as is known undamaged.
    pub fn is_sound(&self, digest: &Digest) -> Result<bool, MetadataError> {
        Ok(self.blob(digest)?.is_some_and(|row| !row.is_damaged))
    }

    /// Whether the payload with this digest is there, and its bytes were compared with it. Whoever pushes a blob is promised that it
    /// is served as it was pushed: only such a payload may stand for theirs.
    pub fn is_proven(&self, digest: &Digest) -> Result<bool, MetadataError> {
        Ok(self.blob(digest)?.is_some_and(|row| !row.is_damaged && !row.is_unverified))
    }

    /// Repositories that hold this blob, at most `limit`.
    pub fn repositories_of(
        &self,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, MetadataError> {
        let key = DigestKey::new(digest);
        let mut repositories = Vec::new();
        for entry in self.blob_holders.range((&*key, "")..)?.take(limit) {
            let (entry, _) = entry?;
            let (held, name) = entry.value();
            if held != &*key {
                break;
            }
            repositories.push(name.parse().map_err(|_| bad_key("blob_holders"))?);
        }
        Ok(repositories)
    }

    /// Whether any repository holds this blob.
    pub fn is_blob_held(&self, digest: &Digest) -> Result<bool, MetadataError> {
        Ok(self.holders(digest, 1)? > 0)
    }

    /// How many repositories hold this blob, counted up to `limit`.
    pub fn holders(&self, digest: &Digest, limit: usize) -> Result<usize, MetadataError> {
        let key = DigestKey::new(digest);
        let mut count = 0;
        for holder in self.blob_holders.range((&*key, "")..)?.take(limit) {
            let (holder, _) = holder?;
            if holder.value().0 != &*key {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    /// All payloads that no repository holds.
    pub(in crate::store) fn unheld_blobs(&self) -> Result<Vec<Digest>, MetadataError> {
        let mut unheld = Vec::new();
        for entry in self.blobs.iter()? {
            let digest = digest_of("blobs", entry?.0.value())?;
            if !self.is_blob_held(&digest)? {
                unheld.push(digest);
            }
        }
        Ok(unheld)
    }

    /// At most `limit` files that are to be unlinked.
    pub(in crate::store) fn doomed_files(&self, limit: usize) -> Result<Vec<DoomedFile>, MetadataError> {
        let mut doomed = Vec::new();
        for entry in self.doomed_files.iter()?.take(limit) {
            let (key, ()) = (entry?.0, ());
            let (digest, file) = key.value();
            let file = id_from_key(file).ok_or_else(|| bad_key("doomed_files"))?;
            doomed.push(DoomedFile { digest: digest_of("doomed_files", digest)?, file });
        }
        Ok(doomed)
    }

    /// Those of these files that are no payload's place, nor to be unlinked.
    pub(in crate::store) fn unnamed_files(
        &self,
        files: &[DoomedFile],
    ) -> Result<Vec<DoomedFile>, MetadataError> {
        let mut unnamed = Vec::new();
        for file in files {
            if !self.is_file_named(file)? {
                unnamed.push(*file);
            }
        }
        Ok(unnamed)
    }

    fn is_file_named(&self, DoomedFile { digest, file }: &DoomedFile) -> Result<bool, MetadataError> {
        let is_place = self.blob(digest)?.is_some_and(|row| row.place == Place::File { id: *file });
        let key = DigestKey::new(digest);
        Ok(is_place || self.doomed_files.get((&*key, &file.as_bytes()[..]))?.is_some())
    }

    /// The version of the layout that the tables are in. The first one did not say so.
    pub(in crate::store) fn layout(&self) -> Result<u32, MetadataError> {
        let row = self.state.get(LAYOUT)?;
        row.map_or(Ok(1), |row| decode("state", row.value()))
    }

    /// Whether the repository holds anything.
    pub fn is_repository(&self, repository: &RepositoryName) -> Result<bool, MetadataError> {
        let name = repository.as_str();
        if self.catalog.get(name)?.is_some() {
            return Ok(true);
        }
        let mut links = self.blob_links.range((name, &[][..])..)?;
        Ok(links.next().transpose()?.is_some_and(|(link, _)| link.value().0 == name))
    }

    /// A manifest of a repository.
    pub fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<ManifestRow>, MetadataError> {
        let row = self.manifests.get((repository.as_str(), &*DigestKey::new(digest)))?;
        row.map(|row| decode("manifests", row.value())).transpose()
    }

    /// The bytes of a manifest that some repository holds.
    pub fn manifest_bytes(&self, digest: &Digest) -> Result<Option<ManifestBytes<'_>>, MetadataError> {
        Ok(self.manifest_bytes.get(&*DigestKey::new(digest))?.map(ManifestBytes))
    }

    /// Where a tag points.
    pub fn tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<TagRow>, MetadataError> {
        let row = self.tags.get((repository.as_str(), tag.as_str()))?;
        row.map(|row| decode("tags", row.value())).transpose()
    }

    /// At most `limit` manifests of a repository that are made of this content and need it to be there.
    pub fn needed_by(
        &self,
        repository: &RepositoryName,
        kind: NeedKind,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<Digest>, MetadataError> {
        let (name, key) = (repository.as_str(), DigestKey::new(digest));
        let mut manifests = Vec::new();
        for entry in self.needed_by.range((name, kind.number(), &*key, &[][..])..)? {
            let (entry, _) = entry?;
            let (of, kind_of, needed, manifest) = entry.value();
            if (of, kind_of, needed) != (name, kind.number(), &*key) || manifests.len() == limit {
                break;
            }
            let must_be_there = self.needs.get((name, manifest, kind.number(), &*key))?;
            if must_be_there.is_some_and(|present| present.value()) {
                manifests.push(digest_of("needed_by", manifest)?);
            }
        }
        Ok(manifests)
    }

    /// Whether any manifest of a repository is made of this content, whether or not that was there when it was pushed.
    pub fn is_needed(
        &self,
        repository: &RepositoryName,
        kind: NeedKind,
        digest: &Digest,
    ) -> Result<bool, MetadataError> {
        let (name, key) = (repository.as_str(), DigestKey::new(digest));
        let first = self.needed_by.range((name, kind.number(), &*key, &[][..])..)?.next().transpose()?;
        Ok(first.is_some_and(|(entry, _)| {
            let (of, kind_of, needed, _) = entry.value();
            (of, kind_of, needed) == (name, kind.number(), &*key)
        }))
    }

    /// What a manifest is made of.
    pub fn needs(&self, repository: &RepositoryName, manifest: &Digest) -> Result<Vec<Need>, MetadataError> {
        let (name, key) = (repository.as_str(), DigestKey::new(manifest));
        let mut needs = Vec::new();
        for entry in self.needs.range((name, &*key, 0, &[][..])..)? {
            let (entry, present) = entry?;
            let (of, by, kind, digest) = entry.value();
            if (of, by) != (name, &*key) {
                break;
            }
            let kind = NeedKind::from_number(kind).ok_or_else(|| bad_key("needs"))?;
            needs.push(Need { kind, digest: digest_of("needs", digest)?, present: present.value() });
        }
        Ok(needs)
    }

    /// The tags that point at a manifest, at most `limit`.
    pub fn tags_of(
        &self,
        repository: &RepositoryName,
        manifest: &Digest,
        limit: usize,
    ) -> Result<Vec<Tag>, MetadataError> {
        let (name, key) = (repository.as_str(), DigestKey::new(manifest));
        let mut tags = Vec::new();
        for entry in self.tags_by_manifest.range((name, &*key, "")..)? {
            let (entry, _) = entry?;
            let (of, at, tag) = entry.value();
            if (of, at) != (name, &*key) || tags.len() == limit {
                break;
            }
            tags.push(tag.parse().map_err(|_| bad_key("tags_by_manifest"))?);
        }
        Ok(tags)
    }

    /// The tags of a repository behind `last`, in bytewise order, until `take` says stop.
    pub fn tags_after(
        &self,
        repository: &RepositoryName,
        last: &str,
        mut take: impl FnMut(&str) -> bool,
    ) -> Result<(), MetadataError> {
        let name = repository.as_str();
        for entry in self.tags.range((Bound::Excluded((name, last)), Bound::Unbounded))? {
            let (entry, _) = entry?;
            let (of, tag) = entry.value();
            if of != name || !take(tag) {
                break;
            }
        }
        Ok(())
    }

    /// Whether the repository has a manifest.
    pub fn has_manifests(&self, repository: &RepositoryName) -> Result<bool, MetadataError> {
        Ok(self.catalog.get(repository.as_str())?.is_some())
    }

    /// The repositories that have a manifest, behind `last`, in bytewise order, until `take` says stop.
    pub fn repositories_after(
        &self,
        last: &str,
        mut take: impl FnMut(&str) -> bool,
    ) -> Result<(), MetadataError> {
        for entry in self.catalog.range::<&str>((Bound::Excluded(last), Bound::Unbounded))? {
            let (entry, _) = entry?;
            if !take(entry.value()) {
                break;
            }
        }
        Ok(())
    }

    /// The manifests that refer to `subject`, behind `last`, in the order of their digests, until `take` says stop.
    pub fn referrers_after(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        last: Option<&Digest>,
        mut take: impl FnMut(Referrer) -> bool,
    ) -> Result<(), MetadataError> {
        let (name, subject, last) = (repository.as_str(), DigestKey::new(subject), last.map(DigestKey::new));
        let from = Bound::Excluded((name, &*subject, last.as_deref().unwrap_or_default()));
        for entry in self.referrers.range((from, Bound::Unbounded))? {
            let (entry, row) = entry?;
            let (of, to, referrer) = entry.value();
            if (of, to) != (name, &*subject) {
                break;
            }
            let digest = digest_of("referrers", referrer)?;
            if !take(Referrer { digest, row: decode("referrers", row.value())? }) {
                break;
            }
        }
        Ok(())
    }

    /// The manifests that refer to `subject`.
    pub fn referrers_of(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Digest>, MetadataError> {
        let mut digests = Vec::new();
        self.referrers_after(repository, subject, None, |referrer| {
            digests.push(referrer.digest);
            true
        })?;
        Ok(digests)
    }

    /// What a listing of referrers says of one.
    pub(super) fn referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        manifest: &Digest,
    ) -> Result<Option<ReferrerRow>, MetadataError> {
        let (subject, manifest) = (DigestKey::new(subject), DigestKey::new(manifest));
        let row = self.referrers.get((repository.as_str(), &*subject, &*manifest))?;
        row.map(|row| decode("referrers", row.value())).transpose()
    }

    /// The last mark of an upload session.
    pub fn upload(&self, id: PayloadId) -> Result<Option<UploadRow>, MetadataError> {
        let row = self.uploads.get(&id.as_bytes()[..])?;
        row.map(|row| decode("uploads", row.value())).transpose()
    }

    /// For how long the store was served, as far as that is kept; `None` where nobody has kept it yet.
    pub fn served(&self) -> Result<Option<ServedTime>, MetadataError> {
        let row = self.state.get(SERVED)?;
        row.map(|row| decode("state", row.value())).transpose()
    }

    /// How far the log is applied; `None` in a store that never had one.
    pub(in crate::store) fn position(&self) -> Result<Option<Position>, MetadataError> {
        let row = self.state.get(POSITION)?;
        row.map(|row| decode("state", row.value())).transpose()
    }

    /// At most `limit` payloads that lie in the log undamaged, at places (segment, offset) that are wanted, the oldest first.
    pub(in crate::store) fn log_payloads(
        &self,
        limit: usize,
        is_wanted: impl Fn(&(u64, u64)) -> bool,
    ) -> Result<Vec<LogPayload>, MetadataError> {
        let mut payloads = Vec::new();
        for entry in self.log_payloads.iter()? {
            let (key, digest) = entry?;
            let (segment, offset) = key.value();
            if !is_wanted(&(segment, offset)) {
                continue;
            }
            let digest = digest_of("log_payloads", digest.value())?;
            if let Some(BlobRow { size, place, is_damaged: false, .. }) = self.blob(&digest)? {
                debug_assert_eq!(place, Place::Log { segment, offset });
                payloads.push(LogPayload { digest, segment, offset, size });
            }
            if payloads.len() >= limit {
                break;
            }
        }
        Ok(payloads)
    }

    /// Whether payloads lie in this segment of the log.
    pub(in crate::store) fn is_segment_needed(&self, segment: u64) -> Result<bool, MetadataError> {
        Ok(self.log_payloads.range((segment, 0)..(segment + 1, 0))?.next().transpose()?.is_some())
    }

    /// The segments of the log that payloads lie in.
    pub(in crate::store) fn log_segments(&self) -> Result<Vec<u64>, MetadataError> {
        let mut segments = Vec::new();
        let mut from = 0;
        while let Some(entry) = self.log_payloads.range((from, 0)..)?.next() {
            let (segment, _) = entry?.0.value();
            segments.push(segment);
            from = segment + 1;
        }
        Ok(segments)
    }

    /// All upload sessions that have a mark.
    pub fn uploads(&self) -> Result<Vec<(PayloadId, UploadRow)>, MetadataError> {
        let mut uploads = Vec::new();
        for entry in self.uploads.iter()? {
            let (id, row) = entry?;
            let id = id_from_key(id.value()).ok_or_else(|| bad_key("uploads"))?;
            uploads.push((id, decode("uploads", row.value())?));
        }
        Ok(uploads)
    }
}

pub(super) fn digest_of(table: &'static str, key: &[u8]) -> Result<Digest, MetadataError> {
    digest_from_key(key).ok_or_else(|| bad_key(table))
}

pub(super) fn bad_key(table: &'static str) -> MetadataError {
    MetadataError::Row { table, reason: "a key of no known form".to_owned() }
}
