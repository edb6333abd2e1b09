//! OCI image layouts (OCI image specification, "OCI image layout"), and whatever lists images as they do.
//!
//! ```text
//! index.json                       the images, with their tags
//! blobs/<algorithm>/<hex>          payloads, and the bytes of manifests
//! ```
//!
//! A layout holds the images of one repository, or says of each which repository it belongs to. In the folder of an export
//! (`EXPORT`) there is one for each repository, in a folder of its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use crate::oci::{ChildKind, Digest, Glob, RepositoryName, Tag};
use crate::store::{Intake, IntakeError, Landed, Timestamp};

use super::listing::{self, Listed};
use super::origin::{
    Digests, FoundBlob, FoundTag, Names, Origin, SourceError, Unread, Unusable, at, found_blob, read_manifest,
};

/// The largest index.json that is read, in bytes.
pub(super) const LARGEST_INDEX: u64 = 64 << 20;

/// Where the bytes of a layout lie.
pub(super) trait Content {
    /// How many payloads and manifests there are.
    fn count(&self) -> Result<u64, SourceError>;

    fn has(&self, digest: &Digest) -> bool;

    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Unread>;

    fn blob(&self, digest: &Digest) -> Result<FoundBlob, Unread>;

    /// As [`Origin::hand_over`] does.
    fn hand_over(&self, wanted: &[(Digest, u64)]) -> Vec<Result<Landed, String>> {
        wanted.iter().map(|_| Err("it is missing".to_owned())).collect()
    }
}

/// The images of some repositories.
#[derive(Default)]
pub(super) struct Layouts<'a> {
    repositories: BTreeMap<RepositoryName, Images<'a>>,
    unusable: Vec<Unusable>,
}

/// Those of one.
struct Images<'a> {
    /// What they say of their tags.
    tags: BTreeMap<String, Result<(Tag, Digest), String>>,
    listed: BTreeSet<Digest>,
    content: Rc<dyn Content + 'a>,
    /// When they were listed.
    at: Timestamp,
}

impl<'a> Layouts<'a> {
    /// Whether a folder is a layout.
    pub(super) fn is_one(folder: &Path) -> bool {
        folder.join("index.json").is_file()
    }

    /// Whether a folder is that of an export, which may have layouts.
    pub(super) fn is_export(folder: &Path) -> bool {
        folder.join("EXPORT").is_file()
    }

    /// The layout in a folder.
    pub(super) fn open(folder: &Path, target: Option<&RepositoryName>) -> Result<Self, SourceError> {
        let place = folder.display().to_string();
        let (listed, at) = read_index(&folder.join("index.json"))?;
        let mut layouts = Self::default();
        let content: Rc<dyn Content + 'a> = Rc::new(Folder(folder.to_owned()));
        layouts.add(&place, listed, target, &content, at)?;
        Ok(layouts)
    }

    /// The layouts of an export, those of the wanted repositories.
    pub(super) fn open_all(folder: &Path, wanted: &[Glob]) -> Result<Self, SourceError> {
        let (mut layouts, mut left) = (Self::default(), vec![String::new()]);
        while let Some(name) = left.pop() {
            let path = folder.join(&name);
            let is_layout = path.join("index.json").is_file();
            let is_wanted = wanted.is_empty() || wanted.iter().any(|glob| glob.matches(&name));
            if is_layout
                && is_wanted
                && let Ok(target) = name.parse()
            {
                layouts.add_folder(&path, &target);
            }
            for entry in fs::read_dir(&path).map_err(at(&path))? {
                let entry = entry.map_err(at(&path))?;
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let Ok(below) = entry.file_name().into_string() else { continue };
                if is_folder && !(is_layout && below == "blobs") && name.len() <= RepositoryName::MAX_LEN {
                    left.push(if name.is_empty() { below } else { format!("{name}/{below}") });
                }
            }
        }
        Ok(layouts)
    }

    fn add_folder(&mut self, path: &Path, target: &RepositoryName) {
        let content: Rc<dyn Content + 'a> = Rc::new(Folder(path.to_owned()));
        let added = read_index(&path.join("index.json")).and_then(|(listed, at)| {
            self.add(&path.display().to_string(), listed, Some(target), &content, at)
        });
        if let Err(error) = added {
            self.unusable.push(Unusable { repository: target.to_string(), reason: error.to_string() });
        }
    }

    /// Adds what is listed: to the target, if there is one, else to the repositories that it names.
    pub(super) fn add(
        &mut self,
        place: &str,
        listed: Vec<Listed>,
        target: Option<&RepositoryName>,
        content: &Rc<dyn Content + 'a>,
        at: Timestamp,
    ) -> Result<(), SourceError> {
        let named: BTreeSet<_> = listed.iter().filter_map(|one| one.name.repository.clone()).collect();
        // What has no name of its own belongs to what has, if that is one.
        let only = named.first().filter(|_| named.len() == 1);
        for one in listed {
            let repository = match target {
                Some(target) => Ok(target.clone()),
                None => {
                    let name = one.name.repository.as_ref().or(only);
                    let name = name.ok_or_else(|| SourceError::Unnamed(place.to_owned()))?;
                    name.parse().map_err(|_| Unusable::misnamed(name.clone()))
                }
            };
            match repository {
                Ok(repository) => {
                    let images = self.repositories.entry(repository);
                    images.or_insert_with(|| Images::new(content, at)).add(one);
                }
                Err(unusable) if self.unusable.contains(&unusable) => {}
                Err(unusable) => self.unusable.push(unusable),
            }
        }
        Ok(())
    }

    /// Adds what did not come to an image.
    pub(super) fn add_unusable(&mut self, unusable: Vec<Unusable>) {
        self.unusable.extend(unusable);
    }

