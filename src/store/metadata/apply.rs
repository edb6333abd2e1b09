//! [`Tables::apply`], the one function that alters the tables.
//!
//! It is deterministic and does not refuse: what must hold was decided before, inside the same transaction. An error
//! here is one of the database, or a row that cannot be read.

use redb::ReadableTable;

use crate::oci::{Digest, RepositoryName, Tag};
use crate::store::clock::{ServedTime, Timestamp};
use crate::store::ids::PayloadId;
use crate::store::log::{Position, RecordPlace};

use super::MetadataError;
use super::change::{Change, Need, NeedKind};
use super::encoding::encode;
use super::keys::DigestKey;
use super::reads::{LAYOUT, POSITION, SERVED};
use super::rows::{BlobRow, LinkRow, ManifestRow, Place, ReferrerRow, Standing, TagRow};
use super::tables::{Tables, Write};

impl Tables<Write<'_>> {
    /// Makes `change` so. `record` is where the log has it.
    pub fn apply(&mut self, change: &Change, record: RecordPlace) -> Result<(), MetadataError> {
        match change {
            Change::BlobAdded { digest, size, file } => {
                self.put_payload(digest, *size, Place::File { id: *file }, false)?;
            }
            Change::BlobTaken { digest, size, file } => {
                self.put_payload(digest, *size, Place::File { id: *file }, true)?;
            }
            Change::BlobLogged { digest, size, offset } => {
                let place = Place::Log { segment: record.segment, offset: record.offset + offset };
                self.put_payload(digest, *size, place, false)?;
            }
            Change::PayloadSettled { digest, file } => self.settle_payload(digest, *file)?,
            Change::BlobRemoved { digest } => self.remove_payload(digest)?,
            Change::PayloadDamaged { digest } => self.judge_payload(digest, true)?,
            Change::PayloadSound { digest } => self.judge_payload(digest, false)?,
            Change::FileUnlinked { digest, file } => {
                self.doomed_files.remove((&*DigestKey::new(digest), &file.as_bytes()[..]))?;
            }
            Change::BlobLinked { repository, digest, at } => self.link_blob(repository, digest, *at)?,
            Change::BlobUnlinked { repository, digest } => self.unlink_blob(repository, digest)?,
            Change::ManifestPut { .. } => self.put_manifest(change)?,
            Change::ManifestDeleted { repository, digest, at } => {
                self.delete_manifest(repository, digest, *at)?;
            }
            Change::TagSet { repository, tag, digest, at } => self.set_tag(repository, tag, digest, *at)?,
            Change::TagDeleted { repository, tag } => self.delete_tag(repository, tag)?,
            Change::UploadMarked { id, upload } => {
                self.uploads.insert(&id.as_bytes()[..], &*encode(upload))?;
            }
            Change::UploadEnded { id } => {
                self.uploads.remove(&id.as_bytes()[..])?;
            }
            Change::TimePassed { at } => {
                self.state.insert(SERVED, &*encode(at))?;
            }
            Change::ManifestAged { repository, digest, since, standing, pulled } => {
                self.alter_manifest(repository, digest, |row| {
                    (row.since, row.standing, row.pulled) = (*since, *standing, *pulled);
                })?;
            }
            Change::ManifestPulled { repository, digest, at } => {
                self.alter_manifest(repository, digest, |row| row.pulled = Some(*at))?;
            }
            Change::TagAged { repository, tag, since } => self.age_tag(repository, tag, *since)?,
            Change::UsageRecounted { repository } => self.recount(repository.as_ref())?,
            Change::EventRecorded { number, event } => self.record_event(*number, event)?,
            Change::EventsForgotten { up_to } => self.forget_events(*up_to)?,
            Change::EndpointsTold { told } => self.set_told(told)?,
            Change::Imported { repository, digest, tag: None } => {
                self.alter_manifest(repository, digest, |row| row.is_imported = true)?;
            }
            Change::Imported { repository, digest, tag: Some(tag) } => {
                self.note_imported_tag(repository, tag, digest)?;
            }
        }
        Ok(())
    }

    /// Says which version of the layout the tables are in.
    pub(in crate::store) fn set_layout(&mut self, version: u32) -> Result<(), MetadataError> {
        self.state.insert(LAYOUT, &*encode(&version))?;
        Ok(())
    }

    /// Says how far the log is applied. Every transaction does.
    pub(in crate::store) fn set_position(&mut self, position: &Position) -> Result<(), MetadataError> {
        self.state.insert(POSITION, &*encode(position))?;
        Ok(())
    }

    /// From when on an age is counted that begins now: the time is kept in steps, and nothing is to count as older than it is.
    /// `None` in what was logged before anybody kept it.
    fn age_begins(&self) -> Result<Option<ServedTime>, MetadataError> {
        Ok(self.served()?.map(|ServedTime(now)| ServedTime(now.saturating_add(ServedTime::GRAIN))))
    }

    /// What served the payload before, because it was damaged, is left to itself.
    fn put_payload(
        &mut self,
        digest: &Digest,
        size: u64,
        place: Place,
        is_unverified: bool,
    ) -> Result<(), MetadataError> {
        let key = DigestKey::new(digest);
        let before = self.blob(digest)?;
        self.alter_payload_bytes(before.map_or(0, |before| before.size), size)?;
        if let Some(before) = before.filter(|before| before.place != place) {
            self.leave_place(&key, before.place)?;
        }
        if let Place::Log { segment, offset } = place {
            self.log_payloads.insert((segment, offset), &*key)?;
        }
        self.blobs.insert(&*key, &*encode(&BlobRow { size, place, is_damaged: false, is_unverified }))?;
        Ok(())
    }

    /// A place serves nothing any more: a file there is to be unlinked.
    fn leave_place(&mut self, key: &DigestKey, place: Place) -> Result<(), MetadataError> {
        match place {
            Place::Log { segment, offset } => {
                self.log_payloads.remove((segment, offset))?;
            }
            Place::File { id } => {
                self.doomed_files.insert((&**key, &id.as_bytes()[..]), ())?;
            }
        }
        Ok(())
    }

    fn judge_payload(&mut self, digest: &Digest, is_damaged: bool) -> Result<(), MetadataError> {
        let Some(row) = self.blob(digest)? else { return Ok(()) };
        let is_unverified = row.is_unverified && is_damaged;
        self.blobs
            .insert(&*DigestKey::new(digest), &*encode(&BlobRow { is_damaged, is_unverified, ..row }))?;
        Ok(())
    }

    fn settle_payload(&mut self, digest: &Digest, file: PayloadId) -> Result<(), MetadataError> {
        let Some(row) = self.blob(digest)? else { return Ok(()) };
        if let Place::Log { segment, offset } = row.place {
            self.log_payloads.remove((segment, offset))?;
        }
        let settled = BlobRow { place: Place::File { id: file }, ..row };
        self.blobs.insert(&*DigestKey::new(digest), &*encode(&settled))?;
        Ok(())
    }

    fn remove_payload(&mut self, digest: &Digest) -> Result<(), MetadataError> {
        let Some(row) = self.blob(digest)? else { return Ok(()) };
        let key = DigestKey::new(digest);
        self.leave_place(&key, row.place)?;
        self.blobs.remove(&*key)?;
        self.alter_payload_bytes(row.size, 0)?;
        Ok(())
    }

    fn link_blob(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
        at: Timestamp,
    ) -> Result<(), MetadataError> {
        let (name, key) = (repository.as_str(), DigestKey::new(digest));
        let since = self.age_begins()?.unwrap_or(ServedTime(at.0));
        let is_new = self.blob_links.insert((name, &*key), &*encode(&LinkRow { since }))?.is_none();
        self.blob_holders.insert((&*key, name), ())?;
        match is_new {
            true => {
                let size = self.blob(digest)?.map_or(0, |row| row.size);
                self.alter_usage(repository, |usage| usage.add_blob(size))
            }
            false => Ok(()),
        }
    }

    fn unlink_blob(&mut self, repository: &RepositoryName, digest: &Digest) -> Result<(), MetadataError> {
        let (name, key) = (repository.as_str(), DigestKey::new(digest));
        let was_held = self.blob_links.remove((name, &*key))?.is_some();
        if was_held {
            let size = self.blob(digest)?.map_or(0, |row| row.size);
            self.alter_usage(repository, |usage| usage.take_blob(size))?;
        }
        self.blob_holders.remove((&*key, name))?;
        self.forget_presence(repository, NeedKind::Blob, digest)
    }

    fn put_manifest(&mut self, change: &Change) -> Result<(), MetadataError> {
        let Change::ManifestPut {
            repository,
            digest,
            media_type,
            bytes,
            needs,
            subject,
            artifact_type,
            annotations,
            at,
        } = change
        else {
            return Ok(());
        };
        let known = self.manifest(repository, digest)?;
        if let Some(known) = &known {
            self.drop_relations(repository, digest, known, *at)?;
        }
        let (name, key, size) = (repository.as_str(), DigestKey::new(digest), bytes.len() as u64);
        let (since, new) = match self.age_begins()? {
            Some(since) => (since, Standing::Alone),
            None => (ServedTime::default(), Standing::default()),
        };
        if known.is_none() {
            self.alter_usage(repository, |usage| usage.add_manifest(size))?;
        }
        let pulled = known.as_ref().and_then(|known| known.pulled);
        let standing = known.map_or(new, |known| known.standing);
        let (media_type, subject) = (*media_type, *subject);
        let row = ManifestRow {
            media_type,
            size,
            subject,
            pushed: *at,
            since,
            standing,
            pulled,
            is_imported: false,
        };
        self.manifests.insert((name, &*key), &*encode(&row))?;
        self.manifest_bytes.insert(&*key, bytes.as_slice())?;
        self.manifest_holders.insert((&*key, name), ())?;
        self.catalog.insert(name, ())?;
        for need in needs {
            self.add_need(name, &key, need)?;
        }
        if let Some(subject) = subject {
            let row = ReferrerRow {
                media_type,
                size,
                artifact_type: artifact_type.clone(),
                annotations: annotations.clone(),
            };
            self.referrers.insert((name, &*DigestKey::new(&subject), &*key), &*encode(&row))?;
        }
        Ok(())
    }

    fn add_need(&mut self, name: &str, manifest: &DigestKey, need: &Need) -> Result<(), MetadataError> {
        let (kind, key) = (need.kind.number(), DigestKey::new(&need.digest));
        self.needs.insert((name, &**manifest, kind, &*key), need.present)?;
        self.needed_by.insert((name, kind, &*key, &**manifest), ())?;
        Ok(())
    }

    fn delete_manifest(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
        at: Timestamp,
    ) -> Result<(), MetadataError> {
        let (name, key) = (repository.as_str(), DigestKey::new(digest));
        let Some(row) = self.manifest(repository, digest)? else { return Ok(()) };
        for tag in self.tags_of(repository, digest, usize::MAX)? {
            self.remove_tag(repository, &tag, digest)?;
        }
        self.drop_relations(repository, digest, &row, at)?;
        self.forget_presence(repository, NeedKind::Manifest, digest)?;
        for referrer in self.referrers_of(repository, digest)? {
            self.leave_behind(repository, &referrer)?;
        }
        self.manifests.remove((name, &*key))?;
        self.alter_usage(repository, |usage| usage.take_manifest(row.size))?;
        self.manifest_holders.remove((&*key, name))?;
        if !self.is_manifest_held(&key)? {
            self.manifest_bytes.remove(&*key)?;
        }
        if !self.has_manifest(name)? {
            self.catalog.remove(name)?;
        }
        Ok(())
    }

    /// Takes back what a manifest said of others: what it needs, and whom it refers to.
    fn drop_relations(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
        row: &ManifestRow,
        at: Timestamp,
    ) -> Result<(), MetadataError> {
        let (name, key) = (repository.as_str(), DigestKey::new(digest));
        if let Some(subject) = &row.subject {
            self.referrers.remove((name, &*DigestKey::new(subject), &*key))?;
        }
        for need in self.needs(repository, digest)? {
            let (kind, needed) = (need.kind.number(), DigestKey::new(&need.digest));
            self.needs.remove((name, &*key, kind, &*needed))?;
            self.needed_by.remove((name, kind, &*needed, &*key))?;
            match need.kind {
                NeedKind::Blob => self.start_grace(repository, &need.digest, at)?,
                NeedKind::Manifest if self.is_needed(repository, need.kind, &need.digest)? => {}
                NeedKind::Manifest => self.leave_behind(repository, &need.digest)?,
            }
        }
        Ok(())
    }

    /// What a manifest was part of, or about, is gone.
    fn leave_behind(&mut self, repository: &RepositoryName, digest: &Digest) -> Result<(), MetadataError> {
        let Some(since) = self.age_begins()? else { return Ok(()) };
        self.alter_manifest(repository, digest, |row| {
            row.since = since;
            if row.standing == Standing::Alone {
                row.standing = Standing::LeftBehind;
            }
        })
    }

    fn alter_manifest(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
        alter: impl FnOnce(&mut ManifestRow),
    ) -> Result<(), MetadataError> {
        let Some(found) = self.manifest(repository, digest)? else { return Ok(()) };
        let mut row = found.clone();
        alter(&mut row);
        if row != found {
            self.manifests.insert((repository.as_str(), &*DigestKey::new(digest)), &*encode(&row))?;
        }
        Ok(())
    }

    /// A blob that its last manifest has dropped is kept from now on for as long as one that was just pushed.
    fn start_grace(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
        at: Timestamp,
    ) -> Result<(), MetadataError> {
        let is_held = self.blob_link(repository, digest)?.is_some();
        if is_held && self.needed_by(repository, NeedKind::Blob, digest, 1)?.is_empty() {
            self.link_blob(repository, digest, at)?;
        }
        Ok(())
    }

    /// Content has gone although manifests are made of it: from now on they do without.
    fn forget_presence(
        &mut self,
        repository: &RepositoryName,
        kind: NeedKind,
        digest: &Digest,
    ) -> Result<(), MetadataError> {
        let (name, key) = (repository.as_str(), DigestKey::new(digest));
        for manifest in self.needed_by(repository, kind, digest, usize::MAX)? {
            self.needs.insert((name, &*DigestKey::new(&manifest), kind.number(), &*key), false)?;
        }
        Ok(())
    }

    fn set_tag(
        &mut self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
        at: Timestamp,
    ) -> Result<(), MetadataError> {
        if self.tag(repository, tag)?.is_some_and(|before| before.digest != *digest) {
            self.delete_tag(repository, tag)?;
        }
        let since = self.age_begins()?.unwrap_or(ServedTime(at.0));
        let row = TagRow { digest: *digest, set: at, since, is_imported: false };
        let name = repository.as_str();
        if self.tags.insert((name, tag.as_str()), &*encode(&row))?.is_none() {
            self.alter_usage(repository, |usage| usage.tags += 1)?;
        }
        self.tags_by_manifest.insert((name, &*DigestKey::new(digest), tag.as_str()), ())?;
        self.alter_manifest(repository, digest, |row| row.standing = Standing::Tagged)
    }

    pub(in crate::store) fn age_tag(
        &mut self,
        repository: &RepositoryName,
        tag: &Tag,
        since: ServedTime,
    ) -> Result<(), MetadataError> {
        let Some(row) = self.tag(repository, tag)? else { return Ok(()) };
        let key = (repository.as_str(), tag.as_str());
        self.tags.insert(key, &*encode(&TagRow { since, ..row }))?;
        Ok(())
    }

    fn note_imported_tag(
        &mut self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), MetadataError> {
        if let Some(row) = self.tag(repository, tag)?.filter(|row| row.digest == *digest) {
            let row = TagRow { is_imported: true, ..row };
            self.tags.insert((repository.as_str(), tag.as_str()), &*encode(&row))?;
        }
        Ok(())
    }

    fn delete_tag(&mut self, repository: &RepositoryName, tag: &Tag) -> Result<(), MetadataError> {
        if let Some(row) = self.tag(repository, tag)? {
            self.remove_tag(repository, tag, &row.digest)?;
            self.leave_behind(repository, &row.digest)?;
        }
        Ok(())
    }

    fn remove_tag(
        &mut self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), MetadataError> {
        let name = repository.as_str();
        if self.tags.remove((name, tag.as_str()))?.is_some() {
            self.alter_usage(repository, |usage| usage.tags = usage.tags.saturating_sub(1))?;
        }
        self.tags_by_manifest.remove((name, &*DigestKey::new(digest), tag.as_str()))?;
        Ok(())
    }

    fn is_manifest_held(&self, key: &DigestKey) -> Result<bool, MetadataError> {
        let mut holders = self.manifest_holders.range((&**key, "")..)?;
        Ok(holders.next().transpose()?.is_some_and(|(holder, _)| holder.value().0 == &**key))
    }

    fn has_manifest(&self, name: &str) -> Result<bool, MetadataError> {
        let mut manifests = self.manifests.range((name, &[][..])..)?;
        Ok(manifests.next().transpose()?.is_some_and(|(manifest, _)| manifest.value().0 == name))
    }
}
