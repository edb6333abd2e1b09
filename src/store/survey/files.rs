//! Files against the metadata: what nothing names.

use std::io;
use std::path::Path;

use crate::oci::Algorithm;
use crate::store::ids::PayloadId;
use crate::store::metadata::DoomedFile;
use crate::store::sweep::{FindUnnamed, parse, unknown};

use super::{Pass, Repair, Severity, SurveyError};

impl Pass<'_> {
    /// Looks at every file in the folders of payloads and uploads.
    pub(super) fn check_files(&mut self) -> Result<(), SurveyError> {
        let layout = self.source.layout;
        for (algorithm, folder) in layout.shards() {
            match self.source.disk.list(&folder) {
                Ok(names) => {
                    let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
                    self.check_shard(algorithm, &folder, names.iter().map(AsRef::as_ref))?;
                }
                Err(error) => self.find_unlisted(&folder, &error)?,
            }
            self.tell_progress()?;
        }
        self.check_upload_files()
    }

    fn check_shard<'n>(
        &mut self,
        algorithm: Algorithm,
        folder: &Path,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<(), SurveyError> {
        let mut files = Vec::new();
        for name in names {
            match parse(algorithm, name) {
                Some(file) => files.push(file),
                None => {
                    let why = "holdfast gives no such names: whoever has put it there knows what it is";
                    self.find_beyond_repair(Severity::Leftover, unnamed(&folder.join(name)), why)?;
                }
            }
        }
        // In this order: whatever is not in flight by now was named, has gone again, or never will be named.
        files.retain(|found| !self.source.in_flight.has(found.file));
        let mut files = unknown(self.source.metadata, &files)?;
        files.retain(|file| self.is_there(file));
        if files.is_empty() {
            return Ok(());
        }
        if self.is_repairing {
            files = self.submit(FindUnnamed { files })?;
        }
        for DoomedFile { digest, file } in files {
            self.find_unnamed(&self.source.layout.payload(&digest, file))?;
        }
        Ok(())
    }

    fn is_there(&self, file: &DoomedFile) -> bool {
        self.source.disk.length(&self.source.layout.payload(&file.digest, file.file)).is_ok()
    }

    fn check_upload_files(&mut self) -> Result<(), SurveyError> {
        let folder = self.source.layout.uploads();
        let names = match self.source.disk.list(&folder) {
            Ok(names) => names,
            Err(error) => return self.find_unlisted(&folder, &error),
        };
        for name in names {
            let path = folder.join(&name);
            let id = name.to_str().and_then(|name| name.parse::<PayloadId>().ok());
            // In this order, as above.
            if id.is_some_and(|id| self.source.in_flight.has(id)) {
                continue;
            }
            let is_marked = match id {
                Some(id) => self.source.metadata.read().upload(id)?.is_some(),
                None => false,
            };
            if !is_marked && self.source.disk.length(&path).is_ok() {
                self.find_unnamed(&path)?;
            }
        }
        Ok(())
    }

    /// Tells of a file that nothing names and nothing will, and removes it if that is wanted.
    fn find_unnamed(&mut self, path: &Path) -> Result<(), SurveyError> {
        let repair = match self.is_repairing.then(|| self.source.disk.unlink(path)) {
            None => Repair::NotWanted,
            Some(Ok(())) => Repair::Done("removed".into()),
            Some(Err(error)) => Repair::Impossible(error.to_string()),
        };
        self.find(Severity::Leftover, unnamed(path), repair)
    }

    fn find_unlisted(&mut self, folder: &Path, error: &io::Error) -> Result<(), SurveyError> {
        let text = format!("{}: {error}", folder.display());
        self.find_beyond_repair(
            Severity::Wrong,
            text,
            "a start of the server creates a folder that is missing",
        )
    }
}

fn unnamed(path: &Path) -> String {
    format!("nothing names {}", path.display())
}