    fn images(&self, name: &RepositoryName) -> Result<&Images<'a>, Unread> {
        self.repositories.get(name).ok_or(Unread::Absent)
    }
}

impl<'a> Images<'a> {
    fn new(content: &Rc<dyn Content + 'a>, at: Timestamp) -> Self {
        Self { tags: BTreeMap::new(), listed: BTreeSet::new(), content: Rc::clone(content), at }
    }

    fn add(&mut self, Listed { name, digest }: Listed) {
        self.listed.insert(digest);
        let Some(text) = name.tag else { return };
        let tag = text.parse::<Tag>().map_err(|_| "it is no name of a tag".to_owned());
        match self.tags.get(&text) {
            None => drop(self.tags.insert(text, tag.map(|tag| (tag, digest)))),
            Some(Ok((_, other))) if *other != digest => {
                let reason = format!(
                    "it stands for two images, {other} and {digest}: give each a repository of its own"
                );
                self.tags.insert(text, Err(reason));
            }
            Some(_) => {}
        }
    }
}

/// The one repository that images are to go to, if one is named.
pub(super) fn target(repositories: &[Glob]) -> Result<Option<RepositoryName>, SourceError> {
    match repositories {
        [] => Ok(None),
        [one] => one.as_str().parse().map(Some).map_err(|_| SourceError::Target(one.to_string())),
        [_, other, ..] => Err(SourceError::Target(other.to_string())),
    }
}

fn read_index(path: &Path) -> Result<(Vec<Listed>, Timestamp), SourceError> {
    let (mut text, file) = (Vec::new(), File::open(path).map_err(at(path))?);
    let written = file.metadata().and_then(|metadata| metadata.modified()).map_err(at(path))?;
    let written = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    file.take(LARGEST_INDEX).read_to_end(&mut text).map_err(at(path))?;
    let listed = listing::read_index(&text).map_err(|error| at(path)(error.into()))?;
    Ok((listed, Timestamp(u64::try_from(written).unwrap_or_default()).min(Timestamp::now())))
}

impl Origin for Layouts<'_> {
    fn followed(&self) -> Option<String> {
        None
    }

    fn count_objects(&self) -> Result<u64, SourceError> {
        let mut contents: Vec<_> = self.repositories.values().map(|images| &images.content).collect();
        contents.dedup_by(|one, other| Rc::ptr_eq(one, other));
        contents.into_iter().map(|content| content.count()).sum()
    }

    fn repositories(&self) -> Names<'_> {
        let unusable = self.unusable.iter().map(|unusable| Ok(Err(unusable.clone())));
        Box::new(self.repositories.keys().map(|name| Ok(Ok(name.clone()))).chain(unusable))
    }

    fn has_repository(&self, name: &RepositoryName) -> Result<bool, SourceError> {
        Ok(self.repositories.contains_key(name))
    }

    fn tags(&self, name: &RepositoryName) -> Result<Vec<FoundTag>, Unread> {
        let tags = self.repositories.get(name).into_iter().flat_map(|images| {
            images.tags.iter().map(|(name, target)| FoundTag {
                name: name.clone(),
                target: target.clone().map(|(tag, digest)| (tag, digest, images.at)),
            })
        });
        Ok(tags.collect())
    }

    fn revisions(&self, name: &RepositoryName, _tagged: &[Digest]) -> Result<Digests, SourceError> {
        let images = self.repositories.get(name);
        Ok((images.into_iter().flat_map(|images| images.listed.iter().copied()).collect(), Vec::new()))
    }

    /// Manifests and blobs lie side by side: only what is said to be a manifest is taken for one.
    fn revision(&self, name: &RepositoryName, digest: &Digest, kind: ChildKind) -> Result<Timestamp, Unread> {
        let images = self.images(name)?;
        let is_there = kind == ChildKind::Manifest && images.content.has(digest);
        match images.listed.contains(digest) || is_there {
            true => Ok(images.at),
            false => Err(Unread::Absent),
        }
    }

    fn has_manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<bool, SourceError> {
        Ok(self.images(name).is_ok_and(|images| images.content.has(digest)))
    }

    fn manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<Vec<u8>, Unread> {
        self.images(name)?.content.manifest(digest)
    }

    fn blob(&self, name: &RepositoryName, digest: &Digest, _size: Option<u64>) -> Result<FoundBlob, Unread> {
        self.images(name)?.content.blob(digest)
    }

    fn hand_over(
        &self,
        _intake: &Intake<'_>,
        name: &RepositoryName,
        wanted: &[(Digest, u64)],
    ) -> Result<Vec<Result<Landed, String>>, IntakeError> {
        match self.images(name) {
            Ok(images) => Ok(images.content.hand_over(wanted)),
            Err(_) => Ok(wanted.iter().map(|_| Err("it is missing".to_owned())).collect()),
        }
    }
}

/// A layout in a folder.
struct Folder(PathBuf);

impl Folder {
    fn data(&self, digest: &Digest) -> PathBuf {
        self.0.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }
}

impl Content for Folder {
    fn count(&self) -> Result<u64, SourceError> {
        let (mut count, blobs) = (0, self.0.join("blobs"));
        if !blobs.is_dir() {
            return Ok(0);
        }
        for algorithm in fs::read_dir(&blobs).map_err(at(&blobs))? {
            let folder = algorithm.map_err(at(&blobs))?.path();
            if folder.is_dir() {
                count += fs::read_dir(&folder).map_err(at(&folder))?.count() as u64;
            }
        }
        Ok(count)
    }

    fn has(&self, digest: &Digest) -> bool {
        self.data(digest).exists()
    }

    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Unread> {
        read_manifest(&self.data(digest))
    }

    fn blob(&self, digest: &Digest) -> Result<FoundBlob, Unread> {
        found_blob(self.data(digest))
    }
}
