//! Sweeping: payload files that nothing names are removed, once after every start.
//!
//! A crash leaves such files: one that had its name before the change that names it was logged, one whose unlinking a
//! power cut undid. A file of this run that is about to be named is in flight, and spared; whatever else nothing names,
//! nothing will.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use crate::oci::{Algorithm, Digest};

use super::background::Pieces;
use super::disk::Rule;
use super::layout::Layout;
use super::metadata::{DoomedFile, Metadata, MetadataError, Tables, Write};
use super::writer::{Accepted, Decision, Decline, Operation, Slot};

/// The folders that are still to be swept.
pub(super) struct Sweep {
    folders: VecDeque<(Algorithm, PathBuf)>,
    removed: u64,
}

impl Sweep {
    pub(super) fn new(layout: &Layout) -> Self {
        Self { folders: layout.shards().collect(), removed: 0 }
    }
}

impl Pieces {
    /// Sweeps the next folder, if one is left.
    pub(super) fn sweep(&self, sweep: &mut Sweep) -> Result<(), Decline<io::Error>> {
        let Some((algorithm, folder)) = sweep.folders.pop_front() else { return Ok(()) };
        let names = self.disk.list(&folder).map_err(Decline::Refused)?;
        let files = names.iter().filter_map(|name| parse(algorithm, name.to_str()?));
        // Whatever is not in flight by now was named, or never will be.
        let is_spared = |file| self.disk.keeps(Rule::SpareInFlight) && self.in_flight.has(file);
        let files: Vec<_> = files.filter(|found| !is_spared(found.file)).collect();
        let files = unknown(&self.metadata, &files)?;
        if !files.is_empty() {
            for DoomedFile { digest, file } in self.writer.submit(FindUnnamed { files })? {
                self.disk.unlink(&self.layout.payload(&digest, file)).map_err(Decline::Refused)?;
                sweep.removed += 1;
            }
        }
        if sweep.folders.is_empty() && sweep.removed > 0 {
            tracing::info!(
                files = sweep.removed,
                "removed payload files that a crash had left and nothing names"
            );
        }
        Ok(())
    }
}

/// Those that the metadata do not know as of the last commit, which are few: the writer is asked about these alone.
pub(super) fn unknown(metadata: &Metadata, files: &[DoomedFile]) -> Result<Vec<DoomedFile>, MetadataError> {
    /// A snapshot is held for so many look-ups.
    const AT_ONCE: usize = 64;
    let mut unknown = Vec::new();
    for some in files.chunks(AT_ONCE) {
        unknown.extend(metadata.read().unnamed_files(some)?);
    }
    Ok(unknown)
}

/// Reads a payload file's name.
pub(super) fn parse(algorithm: Algorithm, name: &str) -> Option<DoomedFile> {
    let (hex, id) = name.split_once('-')?;
    let digest: Digest = format!("{algorithm}:{hex}").parse().ok()?;
    Some(DoomedFile { digest, file: id.parse().ok()? })
}

/// Finds out which of these files nothing names, now that everything is decided that was asked for before.
pub(super) struct FindUnnamed {
    pub(super) files: Vec<DoomedFile>,
}

impl Operation for FindUnnamed {
    type Outcome = Vec<DoomedFile>;
    type Refusal = io::Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        Ok(Accepted::new(Vec::new(), tables.unnamed_files(&self.files)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ids::PayloadId;

    #[test]
    fn a_payload_file_is_known_by_its_name_and_nothing_else_is_taken_for_one() {
        let (digest, file) =
            (crate::store::Hasher::digest(Algorithm::Sha256, b"holdfast"), PayloadId::random());
        let name = format!("{}-{file}", digest.hex());
        assert_eq!(parse(Algorithm::Sha256, &name), Some(DoomedFile { digest, file }));
        assert_eq!(parse(Algorithm::Sha512, &name), None);
        for other in ["notes.txt", "lost-found", &digest.hex(), &name[1..], &format!("{name}0")] {
            assert_eq!(parse(Algorithm::Sha256, other), None, "{other}");
        }
    }
}
