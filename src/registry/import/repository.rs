//! One repository of the source: what of it comes, and what does not.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use crate::oci::{ChildKind, Digest, Manifest, RepositoryName, Tag};
use crate::store::{BlobRow, Hasher, NeedKind, Timestamp};

use super::batch::{Batch, Lacking, Payload, Wanted};
use super::origin::{Referrers, Unread};
use super::report::{Skipped, Thing};
use super::steps::{SetTag, TagTaken, TakeManifest};
use super::{Import, ImportError};

/// How deep indexes may lie in one another.
const DEEPEST: u32 = 64;
/// How many tags are set at once.
const TAGS: usize = 512;
/// How many manifests the source is told of before they are read.
const EXPECTED: usize = 64;

/// What has become of a manifest of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It comes, or is here: so high above those that it is made of.
    Here(u32),
    Skipped,
    /// The source does not have it.
    Absent,
}

/// A blob that can be had: what is to be done for it, nothing if it is here or about to be. Or why it cannot be had.
type Found = Result<Option<Wanted>, String>;

/// A repository that is being taken over.
pub(super) struct Source<'i, 'a> {
    import: &'i mut Import<'a>,
    name: RepositoryName,
    tags: BTreeMap<Tag, (Digest, Timestamp)>,
    /// Names that lie where tags do, and stand for something that cannot be told.
    damaged_tags: HashSet<String>,
    states: HashMap<Digest, State>,
    /// Those of which it was asked what refers to them.
    asked: HashSet<Digest>,
    /// The indexes that a manifest is part of.
    parents: HashMap<Digest, Vec<Digest>>,
    /// Why manifests did not come.
    problems: BTreeMap<Digest, String>,
    /// The blobs that these lack.
    lacking: HashSet<Digest>,
    batch: Batch,
}

impl<'i, 'a> Source<'i, 'a> {
    /// Takes a repository over.
    pub(super) fn take(import: &'i mut Import<'a>, name: &RepositoryName) -> Result<(), ImportError> {
        let mut source = Self {
            import,
            name: name.clone(),
            tags: BTreeMap::new(),
            damaged_tags: HashSet::new(),
            states: HashMap::new(),
            asked: HashSet::new(),
            parents: HashMap::new(),
            problems: BTreeMap::new(),
            lacking: HashSet::new(),
            batch: Batch::default(),
        };
        // In this order: what is pushed meanwhile has its manifest before its tag.
        if let Err(reason) = source.read_tags()? {
            let (repository, tags) = (name.to_string(), Vec::new());
            source.import.skip(Skipped { repository, thing: None, reason, tags });
            return Ok(());
        }
        source.take_manifests()?;
        source.take_layers()?;
        source.flush()?;
        source.take_tags()?;
        source.tell_problems();
        source.drop_deleted()
    }

    /// Reads where the tags point, or why nothing of the repository can be read.
    fn read_tags(&mut self) -> Result<Result<(), String>, ImportError> {
        let tags = match self.import.origin.tags(&self.name) {
            Ok(tags) => tags,
            Err(Unread::Absent) => Vec::new(),
            Err(Unread::Damaged(reason)) => return Ok(Err(reason)),
            Err(Unread::Lost(error)) => return Err(error.into()),
        };
        for found in tags {
            match found.target {
                Ok((tag, digest, set)) => {
                    self.tags.insert(tag, (digest, set));
                }
                Err(reason) => {
                    self.skip(Thing::Tag(found.name.clone()), reason, Vec::new());
                    self.damaged_tags.insert(found.name);
                }
            }
        }
        Ok(Ok(()))
    }

    fn take_manifests(&mut self) -> Result<(), ImportError> {
        let tagged: BTreeSet<_> = self.tags.values().map(|(digest, _)| *digest).collect();
        let tagged: Vec<_> = tagged.into_iter().collect();
        let (digests, others) = self.import.origin.revisions(&self.name, &tagged)?;
        for name in others {
            self.skip(Thing::Other(name), "it is no digest that can be read here".to_owned(), Vec::new());
        }
        let mut found = digests;
        while !found.is_empty() {
            self.visit_all(&found, ChildKind::Manifest)?;
            found = self.referrers()?;
        }
        Ok(())
    }

    /// Manifests that were not known yet and refer to one that is here.
    fn referrers(&mut self) -> Result<Vec<Digest>, ImportError> {
        if !self.import.origin.hides_referrers() {
            return Ok(Vec::new());
        }
        self.flush()?;
        let (subjects, mut referrers) = (self.subjects()?, Vec::new());
        for some in subjects.chunks(EXPECTED) {
            let Referrers { found, failed } = self.import.origin.referrers(&self.name, some)?;
            referrers.extend(found);
            for (subject, reason) in failed {
                self.skip(Thing::Other(format!("what refers to {subject}")), reason, Vec::new());
            }
        }
        referrers.retain(|digest| !self.states.contains_key(digest));
        Ok(referrers)
    }

