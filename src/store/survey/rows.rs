//! Metadata against metadata.

use std::io;

use crate::store::metadata::{Cursor, Page, Remedy, Tables, Violation, Write};
use crate::store::writer::{Accepted, Decision, Operation, Slot};

use super::{Pass, Repair, Severity, SurveyError};

impl Pass<'_> {
    /// Walks through all rows, and looks at each payload as it comes. Where something was to be repaired, all rows are looked
    /// at once more: one repair may put right what seemed to be beyond it.
    pub(super) fn check_rows(&mut self) -> Result<(), SurveyError> {
        let (mut cursor, mut last, mut are_sound) = (Cursor::default(), None, true);
        while let Some(page) = self.next_page(&mut cursor)? {
            self.count(&page);
            are_sound &= page.violations.is_empty();
            for violation in page.violations {
                match self.is_repairing {
                    true => self.mend(&violation, &mut last)?,
                    false => self.find(Severity::Wrong, violation.to_string(), Repair::NotWanted)?,
                }
            }
            for (digest, row) in page.blobs {
                self.check_payload(digest, row)?;
            }
            self.tell_progress()?;
        }
        match are_sound || !self.is_repairing {
            true => Ok(()),
            false => self.check_mended_rows(),
        }
    }

    fn next_page(&self, cursor: &mut Cursor) -> Result<Option<Page>, SurveyError> {
        Ok(self.source.metadata.read().check_some(cursor)?)
    }

    fn count(&mut self, page: &Page) {
        self.tally.repositories += page.repositories;
        self.tally.manifests += page.manifests;
        self.tally.tags += page.tags;
        self.tally.uploads += page.uploads;
        self.tally.blobs += page.blobs.len() as u64;
        self.tally.payload_bytes += page.blobs.iter().map(|(_, row)| row.size).sum::<u64>();
    }

    /// Has told anew what follows from other rows. `last` is what was told last: one remedy may be that of many rows.
    fn mend(&mut self, violation: &Violation, last: &mut Option<Remedy>) -> Result<(), SurveyError> {
        const DONE: &str = "made anew from the rows that it follows from";
        let Some(remedy) = violation.remedy() else { return Ok(()) };
        let is_told = last.as_ref() == Some(remedy) || self.submit(Mend { remedy: remedy.clone() })?;
        if is_told {
            *last = Some(remedy.clone());
            self.find(Severity::Wrong, violation.to_string(), Repair::Done(DONE.to_owned()))?;
        }
        Ok(())
    }

    /// Tells of what is still wrong.
    fn check_mended_rows(&mut self) -> Result<(), SurveyError> {
        const REBUILD: &str =
            "no other row tells it; stop the server, and holdfast rebuild makes the database anew";
        let mut cursor = Cursor::default();
        while let Some(page) = self.next_page(&mut cursor)? {
            for violation in page.violations {
                self.has_wrong_rows = true;
                let repair = Repair::Impossible(REBUILD.to_owned());
                self.find(Severity::Wrong, violation.to_string(), repair)?;
            }
            self.tell_progress()?;
        }
        Ok(())
    }
}

/// Tells rows anew. Its outcome is whether there was anything to tell.
struct Mend {
    remedy: Remedy,
}

impl Operation for Mend {
    type Outcome = bool;
    type Refusal = io::Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let changes = tables.mend(&self.remedy, slot.now)?;
        let is_told = !changes.is_empty();
        Ok(Accepted::new(changes, is_told))
    }
}
