//! The layout's version, and whose folder this is.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::Mode;
use super::disk::{Disk, Real};
use super::layout::Layout;

/// The version that this program writes.
pub(super) const VERSION: u32 = 4;
/// The oldest version that it can upgrade.
const OLDEST: u32 = 1;

/// Where distribution keeps what it holds.
const DISTRIBUTION: &str = "docker/registry/v2";

/// Why a folder is not taken for a store.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error(
        "{} was written by a newer holdfast (layout {found}; this one knows layout {known}): start that version, or \
         restore a backup made before the upgrade",
        root.display(), known = VERSION
    )]
    Newer { root: PathBuf, found: u32 },
    #[error("{} holds no version of the store's layout, but {text:?}", path.display())]
    Unreadable { path: PathBuf, text: String },
    #[error(
        "{root} holds a registry of distribution (docker/registry/v2); take it over with: holdfast import {root} --root \
         {root}, or at the start with: holdfast serve --import; nothing was changed here",
        root = root.display()
    )]
    Distribution { root: PathBuf },
    #[error(
        "{root} does not have all of {from} yet, for the import was cut off; go on with: holdfast import {from} --root {root}",
        root = root.display()
    )]
    Importing { root: PathBuf, from: String },
    #[error(
        "{} holds other files ({}); choose an empty folder with --root",
        root.display(), names.join(", ")
    )]
    Foreign { root: PathBuf, names: Vec<String> },
    #[error(
        "metadata.redb is missing from the store in {0}; make it anew out of the archive and the log with: holdfast \
         rebuild --root {0}",
        root.display()
    )]
    MetadataMissing { root: PathBuf },
    #[error("{root} is a backup and no store; make one of it with: holdfast restore {root} --root NEW", root = .0.display())]
    Backup(PathBuf),
    #[error("{root} is no store yet, for restoring it was cut off; run holdfast restore again with --root {root}", root = .0.display())]
    Restoring(PathBuf),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// What a folder turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Folder {
    /// Empty, or the remains of a creation that was cut short.
    New,
    /// A store of this version, or one whose upgrade to it has begun.
    Current,
    /// A store of an older version, to be upgraded.
    Older,
}

/// Finds out what the folder is, and refuses what is not this program's, and what does not hold what it is to be opened for.
pub(super) fn examine(disk: &dyn Disk, layout: &Layout, mode: Mode<'_>) -> Result<Folder, FormatError> {
    refuse_backups(disk, layout)?;
    if mode == Mode::Served
        && let Some(from) = imported_from(disk, layout)?
    {
        return Err(FormatError::Importing { root: layout.root().to_owned(), from });
    }
    let path = layout.format();
    match disk.read_whole(&path) {
        Ok(text) => check_store(disk, layout, &String::from_utf8_lossy(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => check_free(disk, layout, mode),
        Err(error) => Err(FormatError::Io { path, error }),
    }
}

/// What is to be taken over before the folder `root` can be served, as the command line names it: the source of an import that was cut
/// off, or what lies in the folder itself where it is no store yet.
pub fn awaits_import(root: &Path) -> Result<Option<String>, FormatError> {
    let layout = Layout::new(root);
    if let Some(from) = imported_from(&Real, &layout)? {
        return Ok(Some(from));
    }
    let has_tree = root.join(DISTRIBUTION).is_dir() && !layout.format().exists();
    Ok(has_tree.then(|| root.display().to_string()))
}

/// Says that a new store is to take over what `from` holds, and has not yet.
pub(super) fn mark_import(disk: &dyn Disk, layout: &Layout, from: &str) -> io::Result<()> {
    disk.write_whole(&layout.import_mark(), format!("{from}\n").as_bytes())
}

/// Where the import comes from that has not come to its end.
pub(super) fn imported_from(disk: &dyn Disk, layout: &Layout) -> Result<Option<String>, FormatError> {
    let path = layout.import_mark();
    match disk.read_whole(&path) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).trim_end().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FormatError::Io { path, error }),
    }
}

/// Refuses a backup, and what is being restored from one.
pub(super) fn refuse_backups(disk: &dyn Disk, layout: &Layout) -> Result<(), FormatError> {
    let is_marked = |path: PathBuf| disk.has(&path).map_err(|error| FormatError::Io { path, error });
    if is_marked(layout.backup_mark())? {
        return Err(FormatError::Backup(layout.root().to_owned()));
    }
    match is_marked(layout.restore_mark())? {
        true => Err(FormatError::Restoring(layout.root().to_owned())),
        false => Ok(()),
    }
}

/// Whether the folder is a store of this version, whatever has become of its database.
pub(super) fn is_current(disk: &dyn Disk, layout: &Layout) -> Result<bool, FormatError> {
    let path = layout.format();
    let text = disk.read_whole(&path).map_err(|error| FormatError::Io { path, error })?;
    Ok(check_version(layout, &String::from_utf8_lossy(&text))? == Folder::Current)
}

/// Names the layout's version, which makes the folder a store: the last step of creating one, the first of upgrading one.
pub(super) fn write(disk: &dyn Disk, layout: &Layout) -> io::Result<()> {
    disk.write_whole(&layout.format(), format!("holdfast {VERSION}\n").as_bytes())
}