    /// The manifests that are here, and those that they are made of, each once.
    fn subjects(&mut self) -> Result<Vec<Digest>, ImportError> {
        let here = self.states.iter().filter(|(_, state)| matches!(state, State::Here(_)));
        let (mut left, mut subjects): (Vec<_>, _) = (here.map(|(digest, _)| *digest).collect(), Vec::new());
        let tables = self.import.registry.store.read();
        while let Some(digest) = left.pop() {
            if self.asked.insert(digest) {
                subjects.push(digest);
                let needs = tables.needs(&self.name, &digest)?.into_iter();
                let below = needs.filter(|need| need.kind == NeedKind::Manifest && need.present);
                left.extend(below.map(|need| need.digest));
            }
        }
        Ok(subjects)
    }

    fn visit_all(&mut self, digests: &[Digest], kind: ChildKind) -> Result<(), ImportError> {
        for some in digests.chunks(EXPECTED) {
            self.expect(some)?;
            for digest in some {
                self.visit(*digest, kind, 0)?;
            }
        }
        Ok(())
    }

    /// Tells the source which manifests are about to be read.
    fn expect(&self, digests: &[Digest]) -> Result<(), ImportError> {
        let mut unread = Vec::new();
        for digest in digests.iter().filter(|digest| !self.states.contains_key(digest)) {
            if !self.is_whole_here(digest)? {
                unread.push(*digest);
            }
        }
        self.import.origin.expect(&self.name, &unread);
        Ok(())
    }

    /// Takes a manifest, and before it those that it is made of.
    fn visit(&mut self, digest: Digest, kind: ChildKind, depth: u32) -> Result<State, ImportError> {
        if let Some(state) = self.states.get(&digest) {
            return Ok(*state);
        }
        let state = match self.import.origin.revision(&self.name, &digest, kind) {
            Err(Unread::Absent) => State::Absent,
            Err(Unread::Damaged(reason)) => self.fail(digest, reason),
            Err(Unread::Lost(error)) => return Err(error.into()),
            Ok(_) if self.is_whole_here(&digest)? => {
                self.import.report.manifests.present += 1;
                self.import.report.objects_done += 1;
                State::Here(0)
            }
            Ok(_) if depth > DEEPEST => self.fail(digest, "indexes lie too deep in one another".to_owned()),
            Ok(at) => match self.read(&digest) {
                Ok((manifest, bytes)) => self.plan(digest, manifest, bytes, at, depth)?,
                Err(Unread::Absent) => State::Absent,
                Err(Unread::Damaged(reason)) => self.fail(digest, reason),
                Err(Unread::Lost(error)) => return Err(error.into()),
            },
        };
        self.states.insert(digest, state);
        if self.batch.is_full() {
            self.flush()?;
        }
        Ok(state)
    }

    fn read(&self, digest: &Digest) -> Result<(Manifest, Vec<u8>), Unread> {
        let bytes = self.import.origin.manifest(&self.name, digest)?;
        let found = Hasher::digest(digest.algorithm(), &bytes);
        if found != *digest {
            return Err(Unread::Damaged(format!("its data has the digest {found}")));
        }
        // As distribution tells the type: by what the document says, else by its shape.
        let manifest = Manifest::parse(&bytes, None).map_err(|error| Unread::Damaged(error.to_string()))?;
        Ok((manifest, bytes))
    }

    /// Plans to take a manifest whose blobs can be had.
    fn plan(
        &mut self,
        digest: Digest,
        manifest: Manifest,
        bytes: Vec<u8>,
        at: Timestamp,
        depth: u32,
    ) -> Result<State, ImportError> {
        let (mut blobs, mut height, mut is_sparse, mut reasons) = (Vec::new(), 0, false, Vec::new());
        self.expect_children(&manifest)?;
        for child in &manifest.children {
            match child.kind {
                ChildKind::Blob => match self.look_for_blob(&child.digest, Some(child.size))? {
                    Ok(found) => blobs.extend(found),
                    Err(reason) => reasons.push(self.note_lacking(child.digest, &reason)),
                },
                ChildKind::NonDistributable => {
                    let found = self.look_for_blob(&child.digest, None)?;
                    blobs.extend(found.unwrap_or_default());
                }
                ChildKind::Manifest | ChildKind::BlobOrManifest => {
                    self.parents.entry(child.digest).or_default().push(digest);
                    match self.visit(child.digest, child.kind, depth + 1)? {
                        State::Here(below) => height = height.max(below + 1),
                        State::Absent if child.kind == ChildKind::BlobOrManifest => {
                            match self.look_for_blob(&child.digest, None)? {
                                Ok(found) => blobs.extend(found),
                                Err(_) => is_sparse = true,
                            }
                        }
                        State::Absent => is_sparse = true,
                        State::Skipped => {}
                    }
                }
            }
        }
        if !reasons.is_empty() {
            return Ok(self.fail(digest, reasons.join("; ")));
        }
        self.import.report.sparse_indexes += u64::from(is_sparse);
        blobs.into_iter().for_each(|blob| self.batch.add_blob(blob));
        let repository = self.name.clone();
        let is_followed = self.import.is_followed;
        self.batch
            .add_manifest(height, TakeManifest { repository, digest, manifest, bytes, at, is_followed });
        Ok(State::Here(height))
    }

