//! The invariants of the whole store: metadata against metadata, against files, and against their second copy.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::archive;
use super::blobs::Payload;
use super::disk::Disk;
use super::layout::Layout;
use super::log::Segments;
use super::metadata::{BlobRow, Metadata, MetadataError, Place, Violation};
use super::verification::Verification;
use crate::oci::Digest;

/// How thorough a survey is.
#[derive(Debug, Clone, Copy, Default)]
pub struct SurveyOptions {
    /// Read every payload and compare it with its digest, and compare the archive and the log with the database.
    pub is_thorough: bool,
}

/// What a survey has found.
#[derive(Debug, Default)]
pub struct Survey {
    pub repositories: u64,
    pub manifests: u64,
    pub tags: u64,
    pub blobs: u64,
    /// Of all payloads, in bytes.
    pub payload_bytes: u64,
    pub uploads: u64,
    /// Files that nothing names: what a crash may leave. They cost room and harm nobody.
    pub unnamed_files: Vec<PathBuf>,
    /// Payloads that are known to be damaged, and wait for somebody who pushes them again.
    pub damaged: Vec<Digest>,
    /// What must hold and does not.
    pub violations: Vec<Violation>,
}

/// Walks everything.
pub(super) fn survey(
    disk: &dyn Disk,
    layout: &Layout,
    segments: &Segments,
    metadata: &Metadata,
    options: SurveyOptions,
) -> Result<Survey, MetadataError> {
    let census = metadata.read().check()?;
    let mut survey = Survey {
        repositories: census.repositories,
        manifests: census.manifests,
        tags: census.tags,
        blobs: census.blobs.len() as u64,
        payload_bytes: census.blobs.iter().map(|(_, row)| row.size).sum(),
        uploads: census.uploads.len() as u64,
        unnamed_files: Vec::new(),
        damaged: Vec::new(),
        violations: census.violations,
    };
    let mut named: HashSet<_> =
        census.doomed.iter().map(|doomed| layout.payload(&doomed.digest, doomed.file)).collect();
    let files = Files { disk, layout, segments, options };
    for (digest, row) in &census.blobs {
        let mut row = *row;
        let mut checked = files.check(digest, row);
        // A payload that moved out of the log while we looked for it there is looked for where it is now.
        while let (Err(_), Some(moved)) = (&checked, metadata.read().blob(digest)?.filter(|now| *now != row))
        {
            row = moved;
            checked = files.check(digest, row);
        }
        match checked {
            _ if row.is_damaged => survey.damaged.push(*digest),
            Ok(()) => {}
            Err(text) => survey.violations.push(Violation::new(format!("{digest}: {text}"))),
        }
        if let Place::File { id } = row.place {
            named.insert(layout.payload(digest, id));
        }
    }
    for (id, row) in &census.uploads {
        let path = layout.upload(*id);
        let length = disk.length(&path);
        if !length.as_ref().is_ok_and(|length| *length >= row.offset) {
            let text = format!("upload {id}: {} bytes are marked, {length:?} are there", row.offset);
            survey.violations.push(Violation::new(text));
        }
        named.insert(path);
    }
    for folder in layout.shards().map(|(_, shard)| shard).chain([layout.uploads()]) {
        match unnamed(disk, &folder, &named) {
            Ok(paths) => survey.unnamed_files.extend(paths),
            Err(error) => survey.violations.push(Violation::new(format!("{}: {error}", folder.display()))),
        }
    }
    if options.is_thorough {
        survey.violations.extend(compare_archive(disk, layout, metadata));
    }
    Ok(survey)
}

fn compare_archive(disk: &dyn Disk, layout: &Layout, metadata: &Metadata) -> Option<Violation> {
    match archive::compare(disk, layout, metadata) {
        Ok(difference) => difference.map(Violation::new),
        Err(error) => Some(Violation::new(format!("the archive: {error}"))),
    }
}

/// Where payloads lie, and how closely they are looked at.
struct Files<'a> {
    disk: &'a dyn Disk,
    layout: &'a Layout,
    segments: &'a Segments,
    options: SurveyOptions,
}

impl Files<'_> {
    fn check(&self, digest: &Digest, row: BlobRow) -> Result<(), String> {
        match row.place {
            Place::File { id } => self.check_file(&self.layout.payload(digest, id), digest, row),
            Place::Log { segment, offset } => self.check_log(segment, offset, digest, row),
        }
    }

    /// A payload in the log is small, and always read.
    fn check_log(&self, segment: u64, offset: u64, digest: &Digest, row: BlobRow) -> Result<(), String> {
        let missing = || format!("segment {segment:x} of the log is missing");
        let file = self.segments.file(segment).ok_or_else(missing)?;
        Payload::in_log(&*file, offset, row.size, digest).map(drop).map_err(|error| error.to_string())
    }

    fn check_file(&self, path: &Path, digest: &Digest, row: BlobRow) -> Result<(), String> {
        let payload = Payload::open_unmapped(self.disk, path, row.size);
        let checked = payload.and_then(|payload| match self.options.is_thorough {
            true => Verification::new(payload, digest, Verification::PIECE).finish(),
            false => Ok(()),
        });
        checked.map_err(|error| error.to_string())
    }
}

fn unnamed(disk: &dyn Disk, folder: &Path, named: &HashSet<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let paths = disk.list(folder)?.into_iter().map(|name| folder.join(name));
    Ok(paths.filter(|path| !named.contains(path)).collect())
}
