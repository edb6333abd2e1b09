//! Folders and the names in them: as the cache has them, as the disk has them, and what lies between.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::Path;

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

impl Node {
    fn file(self) -> Option<FileNumber> {
        match self {
            Self::File(number) => Some(number),
            Self::Folder => None,
        }
    }
}

/// The names of the few files that are ever replaced.
const REPLACED: [&str; 3] = ["FORMAT", "BACKUP", "metadata.snapshot"];

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

/// The tree of folders, each by its whole path.
#[derive(Debug, Clone)]
pub(super) struct Names {
    folders: HashMap<OsString, Folder>,
    /// Those that were not synced since a name in them changed.
    dirty: BTreeSet<OsString>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { folders: HashMap::from([("/".into(), Folder::new())]), dirty: BTreeSet::new() }
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
        let folder = self.folders.get(parent.as_os_str()).ok_or(ErrorKind::NotFound)?;
        Ok(folder.get(name).and_then(Name::now))
    }

    fn set(&mut self, path: &Path, node: Option<Node>) -> io::Result<()> {
        let (parent, name) = split(path)?;
        let parent = parent.as_os_str();
        let folder = self.folders.get_mut(parent).ok_or(ErrorKind::NotFound)?;
        folder.entry(name.to_owned()).or_default().since.push(node);
        self.dirty.insert(parent.to_owned());
        Ok(())
    }

    pub(super) fn create_file(&mut self, path: &Path, number: FileNumber) -> io::Result<()> {
        match self.node(path)? {
            Some(_) => Err(ErrorKind::AlreadyExists.into()),
            None => self.set(path, Some(Node::File(number))),
        }
    }

    pub(super) fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        match self.node(path)? {
            Some(Node::Folder) => Ok(()),
            Some(Node::File(_)) => Err(ErrorKind::AlreadyExists.into()),
            None => {
                self.set(path, Some(Node::Folder))?;
                self.folders.insert(path.into(), Folder::new());
                Ok(())
            }
        }
    }

    /// Refuses what [`Disk::rename`](super::Disk::rename) must not be asked for. Between two names of one file nothing
    /// happens, as everywhere.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let number = self.file(from)?;
        match self.node(to)? {
            Some(Node::File(same)) if same == number => Ok(()),
            Some(_) if !to.file_name().is_some_and(|name| REPLACED.iter().any(|other| name == *other)) => {
                Err(ErrorKind::AlreadyExists.into())
            }
            _ => {
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
        let folder = self.folders.get(folder.as_os_str()).ok_or(ErrorKind::NotFound)?;
        Ok(folder.iter().filter(|(_, name)| name.now().is_some()).map(|(text, _)| text.clone()).collect())
    }

    pub(super) fn sync(&mut self, folder: &Path) -> io::Result<()> {
        let path = folder.as_os_str();
        let folder = self.folders.get_mut(path).ok_or(ErrorKind::NotFound)?;
        if self.dirty.remove(path) {
            folder.retain(|_, name| {
                name.settle(name.now());
                name.disk.is_some()
            });
        }
        Ok(())
    }

    /// Syncs all folders.
    pub(super) fn sync_all(&mut self) {
        for path in self.dirty.clone() {
            // Each of them is there.
            let _ = self.sync(Path::new(&path));
        }
    }

    /// The files with names below `folder`.
    pub(super) fn files_below(&self, folder: &Path) -> BTreeSet<FileNumber> {
        let below = self.folders.iter().filter(|(path, _)| Path::new(path).starts_with(folder));
        let nodes = below.flat_map(|(_, folder)| folder.values().filter_map(Name::now));
        nodes.filter_map(Node::file).collect()
    }

    /// Leaves what the disk has, and of what was not synced anything.
    pub(super) fn cut(&mut self, random: &mut Random, chance: u64) {
        let mut lost = HashSet::new();
        for path in std::mem::take(&mut self.dirty) {
            let Some(folder) = self.folders.get_mut(&path) else { continue };
            folder.retain(|text, name| {
                let node = survivor(&name.since, random, chance).copied().unwrap_or(name.disk);
                if node.is_none() {
                    lost.insert(Path::new(&path).join(text));
                }
                name.settle(node);
                node.is_some()
            });
        }
        // A folder whose name is gone takes what is in it along.
        self.folders.retain(|path, _| !Path::new(path).ancestors().any(|above| lost.contains(above)));
    }

    /// All files that have a name, now or on the disk.
    pub(super) fn files(&self) -> BTreeSet<FileNumber> {
        let names = self.folders.values().flat_map(BTreeMap::values);
        let nodes = names.flat_map(|name| name.since.iter().copied().chain([name.disk]));
        nodes.flatten().filter_map(Node::file).collect()
    }
}

fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    path.parent().zip(path.file_name()).ok_or_else(|| ErrorKind::InvalidInput.into())
}
