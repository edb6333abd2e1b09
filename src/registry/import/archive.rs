//! Archives of images (tar, also with gzip): OCI image layouts in one file, and what `docker save` writes.
//!
//! An archive is read once, from its beginning to its end, for it may come through a pipe and what lists its images may come last. So
//! all payloads are taken in first, hashed as they come; the files of those that nothing turns out to need are removed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::oci::{Algorithm, Digest, RepositoryName};
use crate::store::{Intake, IntakeError, Landed, Method, Timestamp};

use super::docker_save;
use super::layout::{Content, LARGEST_INDEX, Layouts};
use super::listing;
use super::origin::{FoundBlob, LARGEST_MANIFEST, SourceError, Unread, at};
use super::{ImportError, ImportNews, Listener};

/// How much is read at once, in bytes.
const PIECE: usize = 1 << 20;
/// After how many bytes it is told how far the reading is.
const TOLD: u64 = 64 << 20;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// An archive that is to be read.
pub(super) struct Archive {
    /// How it is called.
    place: String,
    reader: Box<dyn Read>,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let file = File::open(path).map_err(at(path))?;
        Self::new(path.display().to_string(), file)
    }

    pub(super) fn from_standard_input() -> Result<Self, SourceError> {
        Self::new("standard input".to_owned(), io::stdin())
    }

    fn new(place: String, mut reader: impl Read + 'static) -> Result<Self, SourceError> {
        let mut start = Vec::new();
        let begun = reader.by_ref().take(4).read_to_end(&mut start);
        begun.map_err(|error| unreadable(&place, &error))?;
        if start == ZSTD {
            let problem = "it is compressed with zstd: unpack it on the way, with: zstd -dc ARCHIVE | holdfast import -";
            return Err(SourceError::Unreadable { place, problem: problem.to_owned() });
        }
        let is_compressed = start.starts_with(GZIP);
        let reader = BufReader::with_capacity(PIECE, io::Cursor::new(start).chain(reader));
        let reader: Box<dyn Read> =
            if is_compressed { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
        Ok(Self { place, reader })
    }

    /// Takes in what it has.
    pub(super) fn unpack<'a>(
        self,
        intake: &'a Intake<'a>,
        target: Option<&RepositoryName>,
        is_here: &dyn Fn(&Digest) -> bool,
        listener: Listener<'_>,
    ) -> Result<Layouts<'a>, ImportError> {
        let Self { place, reader } = self;
        let mut unpacking = Unpacking { intake, is_here, listener, read: 0, unpacked: Unpacked::new(intake) };
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries().map_err(|error| unreadable(&place, &error))? {
            let entry = entry.map_err(|error| unreadable(&place, &error))?;
            unpacking.take(entry).map_err(|error| error.at(&place))?;
        }
        unpacking.unpacked.into_layouts(&place, target)
    }
}

fn unreadable(place: &str, error: &io::Error) -> SourceError {
    let problem = format!("it is no archive of images, or breaks off: {error}");
    SourceError::Unreadable { place: place.to_owned(), problem }
}

/// Why an entry could not be taken.
enum Failure {
    Read(io::Error),
    Intake(IntakeError),
}

