//! Metadata against their second copy.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::store::archive::{ArchiveError, compare, compare_once};

use super::{Pass, Repair, Severity, SurveyError};

/// How long a new snapshot is waited for. It is as large as the metadata, and nobody else waits.
const PATIENCE: Duration = Duration::from_secs(600);

impl Pass<'_> {
    /// Compares the archive and the log with the database. An archive that leads nowhere is begun anew; one that tells something
    /// else may be what is right, and stays.
    pub(super) fn check_archive(&mut self) -> Result<(), SurveyError> {
        const OTHERWISE: &str = "a new snapshot would lose what only the archive has: either stop the server, and holdfast \
                                 rebuild makes the database out of the archive, or, if the database is right, remove the files \
                                 in archive/ while the server is stopped, and the next start makes new ones";
        const ROWS: &str = "a new snapshot would keep the rows that are wrong: restore a backup";
        let error = match self.compare() {
            Ok(None) => return Ok(()),
            Ok(Some(difference)) => {
                return self.find_beyond_repair(Severity::Wrong, difference, OTHERWISE);
            }
            Err(error) => error,
        };
        let text = format!("the archive: {error}");
        match error.is_damage() || error.is_passing() {
            true if self.has_wrong_rows => self.find_beyond_repair(Severity::Wrong, text, ROWS),
            true if self.is_repairing => {
                let repair = self.renew_archive()?;
                self.find(Severity::Wrong, text, repair)
            }
            _ => {
                self.find_beyond_repair(Severity::Wrong, text, "this says nothing of the archive: try again")
            }
        }
    }

    fn compare(&self) -> Result<Option<String>, ArchiveError> {
        let source = &self.source;
        match source.is_at_rest.load(Ordering::Relaxed) {
            true => compare_once(source.disk, source.layout, source.metadata),
            false => compare(source.disk, source.layout, source.metadata),
        }
    }

    /// Has a new snapshot made by the thread that has the archive, and looks whether it leads to where the store is.
    fn renew_archive(&mut self) -> Result<Repair, SurveyError> {
        const PAUSE: Duration = Duration::from_millis(50);
        let (began, wish) = (Instant::now(), self.source.renewal.wish());
        self.source.is_at_rest.store(false, Ordering::Relaxed);
        while !self.source.renewal.is_fulfilled(wish) {
            if began.elapsed() > PATIENCE {
                return Ok(Repair::Impossible("a new snapshot was not made in time; see the log".into()));
            }
            self.tell_progress()?;
            thread::sleep(PAUSE);
        }
        Ok(match self.compare() {
            Ok(None) => Repair::Done("a new snapshot of the database was made".into()),
            Ok(Some(difference)) => Repair::Impossible(difference),
            Err(error) => Repair::Impossible(error.to_string()),
        })
    }
}
