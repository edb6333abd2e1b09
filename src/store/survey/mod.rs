//! The invariants of the whole store: metadata against metadata, against files, and against their second copy; and what can
//! be repaired of what does not hold.
//!
//! The store may go on meanwhile. A walk holds no snapshot for longer than a page of rows, and nothing is called wrong because
//! it has moved: what is not as expected is looked up once more. Repairs are changes that the writer decides, so that they are in
//! the log, and files that are removed; what somebody was promised is never among them.

mod archive;
mod fault;
mod files;
mod payloads;
mod rows;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use fault::{Fault, Repair, Severity, SurveyNews, SurveyTally};

use super::archive::Renewal;
use super::disk::Disk;
use super::ids::PayloadId;
use super::in_flight::InFlight;
use super::layout::Layout;
use super::log::Segments;
use super::metadata::{Metadata, MetadataError, UploadRow};
use super::writer::{BlockingWriter, Decline, Operation, WriteError};

/// How a store is surveyed.
#[derive(Debug, Clone, Copy, Default)]
pub struct SurveyOptions {
    /// Read every payload and compare it with its digest, and compare the archive and the log with the database.
    pub is_thorough: bool,
}

/// What a survey has found.
#[derive(Debug, Default)]
pub struct Survey {
    /// What must hold and does not.
    pub violations: Vec<Fault>,
}

/// Whoever wants to be told. `false` gives up what is under way.
pub type SurveyListener<'a> = &'a mut dyn FnMut(SurveyNews) -> bool;

/// Why a survey was not brought to its end.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("a repair could not be written: {0}")]
    Write(#[from] WriteError),
    #[error("nobody waits for it any more")]
    GivenUp,
}

/// What is surveyed.
pub(super) struct Source<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) layout: &'a Layout,
    pub(super) segments: &'a Segments,
    pub(super) metadata: &'a Metadata,
    pub(super) in_flight: &'a InFlight,
    pub(super) renewal: &'a Renewal,
    pub(super) is_at_rest: &'a AtomicBool,
    pub(super) writer: BlockingWriter,
}

/// A survey under way.
pub(super) struct Pass<'a> {
    pub(super) source: Source<'a>,
    pub(super) options: SurveyOptions,
    pub(super) is_repairing: bool,
    pub(super) listener: SurveyListener<'a>,
    tally: SurveyTally,
    /// Whether rows are wrong that could not be repaired.
    has_wrong_rows: bool,
}

/// An upload session that has lost bytes.
#[derive(Debug, Clone)]
pub struct LostUpload {
    pub id: PayloadId,
    /// Up to where they were marked, in bytes.
    pub marked: u64,
    /// How many there are; `None` if there is no file.
    pub found: Option<u64>,
}

impl LostUpload {
    /// What is told of it.
    pub(super) fn fault(&self) -> Fault {
        Fault { severity: Severity::Wrong, what: self.to_string(), repair: Repair::NotWanted }
    }
}

impl fmt::Display for LostUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, marked, found } = self;
        write!(f, "the upload {id} is to go on from byte {marked}, but ")?;
        match found {
            Some(found) => write!(f, "its file has {found}"),
            None => f.write_str("its file is missing"),
        }
    }
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        source: Source<'a>,
        options: SurveyOptions,
        is_repairing: bool,
        listener: SurveyListener<'a>,
    ) -> Self {
        let tally = SurveyTally::default();
        Self { source, options, is_repairing, listener, tally, has_wrong_rows: false }
    }

    /// Looks at everything but the bytes of uploads under way, which whoever has the sessions knows better. Blocks.
    pub(super) fn run(mut self) -> Result<SurveyTally, SurveyError> {
        self.check_rows()?;
        self.check_files()?;
        if self.options.is_thorough {
            self.check_archive()?;
        }
        Ok(self.tally)
    }

    /// Tells of something, and what has become of it.
    fn find(
        &mut self,
        severity: Severity,
        what: impl Into<String>,
        repair: Repair,
    ) -> Result<(), SurveyError> {
        self.tell(SurveyNews::Found(Fault { severity, what: what.into(), repair }))
    }

    /// Tells of something that nobody can repair here, and why.
    fn find_beyond_repair(
        &mut self,
        severity: Severity,
        what: impl Into<String>,
        why: &str,
    ) -> Result<(), SurveyError> {
        let repair = match self.is_repairing {
            true => Repair::Impossible(why.to_owned()),
            false => Repair::NotWanted,
        };
        self.find(severity, what, repair)
    }

    fn tell_progress(&mut self) -> Result<(), SurveyError> {
        self.tell(SurveyNews::Looked(self.tally))
    }

    fn tell(&mut self, news: SurveyNews) -> Result<(), SurveyError> {
        match (self.listener)(news) {
            true => Ok(()),
            false => Err(SurveyError::GivenUp),
        }
    }

    fn submit<O: Operation<Refusal = io::Error>>(&self, operation: O) -> Result<O::Outcome, SurveyError> {
        self.source.writer.submit(operation).map_err(|decline| match decline {
            Decline::Failed(error) => SurveyError::Write(error),
            Decline::Refused(error) => SurveyError::Write(WriteError::NotWritten(Arc::new(error))),
        })
    }
}

/// The upload sessions whose files are shorter than their marks say, as of now.
pub(super) fn lost_uploads(
    disk: &dyn Disk,
    layout: &Layout,
    metadata: &Metadata,
) -> Result<Vec<LostUpload>, MetadataError> {
    let uploads = metadata.read().uploads()?;
    let lost = uploads.into_iter().filter_map(|(id, row)| lost_upload(disk, layout, id, &row));
    Ok(lost.collect())
}

/// What an upload session has lost.
pub(super) fn lost_upload(
    disk: &dyn Disk,
    layout: &Layout,
    id: PayloadId,
    row: &UploadRow,
) -> Option<LostUpload> {
    let found = disk.length(&layout.upload(id)).ok();
    let is_lost = found.is_none_or(|found| found < row.offset);
    is_lost.then_some(LostUpload { id, marked: row.offset, found })
}
