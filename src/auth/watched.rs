//! A file that is read again when it has changed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::file::{self, FileError};
use crate::files::Stamp;

/// How often it is looked whether the file has changed, at the most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a file says, as it was when somebody last looked.
pub(super) struct Watched<T> {
    path: PathBuf,
    parse: fn(&str) -> Result<T, String>,
    text: fn(&Path) -> Result<String, FileError>,
    began: Instant,
    /// When it was last looked, in milliseconds since it began.
    looked: AtomicU64,
    looking: Mutex<()>,
    read: RwLock<Read<T>>,
}

struct Read<T> {
    content: Arc<T>,
    stamp: Option<Stamp>,
    /// Grows with each new content.
    version: u64,
}

impl<T> Watched<T> {
    /// Reads the file.
    pub(super) fn open(path: &Path, parse: fn(&str) -> Result<T, String>) -> Result<Self, FileError> {
        Self::new(path, parse, file::read)
    }

    /// Reads the file; one that is not there, now or later, is empty.
    pub(super) fn open_if_any(path: &Path, parse: fn(&str) -> Result<T, String>) -> Result<Self, FileError> {
        Self::new(path, parse, file::read_if_any)
    }

    fn new(
        path: &Path,
        parse: fn(&str) -> Result<T, String>,
        text: fn(&Path) -> Result<String, FileError>,
    ) -> Result<Self, FileError> {
        let stamp = Stamp::of(path);
        let content = read(path, parse, text)?;
        Ok(Self {
            path: path.to_owned(),
            parse,
            text,
            began: Instant::now(),
            looked: AtomicU64::new(0),
            looking: Mutex::new(()),
            read: RwLock::new(Read { content, stamp, version: 0 }),
        })
    }

    /// What it says now, or did a second ago, and a number that grows when that changes. A file that has become unreadable is
    /// logged, and what it said before holds.
    pub(super) fn current(&self) -> (Arc<T>, u64) {
        self.look();
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&read.content), read.version)
    }

    fn look(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let every = u64::try_from(LOOK_EVERY.as_millis()).unwrap_or(u64::MAX);
        if now < self.looked.load(Ordering::Relaxed).saturating_add(every) {
            return;
        }
        // One looks; the others go on with what there is.
        let Ok(_looking) = self.looking.try_lock() else {
            return;
        };
        self.looked.store(now, Ordering::Relaxed);
        let seen = self.read.read().unwrap_or_else(PoisonError::into_inner).stamp;
        let found = Stamp::of(&self.path);
        if found != seen {
            self.read_again(found);
        }
    }

    /// What is wrong in a file is not read again before it changes; what could not be read at all is.
    fn read_again(&self, found: Option<Stamp>) {
        let content = read(&self.path, self.parse, self.text);
        let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(content, Err(FileError::Unreadable { .. })) {
            read.stamp = found;
        }
        match content {
            Ok(content) => {
                read.content = content;
                read.version += 1;
                tracing::info!(file = %self.path.display(), "read again, for it has changed");
            }
            Err(error) => tracing::error!("what was read before holds on: {error}"),
        }
    }
}

fn read<T>(
    path: &Path,
    parse: fn(&str) -> Result<T, String>,
    text: fn(&Path) -> Result<String, FileError>,
) -> Result<Arc<T>, FileError> {
    let content = parse(&text(path)?);
    content.map(Arc::new).map_err(|reason| FileError::Invalid { path: path.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn number(text: &str) -> Result<u32, String> {
        text.trim().parse().map_err(|_| "no number".to_owned())
    }

    fn wait_for_the_next_look() {
        std::thread::sleep(LOOK_EVERY + Duration::from_millis(20));
    }

    #[test]
    fn what_changes_is_read_again_and_what_breaks_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "1").expect("written");
        let watched = Watched::open(&path, number).expect("a number");
        assert_eq!(*watched.current().0, 1);

        fs::write(folder.path().join("new"), "2").expect("written");
        fs::rename(folder.path().join("new"), &path).expect("renamed");
        wait_for_the_next_look();
        assert_eq!((*watched.current().0, watched.current().1), (2, 1));

        fs::write(&path, "broken").expect("written");
        wait_for_the_next_look();
        assert_eq!((*watched.current().0, watched.current().1), (2, 1));

        fs::remove_file(&path).expect("removed");
        wait_for_the_next_look();
        assert_eq!(*watched.current().0, 2);
    }

    #[test]
    fn an_error_names_the_file_and_not_what_is_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let missing = Watched::open(&path, number).err().map(|error| error.to_string());
        assert!(missing.is_some_and(|error| error.contains("file cannot be read")));
        fs::write(&path, "secret").expect("written");
        let invalid = Watched::open(&path, number).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(invalid.contains("no number") && !invalid.contains("secret"), "{invalid}");
    }
}
