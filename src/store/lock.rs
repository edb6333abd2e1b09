//! One process at a time: an operating system's lock on a file in the folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::disk::is_full;
use super::layout::Layout;

/// Why the folder could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "{} is in use by {holder}; a store is served by one process at a time: stop that one, or choose another folder \
         with --root",
        root.display()
    )]
    Held { root: PathBuf, holder: String },
    #[error(
        "{} cannot be written by uid {uid}; make it so with: chown -R {uid} {}",
        root.display(),
        root.display()
    )]
    NotWritable { root: PathBuf, uid: u32 },
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// The lock, held until it is dropped or its process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the folder, which is created if it is missing, waiting at most `wait` for its holder.
    pub(super) fn take(layout: &Layout, wait: Duration) -> Result<Self, LockError> {
        let root = layout.root();
        fs::create_dir_all(root).map_err(|error| refusal(root, error))?;
        let path = layout.lock();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(&path)
            .map_err(|error| refusal(root, error))?;
        let deadline = Instant::now() + wait;
        let mut is_first_try = true;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(LockError::Io { path, error }),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(LockError::Held { root: root.to_owned(), holder: holder(&path) });
                }
                Err(TryLockError::WouldBlock) => {
                    if std::mem::take(&mut is_first_try) {
                        let holder = holder(&path);
                        tracing::warn!(root = %root.display(), %holder, ?wait, "the folder is in use; waiting for it");
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
        match sign(&file) {
            // Who holds it is told to people alone.
            Err(error) if !is_full(&error) => return Err(LockError::Io { path, error }),
            _ => {}
        }
        Ok(Self { _file: file })
    }
}

fn refusal(root: &Path, error: io::Error) -> LockError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            LockError::NotWritable { root: root.to_owned(), uid: rustix::process::geteuid().as_raw() }
        }
        _ => LockError::Io { path: root.to_owned(), error },
    }
}

/// Leaves a word for those who find the folder taken. Only the lock counts; in containers everyone is process 1.
fn sign(file: &File) -> io::Result<()> {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    file.set_len(0)?;
    (&mut &*file).write_all(format!("process {} on {host}\n", std::process::id()).as_bytes())
}

fn holder(path: &Path) -> String {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_is_refused_by_naming_its_holder_and_free_afterwards() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(folder.path());
        let first = Lock::take(&layout, Duration::ZERO).expect("the lock");
        let error = Lock::take(&layout, Duration::from_millis(80)).expect_err("it is taken");
        assert!(error.to_string().contains(&format!("process {} on", std::process::id())), "{error}");
        drop(first);
        Lock::take(&layout, Duration::ZERO).expect("it is free");
    }

    #[test]
    fn a_waiting_process_gets_the_folder_when_its_holder_leaves() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(folder.path());
        let first = Lock::take(&layout, Duration::ZERO).expect("the lock");
        let second = std::thread::spawn(move || Lock::take(&layout, Duration::from_secs(20)).map(drop));
        std::thread::sleep(Duration::from_millis(120));
        drop(first);
        second.join().expect("no panic").expect("the lock");
    }
}
