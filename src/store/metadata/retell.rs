//! [`Tables::retell`]: the tables as changes that make them out of empty ones.

use redb::{AccessGuard, ReadableTable, StorageError};

use crate::oci::{Digest, RepositoryName, Tag};
use crate::store::clock::Timestamp;
use crate::store::log::{NO_RECORD, RecordPlace};

use super::MetadataError;
use super::change::Change;
use super::encoding::decode;
use super::events::OutboxRow;
use super::reads::{DoomedFile, bad_key, digest_of};
use super::rows::{BlobRow, LinkRow, ManifestRow, Place, ReferrerRow, TagRow};
use super::tables::{Access, Tables};

/// A change, and what it takes for its record.
type Told = Result<(RecordPlace, Change), MetadataError>;

/// An entry of a table.
type Entry<'a, K, V = &'static [u8]> = Result<(AccessGuard<'a, K>, AccessGuard<'a, V>), StorageError>;

impl<A: Access> Tables<A> {
    /// What makes these tables out of empty ones, in an order in which it can be applied: always the same for the same
    /// tables. How far the log is applied, and which layout this is, is not told.
    pub(in crate::store) fn retell(&self) -> Result<impl Iterator<Item = Told> + '_, MetadataError> {
        // Before the blobs, since payloads of the same digests may have come after them.
        let doomed = self.doomed_files(usize::MAX)?.into_iter().flat_map(tell_doomed_file);
        let uploads = self.uploads()?.into_iter();
        let uploads = uploads.map(|(id, upload)| plain(Change::UploadMarked { id, upload }));
        let events = self.retell_events()?;
        Ok(doomed.chain(self.retell_holdings()?).chain(uploads).chain(events).chain(self.retell_time()?))
    }

    /// The same without what another folder has no files for, those that are to be unlinked and uploads that go on, and without
    /// events, which are told by one folder. The payloads come first, in the order of their digests.
    pub(in crate::store) fn retell_for_another_folder(
        &self,
    ) -> Result<impl Iterator<Item = Told> + '_, MetadataError> {
        Ok(self.retell_holdings()?.chain(self.retell_time()?))
    }

    fn retell_holdings(&self) -> Result<impl Iterator<Item = Told> + '_, MetadataError> {
        Ok(self
            .blobs
            .iter()?
            .map(tell_blob)
            .chain(self.blobs.iter()?.filter_map(tell_damage))
            .chain(self.blob_links.iter()?.map(tell_link))
            .chain(self.manifests.iter()?.flat_map(|entry| self.tell_manifest(entry)))
            .chain(self.tags.iter()?.flat_map(tell_tag)))
    }

    fn retell_events(&self) -> Result<impl Iterator<Item = Told> + '_, MetadataError> {
        let outbox = self.outbox_if_used()?;
        let oldest = self.oldest_event()?;
        let frame = outbox.map(|OutboxRow { newest, told }| {
            let up_to = oldest.map_or(newest, |oldest| oldest.saturating_sub(1));
            [plain(Change::EventsForgotten { up_to }), plain(Change::EndpointsTold { told })]
        });
        Ok(frame.into_iter().flatten().chain(self.events.iter()?.map(tell_event)))
    }

    /// Comes last, so that everything before it has the times that it says itself.
    fn retell_time(&self) -> Result<impl Iterator<Item = Told> + use<A>, MetadataError> {
        Ok(self.served()?.map(|at| plain(Change::TimePassed { at })).into_iter())
    }

    fn tell_manifest(&self, entry: Entry<'_, (&'static str, &'static [u8])>) -> Vec<Told> {
        match self.tell_manifest_and_age(entry) {
            Ok(told) => told.into_iter().map(plain).collect(),
            Err(error) => vec![Err(error)],
        }
    }

    fn tell_manifest_and_age(
        &self,
        entry: Entry<'_, (&'static str, &'static [u8])>,
    ) -> Result<Vec<Change>, MetadataError> {
        let (key, row) = entry?;
        let (name, digest) = key.value();
        let (repository, digest) = (repository("manifests", name)?, digest_of("manifests", digest)?);
        self.retell_manifest(repository, digest, &decode("manifests", row.value())?)
    }

    /// What makes a manifest, its age, and where it comes from.
    pub(super) fn retell_manifest(
        &self,
        repository: RepositoryName,
        digest: Digest,
        row: &ManifestRow,
    ) -> Result<Vec<Change>, MetadataError> {
        let ManifestRow { media_type, subject, pushed, since, standing, pulled, is_imported, .. } = *row;
        let bytes = self.manifest_bytes(&digest)?.map(|bytes| bytes.to_vec()).unwrap_or_default().into();
        let needs = self.needs(&repository, &digest)?;
        let referrer = match &subject {
            Some(subject) => self.referrer(&repository, subject, &digest)?,
            None => None,
        };
        let (artifact_type, annotations) = match referrer {
            Some(ReferrerRow { artifact_type, annotations, .. }) => (artifact_type, annotations),
            None => (None, None),
        };
        let age = Change::ManifestAged { repository: repository.clone(), digest, since, standing, pulled };
        let imported = Change::Imported { repository: repository.clone(), digest, tag: None };
        let manifest = Change::ManifestPut {
            repository,
            digest,
            media_type,
            bytes,
            needs,
            subject,
            artifact_type,
            annotations,
            at: pushed,
        };
        Ok([manifest, age].into_iter().chain(is_imported.then_some(imported)).collect())
    }
}