    fn expect_children(&self, manifest: &Manifest) -> Result<(), ImportError> {
        let below = manifest.children.iter().filter(|child| child.kind == ChildKind::Manifest);
        let below: Vec<_> = below.map(|child| child.digest).take(EXPECTED).collect();
        self.expect(&below)
    }

    /// Looks for a blob that has so many bytes by what a manifest says.
    fn look_for_blob(&self, digest: &Digest, size: Option<u64>) -> Result<Found, ImportError> {
        if self.batch.has_blob(digest) {
            return Ok(Ok(None));
        }
        let (row, is_linked) = {
            let tables = self.import.registry.store.read();
            (tables.blob(digest)?, tables.blob_link(&self.name, digest)?.is_some())
        };
        let is_odd = |found: u64| size.is_some_and(|size| size != found);
        let is_good = |row: BlobRow| !(row.is_damaged || row.is_unverified && is_odd(row.size));
        if row.is_some_and(is_good) {
            return Ok(Ok((!is_linked).then_some(Wanted { digest: *digest, payload: None })));
        }
        let found = match self.import.origin.blob(&self.name, digest, size) {
            Ok(found) => found,
            Err(Unread::Absent) => return Ok(Err("it is missing".to_owned())),
            Err(Unread::Damaged(reason)) => return Ok(Err(reason)),
            Err(Unread::Lost(error)) => return Err(error.into()),
        };
        if found.size == 0 && *digest != Hasher::digest(digest.algorithm(), b"") {
            return Ok(Err("its data is empty".to_owned()));
        }
        // What is odd has to prove that it is right.
        let is_verified = self.import.options.verifies || row.is_some() || is_odd(found.size);
        let payload = Payload { size: found.size, path: found.path, is_verified };
        Ok(Ok(Some(Wanted { digest: *digest, payload: Some(payload) })))
    }

    fn note_lacking(&mut self, blob: Digest, reason: &str) -> String {
        self.lacking.insert(blob);
        format!("its blob {blob}: {reason}")
    }

