//! What a store takes on its disk, and where a payload lies there, for those who look after it.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::oci::Digest;

use super::Store;
use super::metadata::{BlobRow, Place};

/// What a store takes on its disk, beside the payloads in files of their own. In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// `metadata.redb`.
    pub database: u64,
    /// The segments of the log.
    pub log: u64,
    /// The second copy of the metadata.
    pub archive: u64,
    /// What may still be written to the disk.
    pub free: u64,
    /// What the whole disk has.
    pub disk: u64,
}

impl Store {
    /// What the store takes on its disk. Blocks.
    pub fn figures(&self) -> io::Result<Figures> {
        let space = self.disk.space(self.root())?;
        Ok(Figures {
            database: self.disk.length(&self.layout.metadata())?,
            log: self.length_of_files(&self.layout.log())?,
            archive: self.length_of_files(&self.layout.archive())?,
            free: space.bytes,
            disk: space.bytes_in_all,
        })
    }

    /// Those that go while they are looked at count for nothing.
    fn length_of_files(&self, folder: &Path) -> io::Result<u64> {
        let mut sum = 0;
        for name in self.disk.list(folder)? {
            sum += match self.disk.length(&folder.join(name)) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(error),
            };
        }
        Ok(sum)
    }

    /// Where below the root a payload lies, in words.
    pub fn describe_place(&self, digest: &Digest, row: &BlobRow) -> String {
        match row.place {
            Place::File { id } => {
                let path = self.layout.payload(digest, id);
                path.strip_prefix(self.root()).unwrap_or(&path).display().to_string()
            }
            Place::Log { segment, offset } => format!("log segment {segment}, at byte {offset}"),
        }
    }
}
