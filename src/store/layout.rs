//! Where things lie below the root.

use std::io;
use std::path::{Path, PathBuf};

use crate::oci::{Algorithm, Digest};

use super::disk::Disk;
use super::ids::PayloadId;

/// The paths of a store.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The layout's version.
    pub(super) fn format(&self) -> PathBuf {
        self.root.join("FORMAT")
    }

    /// Says that the folder is a backup.
    pub(super) fn backup_mark(&self) -> PathBuf {
        self.root.join("BACKUP")
    }

    /// Says that the folder is being restored, and no store yet.
    pub(super) fn restore_mark(&self) -> PathBuf {
        self.root.join("RESTORE")
    }

    /// Says that what is being taken over from another registry is not all there yet, and where it comes from.
    pub(super) fn import_mark(&self) -> PathBuf {
        self.root.join("IMPORT")
    }

    /// Which registries were taken over, a line each.
    pub(super) fn sources(&self) -> PathBuf {
        self.root.join("IMPORTED")
    }

    /// The file whose lock belongs to the process that has the store open.
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("LOCK")
    }

    pub(super) fn metadata(&self) -> PathBuf {
        self.root.join("metadata.redb")
    }

    /// A database that was replaced, because it was damaged.
    pub(super) fn metadata_set_aside(&self, id: PayloadId) -> PathBuf {
        self.root.join(format!("metadata.old-{id}"))
    }

    /// Room that is set aside for a full disk.
    pub(super) fn ballast(&self) -> PathBuf {
        self.root.join("ballast")
    }

    /// The segments of the log.
    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// What has changed, outside the database.
    pub(super) fn archive(&self) -> PathBuf {
        self.root.join("archive")
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// What has come in so far in an upload session.
    pub(super) fn upload(&self, id: PayloadId) -> PathBuf {
        self.uploads().join(id.to_string())
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// A payload's file: complete, verified, and never written again.
    pub(super) fn payload(&self, digest: &Digest, id: PayloadId) -> PathBuf {
        let hex = digest.hex();
        let shard = hex.get(..2).unwrap_or_default();
        self.blobs().join(digest.algorithm().as_str()).join(shard).join(format!("{hex}-{id}"))
    }

    /// The folders that payload files lie in, with their algorithms.
    pub(super) fn shards(&self) -> impl Iterator<Item = (Algorithm, PathBuf)> {
        let blobs = self.blobs();
        Algorithm::ALL.into_iter().flat_map(move |algorithm| {
            let folder = blobs.join(algorithm.as_str());
            (0..=u8::MAX).map(move |shard| (algorithm, folder.join(format!("{shard:02x}"))))
        })
    }

    /// Creates whatever folder is missing, so that none has to be created, and synced, while payloads come in.
    pub(super) fn create_folders(&self, disk: &dyn Disk) -> io::Result<()> {
        disk.create_folders([self.log(), self.archive(), self.uploads()])?;
        self.create_shards(disk)
    }

    /// Creates the folders that payload files lie in.
    pub(super) fn create_shards(&self, disk: &dyn Disk) -> io::Result<()> {
        disk.create_folders([self.blobs()])?;
        disk.create_folders(Algorithm::ALL.map(|algorithm| self.blobs().join(algorithm.as_str())))?;
        disk.create_folders(self.shards().map(|(_, shard)| shard))
    }
}
