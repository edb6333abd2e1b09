//! What is to be imported, and what it turns out to be.

use std::fmt;
use std::path::PathBuf;

use super::archive::Archive;
use super::layout::{Layouts, target};
use super::origin::{Origin, SourceError};
use super::remote::{RegistrySource, Remote};
use super::tree::Tree;
use super::{ImportError, Listener};
use crate::oci::{Digest, Glob};
use crate::store::Intake;

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// What is to be imported.
#[derive(Debug, Clone)]
pub struct ImportSource {
    pub place: Place,
    /// Of a registry, the repositories that are to come, all of them if there is none. Of a layout or an archive, where its
    /// images go.
    pub repositories: Vec<Glob>,
}

/// Where it lies.
#[derive(Debug, Clone)]
pub enum Place {
    /// A folder with distribution's tree, an OCI image layout or an export, an archive of images, or `-` for one that comes
    /// through standard input.
    Files(PathBuf),
    /// A live registry.
    Registry(RegistrySource),
}

impl ImportSource {
    pub fn files(path: PathBuf) -> Self {
        Self { place: Place::Files(path), repositories: Vec::new() }
    }

    /// Makes sure that there is something to be imported.
    pub(super) fn expect(&self) -> Result<(), SourceError> {
        if self.is_standard_input() {
            return target(&self.repositories).map(drop);
        }
        match Found::find(self)? {
            Found::Layout(folder) => Layouts::open(&folder, target(&self.repositories)?.as_ref()).map(drop),
            Found::Archive(_) => target(&self.repositories).map(drop),
            Found::Tree(_) | Found::Layouts(_) | Found::Registry(_) => Ok(()),
        }
    }

    /// Opens it. `is_here` says whether the store has a payload.
    pub(super) fn open<'a>(
        &'a self,
        intake: &'a Intake<'a>,
        is_here: &dyn Fn(&Digest) -> bool,
        listener: Listener<'_>,
    ) -> Result<Box<dyn Origin + 'a>, ImportError> {
        Ok(match Found::find(self)? {
            Found::Tree(tree) => Box::new(tree),
            Found::Registry(remote) => remote,
            Found::Layout(folder) => Box::new(Layouts::open(&folder, target(&self.repositories)?.as_ref())?),
            Found::Layouts(folder) => Box::new(Layouts::open_all(&folder, &self.repositories)?),
            Found::Archive(archive) => {
                let target = target(&self.repositories)?;
                Box::new(archive.unpack(intake, target.as_ref(), is_here, listener)?)
            }
        })
    }

    /// What comes through there can be read once.
    fn is_standard_input(&self) -> bool {
        matches!(&self.place, Place::Files(path) if path.as_os_str() == STANDARD_INPUT)
    }
}

/// As the command line has it.
impl fmt::Display for ImportSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Files(path) => write!(f, "{}", path.display())?,
            Place::Registry(registry) => write!(f, "--from {}", registry.url)?,
        }
        self.repositories.iter().try_for_each(|glob| write!(f, " --repository {glob}"))
    }
}

/// What a source has turned out to be.
enum Found<'a> {
    Tree(Tree),
    Registry(Box<Remote<'a>>),
    Layout(PathBuf),
    /// Those of an export.
    Layouts(PathBuf),
    Archive(Archive),
}

impl<'a> Found<'a> {
    fn find(source: &'a ImportSource) -> Result<Self, SourceError> {
        if source.is_standard_input() {
            return Archive::from_standard_input().map(Self::Archive);
        }
        let path = match &source.place {
            Place::Files(path) => path,
            Place::Registry(registry) => {
                let remote = Remote::connect(registry, &source.repositories)?;
                return Ok(Self::Registry(Box::new(remote)));
            }
        };
        match Tree::find(path) {
            _ if path.is_file() => Archive::open(path).map(Self::Archive),
            _ if Layouts::is_one(path) => Ok(Self::Layout(path.clone())),
            Some(tree) => Ok(Self::Tree(tree)),
            None if Layouts::is_export(path) => Ok(Self::Layouts(path.clone())),
            None => Err(SourceError::Nothing(path.clone())),
        }
    }
}