/// A change that says nothing of places in the log.
fn plain(change: Change) -> Told {
    Ok((NO_RECORD, change))
}

fn tell_doomed_file(DoomedFile { digest, file }: DoomedFile) -> [Told; 2] {
    [plain(Change::BlobAdded { digest, size: 0, file }), plain(Change::BlobRemoved { digest })]
}

fn tell_blob(entry: Entry<'_, &'static [u8]>) -> Told {
    let (digest, BlobRow { size, place, is_unverified, .. }) = read_blob(entry)?;
    match place {
        Place::File { id } if is_unverified => plain(Change::BlobTaken { digest, size, file: id }),
        Place::File { id } => plain(Change::BlobAdded { digest, size, file: id }),
        Place::Log { segment, offset } => {
            Ok((RecordPlace { segment, offset: 0 }, Change::BlobLogged { digest, size, offset }))
        }
    }
}

fn tell_damage(entry: Entry<'_, &'static [u8]>) -> Option<Told> {
    match read_blob(entry) {
        Ok((digest, row)) => row.is_damaged.then(|| plain(Change::PayloadDamaged { digest })),
        Err(error) => Some(Err(error)),
    }
}

fn tell_event(entry: Entry<'_, u64>) -> Told {
    let (number, row) = entry?;
    plain(Change::EventRecorded { number: number.value(), event: decode("events", row.value())? })
}

fn read_blob(entry: Entry<'_, &'static [u8]>) -> Result<(Digest, BlobRow), MetadataError> {
    let (digest, row) = entry?;
    Ok((digest_of("blobs", digest.value())?, decode("blobs", row.value())?))
}

fn tell_link(entry: Entry<'_, (&'static str, &'static [u8])>) -> Told {
    let (key, row) = entry?;
    let (name, digest) = key.value();
    let (repository, digest) = (repository("blob_links", name)?, digest_of("blob_links", digest)?);
    let LinkRow { since } = decode("blob_links", row.value())?;
    plain(Change::BlobLinked { repository, digest, at: Timestamp(since.0) })
}

fn tell_tag(entry: Entry<'_, (&'static str, &'static str)>) -> Vec<Told> {
    match read_tag(entry) {
        Ok(told) => told.into_iter().map(plain).collect(),
        Err(error) => vec![Err(error)],
    }
}

fn read_tag(entry: Entry<'_, (&'static str, &'static str)>) -> Result<Vec<Change>, MetadataError> {
    let (key, row) = entry?;
    let (name, tag) = key.value();
    let (repository, tag) = (repository("tags", name)?, tag.parse().map_err(|_| bad_key("tags"))?);
    Ok(retell_tag(repository, tag, &decode("tags", row.value())?))
}

/// What makes a tag, its age, and where it comes from.
pub(super) fn retell_tag(repository: RepositoryName, tag: Tag, row: &TagRow) -> Vec<Change> {
    let TagRow { digest, set, since, is_imported } = *row;
    let age = Change::TagAged { repository: repository.clone(), tag: tag.clone(), since };
    let imported = Change::Imported { repository: repository.clone(), digest, tag: Some(tag.clone()) };
    let set = Change::TagSet { repository, tag, digest, at: set };
    [set, age].into_iter().chain(is_imported.then_some(imported)).collect()
}

fn repository(table: &'static str, name: &str) -> Result<RepositoryName, MetadataError> {
    name.parse().map_err(|_| bad_key(table))
}
