//! Metadata against the places of payloads.

use crate::oci::Digest;
use crate::store::blobs::PayloadError;
use crate::store::judgement::Judgement;
use crate::store::metadata::BlobRow;
use crate::store::verification::{Verification, open_unmapped};

use super::{Pass, Repair, Severity, SurveyError};

impl Pass<'_> {
    /// Looks at a payload where it lies. One that has gone meanwhile is none, one that has moved is looked at where it is now, and one
    /// that is not as it should be is looked at twice: an error that does not come again tells nothing of it.
    pub(super) fn check_payload(&mut self, digest: Digest, mut row: BlobRow) -> Result<(), SurveyError> {
        let mut is_suspect = false;
        loop {
            let looked = self.look_at(&digest, row)?;
            if looked.is_ok() && !row.is_damaged {
                return Ok(());
            }
            let Some(now) = self.source.metadata.read().blob(&digest)? else { return Ok(()) };
            let is_again = is_suspect && now == row;
            is_suspect = now.place == row.place;
            row = now;
            if is_again && self.judge(digest, row, &looked)? {
                return Ok(());
            }
        }
    }

    /// Tells of a payload that is not as it should be, or is marked so. `false` if it has moved before it could be marked.
    fn judge(
        &mut self,
        digest: Digest,
        row: BlobRow,
        looked: &Result<(), PayloadError>,
    ) -> Result<bool, SurveyError> {
        let is_damaged = match looked {
            // Without its bytes nothing says that a payload is right again.
            Ok(()) if self.options.is_thorough => false,
            Err(error) if !error.is_damage() => {
                let text = format!("{digest}: {error}");
                self.find_beyond_repair(Severity::Wrong, text, "this says nothing of its bytes: try again")?;
                return Ok(true);
            }
            _ => true,
        };
        let is_marked = row.is_damaged;
        if is_marked != is_damaged && self.is_repairing {
            let judgement = Judgement { digest, place: row.place, is_damaged };
            if !self.submit(judgement)? {
                return Ok(false);
            }
        }
        let problem = looked.as_ref().err().map(ToString::to_string).unwrap_or_default();
        self.find_damage(&digest, is_marked, is_damaged, &problem)?;
        Ok(true)
    }

    fn find_damage(
        &mut self,
        digest: &Digest,
        is_marked: bool,
        is_damaged: bool,
        problem: &str,
    ) -> Result<(), SurveyError> {
        match (is_marked, is_damaged) {
            (true, true) => {
                let text =
                    format!("{digest}, which is not served until it is pushed again; see holdfast scrub");
                self.find_beyond_repair(Severity::Damaged, text, "nothing here has its bytes: push it again")
            }
            (true, false) if self.is_repairing => {
                let text = format!("{digest} was marked as damaged, and is right");
                self.find(Severity::Damaged, text, Repair::Done("it is served again".into()))
            }
            (true, false) => {
                let text = format!("{digest} is marked as damaged and not served, but is right");
                self.find(Severity::Damaged, text, Repair::NotWanted)
            }
            (false, _) if self.is_repairing => {
                let why = "nothing here has its bytes: it is marked as damaged now, answers an error, and is right \
                           again once anybody pushes it";
                self.find_beyond_repair(Severity::Damaged, format!("{digest}: {problem}"), why)
            }
            (false, _) => self.find(Severity::Wrong, format!("{digest}: {problem}"), Repair::NotWanted),
        }
    }

    fn look_at(&mut self, digest: &Digest, row: BlobRow) -> Result<Result<(), PayloadError>, SurveyError> {
        let source = &self.source;
        match open_unmapped(source.disk, source.layout, source.segments, digest, row) {
            Ok(payload) if self.options.is_thorough => {
                self.read(Verification::new(payload, digest, Verification::PIECE))
            }
            other => Ok(other.map(drop)),
        }
    }

    /// Reads all of a payload, and says how far it is: whoever listens sets the pace.
    fn read(&mut self, mut verification: Verification) -> Result<Result<(), PayloadError>, SurveyError> {
        loop {
            let before = verification.offset();
            let read = verification.read_on();
            self.tally.read_bytes += verification.offset() - before;
            self.tell_progress()?;
            match read {
                Ok(false) => {}
                other => return Ok(other.map(drop)),
            }
        }
    }
}