    /// Blobs that no manifest is made of, and those of manifests that did not come.
    fn take_layers(&mut self) -> Result<(), ImportError> {
        let (digests, others) = self.import.origin.layers(&self.name)?;
        for name in others {
            self.skip(Thing::Other(name), "it is no digest that can be read here".to_owned(), Vec::new());
        }
        for digest in digests {
            self.take_layer(digest)?;
            if self.batch.is_full() {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn take_layer(&mut self, digest: Digest) -> Result<(), ImportError> {
        if self.batch.has_blob(&digest) || self.lacking.contains(&digest) {
            return Ok(());
        }
        if self.import.registry.store.read().blob_in(&self.name, &digest)?.is_some_and(|row| !row.is_damaged)
        {
            return Ok(());
        }
        match self.import.origin.layer(&self.name, &digest) {
            Err(Unread::Absent) => return Ok(()),
            Err(Unread::Lost(error)) => return Err(error.into()),
            Err(Unread::Damaged(reason)) => {
                self.skip(Thing::Blob(digest), reason, Vec::new());
                return Ok(());
            }
            Ok(_) => {}
        }
        match self.look_for_blob(&digest, None)? {
            Ok(found) => found.into_iter().for_each(|blob| self.batch.add_blob(blob)),
            Err(_) if matches!(self.import.origin.blob(&self.name, &digest, None), Err(Unread::Absent)) => {
                self.import.report.stale_links += 1;
            }
            Err(reason) => self.skip(Thing::Blob(digest), reason, Vec::new()),
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ImportError> {
        let batch = std::mem::take(&mut self.batch);
        let mut failures = self.import.take(&self.name, batch)?;
        for Lacking { digest, blobs } in failures.manifests {
            let reason = |blob| failures.blobs.get(blob).map_or("it is missing", String::as_str);
            let reasons: Vec<_> = blobs.iter().map(|blob| self.note_lacking(*blob, reason(blob))).collect();
            self.states.insert(digest, State::Skipped);
            self.problems.insert(digest, reasons.join("; "));
        }
        failures.blobs.retain(|blob, _| !self.lacking.contains(blob));
        for (blob, reason) in failures.blobs {
            self.skip(Thing::Blob(blob), reason, Vec::new());
        }
        Ok(())
    }

    fn take_tags(&mut self) -> Result<(), ImportError> {
        let mut wanted = Vec::new();
        for (tag, (digest, at)) in self.tags.clone() {
            match self.states.get(&digest).copied().unwrap_or(State::Absent) {
                State::Here(_) => {
                    wanted.push(SetTag {
                        repository: self.name.clone(),
                        tag,
                        digest,
                        at: at.min(Timestamp::now()),
                        is_followed: self.import.is_followed,
                        immutable: self.import.immutable.clone(),
                    });
                }
                State::Skipped => {}
                State::Absent => {
                    let reason = format!("it points at {digest}, which its repository does not have");
                    self.skip(Thing::Tag(tag.to_string()), reason, vec![tag]);
                }
            }
        }
        while !wanted.is_empty() {
            let some: Vec<_> = wanted.drain(..wanted.len().min(TAGS)).collect();
            let tags: Vec<_> = some.iter().map(|step| step.tag.clone()).collect();
            for (tag, taken) in tags.into_iter().zip(self.import.submit_all(some)?) {
                self.note_tag(tag, taken);
            }
        }
        Ok(())
    }

    fn note_tag(&mut self, tag: Tag, taken: TagTaken) {
        let report = &mut self.import.report;
        match taken {
            TagTaken::Set => report.tags.new += 1,
            TagTaken::Moved => report.moved_tags += 1,
            TagTaken::Present => report.tags.present += 1,
            TagTaken::Kept => {
                report.kept_tags += 1;
                let name = &self.name;
                let text = format!("{name}:{tag} was set here to something else than there, and stays");
                self.import.note(text);
            }
            TagTaken::Broken => {
                self.skip(Thing::Tag(tag.to_string()), "its manifest did not come".to_owned(), vec![tag]);
            }
        }
    }

    /// Tells which manifests did not come, and which tags that breaks.
    fn tell_problems(&mut self) {
        if self.problems.is_empty() {
            return;
        }
        let mut tags_of: HashMap<Digest, Vec<Tag>> = HashMap::new();
        for (tag, (digest, _)) in &self.tags {
            tags_of.entry(*digest).or_default().push(tag.clone());
        }
        for (digest, reason) in std::mem::take(&mut self.problems) {
            let tags = self.broken_by(digest, &tags_of);
            self.skip(Thing::Manifest(digest), reason, tags);
        }
    }

    /// The tags of a manifest, and of the indexes that it is part of.
    fn broken_by(&self, digest: Digest, tags_of: &HashMap<Digest, Vec<Tag>>) -> Vec<Tag> {
        let (mut seen, mut next, mut tags) = (HashSet::from([digest]), VecDeque::from([digest]), Vec::new());
        while let Some(digest) = next.pop_front() {
            tags.extend(tags_of.get(&digest).into_iter().flatten().cloned());
            let above = self.parents.get(&digest).into_iter().flatten();
            next.extend(above.filter(|above| seen.insert(**above)).copied());
        }
        tags
    }

    /// What the source no longer has goes here too, if it is the import's.
    fn drop_deleted(self) -> Result<(), ImportError> {
        let Self { import, name, tags, damaged_tags, states, .. } = self;
        if !import.deletes {
            return Ok(());
        }
        // A tag that points at nothing serves nothing there.
        let stays = |tag: &Tag| match tags.get(tag) {
            Some((digest, _)) => !matches!(states.get(digest), None | Some(State::Absent)),
            None => damaged_tags.contains(tag.as_str()),
        };
        import.drop_deleted(&name, stays)
    }

    fn is_whole_here(&self, digest: &Digest) -> Result<bool, ImportError> {
        let tables = self.import.registry.store.read();
        if tables.manifest(&self.name, digest)?.is_none() {
            return Ok(false);
        }
        for need in tables.needs(&self.name, digest)? {
            if !need.present || (need.kind == NeedKind::Blob && !tables.is_sound(&need.digest)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fail(&mut self, digest: Digest, reason: String) -> State {
        self.import.report.objects_done += 1;
        self.problems.insert(digest, reason);
        State::Skipped
    }

    fn skip(&mut self, thing: Thing, reason: String, tags: Vec<Tag>) {
        self.import.skip(Skipped { repository: self.name.to_string(), thing: Some(thing), reason, tags });
    }
}
