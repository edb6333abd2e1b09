//! Small files beside the store, such as keys, certificates and accounts: how a change of one is noticed, and how one is put in
//! the place of another.
//!
//! The store has ways of its own. This room reads no configuration and knows no other room.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// What changes with a file, however it is replaced; of one that a symbolic link leads to, for Kubernetes swaps those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Take it before the file is read: what changes meanwhile is noticed then. `None` where there is no file that can be looked at.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Puts a file in the place of the one before, in one go; when this returns it survives a power cut. It is written under the
/// name `unfinished` of the same folder, where a crash may have left something. Its mode and, if that can be, its owner are those
/// that `like` has, or else it is its owner's alone.
pub(crate) fn put(path: &Path, unfinished: &Path, bytes: &[u8], like: Option<&Metadata>) -> io::Result<()> {
    // One that a crash has left may have another mode.
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
    file.write_all(bytes)?;
    if let Some(like) = like {
        file.set_permissions(Permissions::from_mode(like.mode() & 0o7777))?;
        // Only root can give a file away; to anybody else it belongs already.
        let _ = fchown(&file, Some(like.uid()), Some(like.gid()));
    }
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_whole_over_what_was_there_and_what_a_crash_has_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, unfinished) = (folder.path().join("file"), folder.path().join("file.new"));
        let mode = || fs::metadata(&path).expect("metadata").mode() & 0o777;
        fs::write(&unfinished, "half of another one").expect("written");
        put(&path, &unfinished, b"one", None).expect("put");
        assert_eq!((fs::read(&path).expect("read"), mode()), (b"one".to_vec(), 0o600));
        let before = Stamp::of(&path);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("changed");
        put(&path, &unfinished, b"two", Some(&fs::metadata(&path).expect("metadata"))).expect("put");
        assert_eq!((fs::read(&path).expect("read"), mode()), (b"two".to_vec(), 0o640));
        assert_ne!(Stamp::of(&path), before);
        assert!(!unfinished.exists());
        assert_eq!(Stamp::of(&unfinished), None);
    }
}