fn check_store(disk: &dyn Disk, layout: &Layout, text: &str) -> Result<Folder, FormatError> {
    let folder = check_version(layout, text)?;
    let path = layout.metadata();
    match disk.has(&path) {
        Ok(true) => Ok(folder),
        Ok(false) => Err(FormatError::MetadataMissing { root: layout.root().to_owned() }),
        Err(error) => Err(FormatError::Io { path, error }),
    }
}

fn check_version(layout: &Layout, text: &str) -> Result<Folder, FormatError> {
    let version = text.strip_prefix("holdfast ").and_then(|rest| rest.trim_end().parse().ok());
    match version {
        Some(VERSION) => Ok(Folder::Current),
        Some(OLDEST..VERSION) => Ok(Folder::Older),
        Some(found) if found > VERSION => Err(FormatError::Newer { root: layout.root().to_owned(), found }),
        _ => Err(FormatError::Unreadable { path: layout.format(), text: text.chars().take(80).collect() }),
    }
}

/// Without a version only an empty folder will do, or what a creation that was cut short has left.
fn check_free(disk: &dyn Disk, layout: &Layout, mode: Mode<'_>) -> Result<Folder, FormatError> {
    let root = layout.root().to_owned();
    let names = disk.list(&root).map_err(|error| FormatError::Io { path: root.clone(), error })?;
    let mut names: BTreeSet<_> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if disk.list(&root.join(DISTRIBUTION)).is_ok() {
        if !matches!(mode, Mode::Importing { .. }) {
            return Err(FormatError::Distribution { root });
        }
        names.remove("docker");
    }
    for own in [
        "lost+found",
        "LOCK",
        "FORMAT.new",
        "IMPORT",
        "IMPORT.new",
        "metadata.new",
        "metadata.redb",
        "ballast",
        "control",
        "log",
        "archive",
        "blobs",
        "uploads",
        // Accounts may be made before the store is.
        "robots.json",
        "keys",
    ] {
        names.remove(own);
    }
    if names.is_empty() {
        return Ok(Folder::New);
    }
    Err(FormatError::Foreign { root, names: names.into_iter().take(5).collect() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        let layout = Layout::new(folder.path());
        (folder, layout)
    }

    #[test]
    fn an_empty_folder_or_the_root_of_a_volume_becomes_a_store() {
        let (_folder, layout) = folder_with(&[("lost+found/x", "")]);
        assert_eq!(examine(&Real, &layout, Mode::Served).expect("free"), Folder::New);
    }

    #[test]
    fn a_creation_that_was_cut_short_is_taken_up_again() {
        let (_folder, layout) =
            folder_with(&[("metadata.redb", ""), ("blobs/x", ""), ("FORMAT.new", "hold")]);
        assert_eq!(examine(&Real, &layout, Mode::Served).expect("free"), Folder::New);
    }

    #[test]
    fn a_store_is_recognised_once_its_version_is_written() {
        let (_folder, layout) = folder_with(&[("metadata.redb", "")]);
        write(&Real, &layout).expect("written");
        assert_eq!(examine(&Real, &layout, Mode::Served).expect("a store"), Folder::Current);
    }

    #[test]
    fn an_older_store_is_to_be_upgraded() {
        let (_folder, layout) = folder_with(&[("FORMAT", "holdfast 1\n"), ("metadata.redb", "")]);
        assert_eq!(examine(&Real, &layout, Mode::Served).expect("a store"), Folder::Older);
        write(&Real, &layout).expect("written");
        assert_eq!(examine(&Real, &layout, Mode::Served).expect("a store"), Folder::Current);
    }

    #[test]
    fn a_newer_store_is_refused_by_its_version() {
        let (_folder, layout) = folder_with(&[("FORMAT", "holdfast 99\n"), ("metadata.redb", "")]);
        assert!(matches!(examine(&Real, &layout, Mode::Served), Err(FormatError::Newer { found: 99, .. })));
    }

    #[test]
    fn other_folders_are_refused_by_what_they_hold() {
        let (_folder, layout) = folder_with(&[("docker/registry/v2/repositories/x", "")]);
        assert!(matches!(examine(&Real, &layout, Mode::Served), Err(FormatError::Distribution { .. })));
        let (_folder, layout) = folder_with(&[("holiday.jpg", "")]);
        let error = examine(&Real, &layout, Mode::Served).expect_err("foreign").to_string();
        assert!(error.contains("holiday.jpg"), "{error}");
        let (_folder, layout) = folder_with(&[("FORMAT", "ext4")]);
        assert!(matches!(examine(&Real, &layout, Mode::Served), Err(FormatError::Unreadable { .. })));
    }

    #[test]
    fn a_store_without_its_metadata_is_refused_and_not_begun_anew() {
        let (_folder, layout) = folder_with(&[("FORMAT", "holdfast 1\n"), ("blobs/sha256/x", "")]);
        assert!(matches!(examine(&Real, &layout, Mode::Served), Err(FormatError::MetadataMissing { .. })));
    }
}