impl Failure {
    fn at(self, place: &str) -> ImportError {
        match self {
            Self::Read(error) => unreadable(place, &error).into(),
            Self::Intake(error) => error.into(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl From<IntakeError> for Failure {
    fn from(error: IntakeError) -> Self {
        Self::Intake(error)
    }
}

/// An archive that is being read.
struct Unpacking<'a, 'l> {
    intake: &'a Intake<'a>,
    /// Whether the store has a payload.
    is_here: &'l dyn Fn(&Digest) -> bool,
    listener: Listener<'l>,
    /// How many bytes of payloads were read.
    read: u64,
    unpacked: Unpacked<'a>,
}

impl Unpacking<'_, '_> {
    fn take(&mut self, mut entry: tar::Entry<'_, impl Read>) -> Result<(), Failure> {
        let Some(name) = plain(&entry.path()?) else { return Ok(()) };
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
            EntryType::Link | EntryType::Symlink => return self.take_link(name, &entry),
            _ => return Ok(()),
        }
        match name.as_str() {
            "index.json" | "manifest.json" => {
                let mut text = Vec::new();
                entry.take(LARGEST_INDEX).read_to_end(&mut text)?;
                self.unpacked.listings.insert(name, text);
                Ok(())
            }
            "oci-layout" | "repositories" => Ok(()),
            // What Docker wrote for versions that nobody has any more.
            _ if name.ends_with("/json") || name.ends_with("/VERSION") => Ok(()),
            _ => self.take_payload(name, &mut entry),
        }
    }

    fn take_link(&mut self, name: String, entry: &tar::Entry<'_, impl Read>) -> Result<(), Failure> {
        let Some(target) = entry.link_name()? else { return Ok(()) };
        // A symbolic link is told from where it lies.
        let from = match entry.header().entry_type() {
            EntryType::Symlink => Path::new(&name).parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        };
        if let Some(target) = plain(&from.join(target)) {
            self.unpacked.entries.insert(name, Entry::Link(target));
        }
        Ok(())
    }

    fn take_payload(&mut self, name: String, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), Failure> {
        let (named, size) = (named(&name), entry.size());
        // Manifests are read again.
        if let Some(digest) = named.filter(|digest| size > LARGEST_MANIFEST && (self.is_here)(digest)) {
            self.unpacked.add(name, digest, Held { size, start: [0; 4], state: HeldState::Here });
            return Ok(());
        }
        let algorithm = named.map_or(Algorithm::Sha256, |digest| digest.algorithm());
        let mut landing = self.intake.receive(algorithm)?;
        let (mut buffer, mut start) = (vec![0; PIECE], [0; 4]);
        loop {
            let length = entry.read(&mut buffer)?;
            let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else { break };
            if landing.length() == 0 {
                piece.iter().zip(&mut start).for_each(|(from, to)| *to = *from);
            }
            landing.write(piece)?;
            self.note_read(length as u64);
        }
        let (digest, size) = (landing.digest(), landing.length());
        let state = match named {
            Some(named) if named != digest => HeldState::Damaged,
            _ => HeldState::Landed(landing.finish(Method::Copy)?),
        };
        self.unpacked.add(name, named.unwrap_or(digest), Held { size, start, state });
        Ok(())
    }

    fn note_read(&mut self, length: u64) {
        let before = self.read;
        self.read += length;
        if before / TOLD < self.read / TOLD {
            (self.listener)(&ImportNews::Unpacking(self.read));
        }
    }
}

/// The path within the archive, without `.` and `..`; nothing where that leads out of it.
fn plain(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir | Component::RootDir => {}
            Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The digest that a layout names a file by.
fn named(name: &str) -> Option<Digest> {
    let (algorithm, hex) = name.strip_prefix("blobs/")?.split_once('/')?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// What an archive had.
pub(super) struct Unpacked<'a> {
    intake: &'a Intake<'a>,
    /// What lists its images.
    listings: HashMap<String, Vec<u8>>,
    entries: HashMap<String, Entry>,
    payloads: RefCell<HashMap<Digest, Held>>,
    /// Manifests that it did not have, but says enough for.
    made: HashMap<Digest, Vec<u8>>,
}

/// Something in an archive, by its path.
enum Entry {
    Payload(Digest),
    /// Another name of something else.
    Link(String),
}

struct Held {
    /// In bytes.
    size: u64,
    /// How it begins.
    start: [u8; 4],
    state: HeldState,
}

enum HeldState {
    /// The store had it before.
    Here,
    Landed(Landed),
    /// A repository has it now.
    HandedOver,
    /// Its bytes are not those of its digest.
    Damaged,
}

/// A part of an image, found by its path.
pub(super) struct Part {
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
    pub(super) is_gzip: bool,
    pub(super) is_zstd: bool,
}

impl<'a> Unpacked<'a> {
    fn new(intake: &'a Intake<'a>) -> Self {
        let (listings, entries, payloads, made) = Default::default();
        Self { intake, listings, entries, payloads, made }
    }

    fn add(&mut self, name: String, digest: Digest, held: Held) {
        self.entries.insert(name, Entry::Payload(digest));
        let mut payloads = self.payloads.borrow_mut();
        let is_better = payloads.get(&digest).is_none_or(|held| matches!(held.state, HeldState::Damaged));
        let other = if is_better { payloads.insert(digest, held) } else { Some(held) };
        if let Some(Held { state: HeldState::Landed(landed), .. }) = other {
            self.intake.discard(&landed);
        }
    }

    /// The part of an image that lies under a path, or a link.
    pub(super) fn part(&self, path: &str) -> Option<Part> {
        /// More links than anybody makes, fewer than a circle has.
        const LINKS: usize = 16;
        let mut name = plain(Path::new(path))?;
        for _ in 0..LINKS {
            match self.entries.get(&name)? {
                Entry::Link(target) => name.clone_from(target),
                Entry::Payload(digest) => {
                    let payloads = self.payloads.borrow();
                    let Held { size, start, .. } = payloads.get(digest)?;
                    let (is_gzip, is_zstd) = (start.starts_with(GZIP), start.starts_with(ZSTD));
                    return Some(Part { digest: *digest, size: *size, is_gzip, is_zstd });
                }
            }
        }
        None
    }

    /// Keeps what was taken in, and reads what lists its images.
    fn into_layouts(
        mut self,
        place: &str,
        target: Option<&RepositoryName>,
    ) -> Result<Layouts<'a>, ImportError> {
        let unlisted = |problem: String| SourceError::Unreadable { place: place.to_owned(), problem };
        let (listed, broken) = match (self.listings.get("index.json"), self.listings.get("manifest.json")) {
            (Some(text), _) => {
                let listed = listing::read_index(text);
                (listed.map_err(|error| unlisted(format!("its index.json: {error}")))?, Vec::new())
            }
            (None, Some(text)) => {
                let saved = docker_save::read(text, &self);
                let saved = saved.map_err(|error| unlisted(format!("its manifest.json: {error}")))?;
                self.made.extend(saved.manifests);
                (saved.listed, saved.broken)
            }
            (None, None) => {
                let problem = "it has neither an index.json nor a manifest.json: it is no archive of images";
                return Err(unlisted(problem.to_owned()).into());
            }
        };
        self.keep()?;
        let mut layouts = Layouts::default();
        let content: Rc<dyn Content + 'a> = Rc::new(self);
        layouts.add(place, listed, target, &content, Timestamp::now())?;
        layouts.add_unusable(broken);
        Ok(layouts)
    }

    fn keep(&self) -> Result<(), IntakeError> {
        let payloads = self.payloads.borrow();
        self.intake.keep(payloads.values().filter_map(|held| match &held.state {
            HeldState::Landed(landed) => Some(landed),
            _ => None,
        }))
    }
}

impl Drop for Unpacked<'_> {
    fn drop(&mut self) {
        for held in self.payloads.borrow().values() {
            if let HeldState::Landed(landed) = &held.state {
                self.intake.discard(landed);
            }
        }
    }
}

impl Content for Unpacked<'_> {
    fn count(&self) -> Result<u64, SourceError> {
        Ok((self.payloads.borrow().len() + self.made.len()) as u64)
    }

    fn has(&self, digest: &Digest) -> bool {
        self.made.contains_key(digest) || self.payloads.borrow().contains_key(digest)
    }

    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Unread> {
        if let Some(bytes) = self.made.get(digest) {
            return Ok(bytes.clone());
        }
        let damaged = |problem: &str| Err(Unread::Damaged(problem.to_owned()));
        let payloads = self.payloads.borrow();
        match payloads.get(digest) {
            None => damaged("its data is missing"),
            Some(Held { size: 0, .. }) => damaged("its data is empty"),
            Some(Held { size, .. }) if *size > LARGEST_MANIFEST => damaged("it is too large for a manifest"),
            Some(Held { size, state: HeldState::Landed(landed), .. }) => {
                let mut bytes = vec![0; usize::try_from(*size).unwrap_or_default()];
                let read = self.intake.open(landed).and_then(|file| file.read_exact_at(&mut bytes, 0));
                read.map(|()| bytes).map_err(|error| Unread::Damaged(format!("it cannot be read: {error}")))
            }
            Some(Held { state: HeldState::Damaged, .. }) => damaged("its data has another digest"),
            Some(_) => damaged("its data is a blob's as well"),
        }
    }

    fn blob(&self, digest: &Digest) -> Result<FoundBlob, Unread> {
        match self.payloads.borrow().get(digest) {
            Some(Held { size, state: HeldState::Landed(_), .. }) => Ok(FoundBlob { size: *size, path: None }),
            Some(Held { state: HeldState::Damaged, .. }) => {
                Err(Unread::Damaged("its bytes are not those of its digest".to_owned()))
            }
            _ => Err(Unread::Absent),
        }
    }

    fn hand_over(&self, wanted: &[(Digest, u64)]) -> Vec<Result<Landed, String>> {
        let mut payloads = self.payloads.borrow_mut();
        let mut take = |digest: &Digest| {
            let held = payloads.get_mut(digest)?;
            match std::mem::replace(&mut held.state, HeldState::HandedOver) {
                HeldState::Landed(landed) => Some(landed),
                other => {
                    held.state = other;
                    None
                }
            }
        };
        wanted.iter().map(|(digest, _)| take(digest).ok_or_else(|| "it is missing".to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_an_archive() {
        for (path, plainly) in [
            ("a/b", Some("a/b")),
            ("./a//b/.", Some("a/b")),
            ("/a", Some("a")),
            ("id/../other/layer.tar", Some("other/layer.tar")),
            ("../a", None),
            ("a/../../b", None),
            (".", None),
        ] {
            assert_eq!(plain(Path::new(path)).as_deref(), plainly, "{path}");
        }
    }
}
