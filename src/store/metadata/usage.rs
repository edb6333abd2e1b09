//! How much repositories hold, kept up to date with each change, so that nobody has to count.
//!
//! What two repositories hold counts for both; on the disk it lies once.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use minicbor::{Decode, Encode};
use redb::ReadableTable;

use crate::oci::RepositoryName;

use super::MetadataError;
use super::encoding::{decode, encode};
use super::reads::STORED;
use super::rows::{BlobRow, ManifestRow};
use super::tables::{Access, Tables, Write};

/// What a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Encode, Decode)]
pub struct UsageRow {
    #[n(0)]
    pub blobs: u64,
    /// Of its blobs.
    #[n(1)]
    pub blob_bytes: u64,
    #[n(2)]
    pub manifests: u64,
    /// Of its manifests.
    #[n(3)]
    pub manifest_bytes: u64,
    #[n(4)]
    pub tags: u64,
}

impl UsageRow {
    /// Of all that it holds.
    pub fn bytes(&self) -> u64 {
        self.blob_bytes.saturating_add(self.manifest_bytes)
    }

    pub(super) fn add_blob(&mut self, size: u64) {
        self.blobs += 1;
        self.blob_bytes = self.blob_bytes.saturating_add(size);
    }

    pub(super) fn take_blob(&mut self, size: u64) {
        self.blobs = self.blobs.saturating_sub(1);
        self.blob_bytes = self.blob_bytes.saturating_sub(size);
    }

    pub(super) fn add_manifest(&mut self, size: u64) {
        self.manifests += 1;
        self.manifest_bytes = self.manifest_bytes.saturating_add(size);
    }

    pub(super) fn take_manifest(&mut self, size: u64) {
        self.manifests = self.manifests.saturating_sub(1);
        self.manifest_bytes = self.manifest_bytes.saturating_sub(size);
    }
}

impl<A: Access> Tables<A> {
    /// What a repository holds.
    pub fn usage(&self, repository: &RepositoryName) -> Result<UsageRow, MetadataError> {
        let row = self.usage.get(repository.as_str())?;
        Ok(row.map(|row| decode("usage", row.value())).transpose()?.unwrap_or_default())
    }

    /// The repositories that hold the most bytes, as many as are wanted, the largest first. Looks at all of them.
    pub fn largest_repositories(&self, wanted: usize) -> Result<Vec<(String, UsageRow)>, MetadataError> {
        let mut largest = BinaryHeap::new();
        for entry in self.usage.iter()? {
            let (name, row) = entry?;
            let usage: UsageRow = decode("usage", row.value())?;
            let bytes = usage.bytes();
            if largest.len() < wanted || largest.peek().is_some_and(|Reverse((least, _, _))| *least < bytes) {
                largest.push(Reverse((bytes, name.value().to_owned(), usage)));
            }
            if largest.len() > wanted {
                largest.pop();
            }
        }
        Ok(largest.into_sorted_vec().into_iter().map(|Reverse((_, name, usage))| (name, usage)).collect())
    }

    /// The size of all payloads, in bytes.
    pub fn payload_bytes(&self) -> Result<u64, MetadataError> {
        let row = self.state.get(STORED)?;
        Ok(row.map(|row| decode("state", row.value())).transpose()?.unwrap_or_default())
    }

    /// What a repository holds, counted.
    pub(super) fn count_usage(&self, name: &str) -> Result<UsageRow, MetadataError> {
        let mut usage = UsageRow::default();
        for entry in self.blob_links.range((name, &[][..])..)? {
            let (key, _) = entry?;
            let (holder, digest) = key.value();
            if holder != name {
                break;
            }
            usage.add_blob(self.size_of(digest)?);
        }
        for entry in self.manifests.range((name, &[][..])..)? {
            let (key, row) = entry?;
            if key.value().0 != name {
                break;
            }
            usage.add_manifest(decode::<ManifestRow>("manifests", row.value())?.size);
        }
        for entry in self.tags.range((name, "")..)? {
            if entry?.0.value().0 != name {
                break;
            }
            usage.tags += 1;
        }
        Ok(usage)
    }

    /// The size of all payloads in bytes, counted.
    pub(super) fn count_payload_bytes(&self) -> Result<u64, MetadataError> {
        let mut bytes: u64 = 0;
        for entry in self.blobs.iter()? {
            bytes = bytes.saturating_add(decode::<BlobRow>("blobs", entry?.1.value())?.size);
        }
        Ok(bytes)
    }

    /// The size of a payload; nothing if it is not there.
    fn size_of(&self, digest: &[u8]) -> Result<u64, MetadataError> {
        let row = self.blobs.get(digest)?;
        let row = row.map(|row| decode::<BlobRow>("blobs", row.value())).transpose()?;
        Ok(row.map_or(0, |row| row.size))
    }
}

impl Tables<Write<'_>> {
    pub(super) fn alter_usage(
        &mut self,
        repository: &RepositoryName,
        alter: impl FnOnce(&mut UsageRow),
    ) -> Result<(), MetadataError> {
        let mut usage = self.usage(repository)?;
        alter(&mut usage);
        self.set_usage(repository.as_str(), &usage)
    }

    fn set_usage(&mut self, name: &str, usage: &UsageRow) -> Result<(), MetadataError> {
        match *usage == UsageRow::default() {
            true => self.usage.remove(name)?,
            false => self.usage.insert(name, &*encode(usage))?,
        };
        Ok(())
    }

    /// A payload of a size takes the place of one of another, either of which may be none.
    pub(super) fn alter_payload_bytes(&mut self, before: u64, after: u64) -> Result<(), MetadataError> {
        if before != after {
            let bytes = self.payload_bytes()?.saturating_sub(before).saturating_add(after);
            self.state.insert(STORED, &*encode(&bytes))?;
        }
        Ok(())
    }

    /// Counts anew what a repository holds, or without one how large all payloads are.
    pub(super) fn recount(&mut self, repository: Option<&RepositoryName>) -> Result<(), MetadataError> {
        match repository {
            Some(name) => self.recount_repository(name.as_str()),
            None => {
                let bytes = self.count_payload_bytes()?;
                self.state.insert(STORED, &*encode(&bytes))?;
                Ok(())
            }
        }
    }

    /// Counts everything anew.
    pub(in crate::store) fn recount_all(&mut self) -> Result<(), MetadataError> {
        self.recount(None)?;
        let mut names = BTreeSet::new();
        for entry in self.blob_links.iter()? {
            names.insert(entry?.0.value().0.to_owned());
        }
        // Those that have tags have manifests.
        for entry in self.manifests.iter()? {
            names.insert(entry?.0.value().0.to_owned());
        }
        self.usage.retain(|_, _| false)?;
        names.iter().try_for_each(|name| self.recount_repository(name))
    }

    fn recount_repository(&mut self, name: &str) -> Result<(), MetadataError> {
        let usage = self.count_usage(name)?;
        self.set_usage(name, &usage)
    }
}
