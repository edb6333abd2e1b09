//! Metadata against metadata.

use std::io;

use crate::store::metadata::{Cursor, Page, Remedy, Tables, Violation, Write};
use crate::store::writer::{Accepted, Decision, Operation, Slot};

use super::{Pass, Repair, Severity, SurveyError};

/// Why rows stay as they are.
const REBUILD: &str = "no other row tells it; stop the server, and holdfast rebuild makes the database anew";

impl Pass<'_> {
    /// Walks through all rows, and looks at each payload as it comes. What was repaired is looked at once more.
    pub(super) fn check_rows(&mut self) -> Result<(), SurveyError> {
        let (mut cursor, mut last) = (Cursor::default(), None);
        while let Some(page) = self.next_page(&mut cursor)? {
            self.count(&page);
            for violation in page.violations {
                self.note_row(&violation, &mut last)?;
            }
            for (digest, row) in page.blobs {
                self.check_payload(digest, row)?;
            }
            self.tell_progress()?;
        }
        match last {
            Some(_) => self.check_repaired_rows(),
            None => Ok(()),
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

    /// Tells of a row that is wrong, and has told anew what follows from others. `last` is what was told anew last: one remedy
    /// may be that of many rows.
    fn note_row(&mut self, violation: &Violation, last: &mut Option<Remedy>) -> Result<(), SurveyError> {
        let text = violation.to_string();
        let Some(remedy) = violation.remedy().filter(|_| self.is_repairing) else {
            self.has_wrong_rows = true;
            return self.find_beyond_repair(Severity::Wrong, text, REBUILD);
        };
        let is_told = last.as_ref() == Some(remedy) || self.submit(Mend { remedy: remedy.clone() })?;
        match is_told {
            true => {
                *last = Some(remedy.clone());
                self.find(
                    Severity::Wrong,
                    text,
                    Repair::Done("made anew from the rows that it follows from".into()),
                )
            }
            false => {
                self.has_wrong_rows = true;
                self.find_beyond_repair(Severity::Wrong, text, REBUILD)
            }
        }
    }

    fn check_repaired_rows(&mut self) -> Result<(), SurveyError> {
        let mut cursor = Cursor::default();
        while let Some(page) = self.next_page(&mut cursor)? {
            for violation in page.violations.iter().filter(|violation| violation.remedy().is_some()) {
                self.has_wrong_rows = true;
                self.find_beyond_repair(Severity::Wrong, violation.to_string(), REBUILD)?;
            }
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
