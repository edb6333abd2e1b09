//! Folders and the names in them: as the cache has them, as the disk has them, and what lies between.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::content::survivor;
use super::random::Random;

/// Which file a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileNumber(pub(super) u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(FileNumber),
    Folder,
}

/// What one name stands for.
#[derive(Debug, Clone, Default)]
struct Name {
    /// On the disk.
    disk: Option<Node>,
    /// What it has stood for since its folder was last synced; the last is what the cache has.
    since: Vec<Option<Node>>,
}

impl Name {
    fn now(&self) -> Option<Node> {
        self.since.last().copied().unwrap_or(self.disk)
    }

    fn settle(&mut self, node: Option<Node>) {
        self.disk = node;
        self.since.clear();
    }
}

type Folder = BTreeMap<OsString, Name>;

/// The tree of folders.
#[derive(Debug, Clone)]
pub(super) struct Names {
    folders: BTreeMap<PathBuf, Folder>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { folders: BTreeMap::from([(PathBuf::from("/"), Folder::new())]) }
    }

    /// The file that a path leads to.
    pub(super) fn file(&self, path: &Path) -> io::Result<FileNumber> {
        match self.node(path)? {
            Some(Node::File(number)) => Ok(number),
            Some(Node::Folder) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn node(&self, path: &Path) -> io::Result<Option<Node>> {
        let (parent, name) = split(path)?;
        let folder = self.folders.get(parent).ok_or(ErrorKind::NotFound)?;
        Ok(folder.get(name).and_then(Name::now))
    }

    fn set(&mut self, path: &Path, node: Option<Node>) -> io::Result<()> {
        let (parent, name) = split(path)?;
        let folder = self.folders.get_mut(parent).ok_or(ErrorKind::NotFound)?;
        folder.entry(name.to_owned()).or_default().since.push(node);
        Ok(())
    }

    pub(super) fn create_file(&mut self, path: &Path, number: FileNumber) -> io::Result<()> {
        match self.node(path)? {
            Some(_) => Err(ErrorKind::AlreadyExists.into()),
            None => self.set(path, Some(Node::File(number))),
        }
    }

    pub(super) fn create_folder(&mut self, path: &Path) -> io::Result<bool> {
        match self.node(path)? {
            Some(Node::Folder) => Ok(false),
            Some(Node::File(_)) => Err(ErrorKind::AlreadyExists.into()),
            None => {
                self.set(path, Some(Node::Folder))?;
                self.folders.insert(path.to_owned(), Folder::new());
                Ok(true)
            }
        }
    }

    /// Refuses what [`Disk::rename`](super::Disk::rename) must not be asked for. Between two names of one file nothing
    /// happens, as everywhere.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let number = self.file(from)?;
        match self.node(to)? {
            Some(Node::File(same)) if same == number => Ok(()),
            Some(_) => Err(ErrorKind::AlreadyExists.into()),
            None => {
                self.set(to, Some(Node::File(number)))?;
                self.set(from, None)
            }
        }
    }

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        match self.node(path)? {
            Some(Node::File(_)) => self.set(path, None),
            Some(Node::Folder) => Err(ErrorKind::IsADirectory.into()),
            None => Ok(()),
        }
    }

    pub(super) fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let folder = self.folders.get(folder).ok_or(ErrorKind::NotFound)?;
        Ok(folder.iter().filter(|(_, name)| name.now().is_some()).map(|(text, _)| text.clone()).collect())
    }

    pub(super) fn sync(&mut self, folder: &Path) -> io::Result<()> {
        let folder = self.folders.get_mut(folder).ok_or(ErrorKind::NotFound)?;
        folder.retain(|_, name| {
            name.settle(name.now());
            name.disk.is_some()
        });
        Ok(())
    }

    /// Leaves what the disk has, and of what was not synced anything.
    pub(super) fn cut(&mut self, random: &mut Random, chance: u64) {
        for folder in self.folders.values_mut() {
            folder.retain(|_, name| {
                let node = survivor(&name.since, random, chance).copied().unwrap_or(name.disk);
                name.settle(node);
                node.is_some()
            });
        }
        self.drop_lost_folders();
    }

    /// A folder whose name is gone takes what is in it along. Paths are ordered, so that parents come first.
    fn drop_lost_folders(&mut self) {
        let paths: Vec<_> = self.folders.keys().filter(|path| path.parent().is_some()).cloned().collect();
        for path in paths {
            if !matches!(self.node(&path), Ok(Some(Node::Folder))) {
                self.folders.remove(&path);
            }
        }
    }

    /// All files that have a name, now or on the disk.
    pub(super) fn files(&self) -> BTreeSet<FileNumber> {
        let names = self.folders.values().flat_map(BTreeMap::values);
        let nodes = names.flat_map(|name| name.since.iter().copied().chain([name.disk]));
        nodes
            .filter_map(|node| match node {
                Some(Node::File(number)) => Some(number),
                Some(Node::Folder) | None => None,
            })
            .collect()
    }
}

fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    path.parent().zip(path.file_name()).ok_or_else(|| ErrorKind::InvalidInput.into())
}
