//! A file that is read again when it has changed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::file::{self, FileError};

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

/// What changes with a file's content, however it is replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
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
        let (content, stamp) = read(path, parse, text)?;
        Ok(Self {
            path: path.to_owned(),
            parse,
            text,
            began: Instant::now(),
            looked: AtomicU64::new(0),
            looking: Mutex::new(()),
            read: RwLock::new(Read { content: Arc::new(content), stamp, version: 0 }),
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
        let stamp = self.read.read().unwrap_or_else(PoisonError::into_inner).stamp;
        if Stamp::of(&self.path).ok() != Some(stamp) {
            self.read_again();
        }
    }

    fn read_again(&self) {
        match read(&self.path, self.parse, self.text) {
            Ok((content, stamp)) => {
                let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
                let version = read.version + 1;
                *read = Read { content: Arc::new(content), stamp, version };
                tracing::info!(file = %self.path.display(), "read again, for it has changed");
            }
            Err(error) => tracing::error!("what was read before holds on: {error}"),
        }
    }
}

impl Stamp {
    /// `None` where there is no file.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self {
                inode: metadata.ino(),
                size: metadata.len(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What a file says, and what it looked like before it was read.
fn read<T>(
    path: &Path,
    parse: fn(&str) -> Result<T, String>,
    text: fn(&Path) -> Result<String, FileError>,
) -> Result<(T, Option<Stamp>), FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    let stamp = Stamp::of(path).map_err(unreadable)?;
    let content = parse(&text(path)?);
    let invalid = |reason| FileError::Invalid { path: path.to_owned(), reason };
    Ok((content.map_err(invalid)?, stamp))
}

#[cfg(test)]
mod tests {
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
