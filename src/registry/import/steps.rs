//! What an import asks of the writer. It is decided there whether it still has to be done.

use crate::oci::{ChildKind, Digest, Manifest, RepositoryName, Tag};
use crate::registry::Error;
use crate::registry::immutable::Guard;
use crate::registry::manifests::{can_be_pulled, find_child, is_held_as_is};
use crate::store::{
    Accepted, Change, Decision, Need, NeedKind, Operation, PayloadId, Slot, Tables, Timestamp, Write,
};

/// Lets a repository hold a blob.
pub(super) struct TakeBlob {
    pub(super) repository: RepositoryName,
    pub(super) digest: Digest,
    /// Its payload, where one is brought.
    pub(super) file: Option<Brought>,
}

/// A payload that lies durably in a file of the store.
pub(super) struct Brought {
    pub(super) file: PayloadId,
    pub(super) size: u64,
    pub(super) is_verified: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlobTaken {
    /// With the payload that was brought.
    Added,
    /// With one that was there already.
    Linked,
    /// Not at all: there is no payload.
    Missing,
}

impl Operation for TakeBlob {
    type Outcome = BlobTaken;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let Self { repository, digest, file } = self;
        let row = tables.blob(&digest)?;
        let is_sound = row.is_some_and(|row| !row.is_damaged);
        let is_unverified = row.is_some_and(|row| row.is_unverified);
        let mut changes = Vec::new();
        let outcome = match file {
            Some(Brought { file, size, is_verified: true }) if !is_sound || is_unverified => {
                changes.push(Change::BlobAdded { digest, size, file });
                BlobTaken::Added
            }
            Some(Brought { file, size, is_verified: false }) if !is_sound => {
                changes.push(Change::BlobTaken { digest, size, file });
                BlobTaken::Added
            }
            None if !is_sound => return Ok(Accepted::new(changes, BlobTaken::Missing)),
            _ => BlobTaken::Linked,
        };
        if tables.blob_link(&repository, &digest)?.is_none() {
            changes.push(Change::BlobLinked { repository, digest, at: slot.now });
        }
        Ok(Accepted::new(changes, outcome))
    }
}

/// Lets a repository hold a manifest.
pub(super) struct TakeManifest {
    pub(super) repository: RepositoryName,
    pub(super) digest: Digest,
    pub(super) manifest: Manifest,
    pub(super) bytes: Vec<u8>,
    /// When it was pushed.
    pub(super) at: Timestamp,
    /// Whether it is to follow the source.
    pub(super) is_followed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ManifestTaken {
    Put,
    Present,
    /// Not at all: these blobs are not there.
    Lacking(Vec<Digest>),
}

impl Operation for TakeManifest {
    type Outcome = ManifestTaken;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let Self { repository, digest, manifest, bytes, at, is_followed } = self;
        let (mut needs, mut lacking): (Vec<Need>, Vec<Digest>) = (Vec::new(), Vec::new());
        for child in &manifest.children {
            let found = find_child(tables, &repository, child)?;
            if child.kind == ChildKind::Blob && !can_be_pulled(tables, &found)? {
                lacking.push(child.digest);
            }
            needs.extend(found);
        }
        needs.sort_unstable();
        needs.dedup();
        if !lacking.is_empty() {
            return Ok(Accepted::new(Vec::new(), ManifestTaken::Lacking(lacking)));
        }
        if is_held_as_is(tables, &repository, &digest, &manifest, &needs)? {
            return Ok(Accepted::new(Vec::new(), ManifestTaken::Present));
        }
        // One that was put here, and only gets what it lacked, stays whose it is.
        let is_ours = is_followed && tables.manifest(&repository, &digest)?.is_none_or(|row| row.is_imported);
        let imported = Change::Imported { repository: repository.clone(), digest, tag: None };
        let put = Change::ManifestPut {
            repository,
            digest,
            media_type: manifest.media_type,
            bytes: bytes.into(),
            needs,
            subject: manifest.subject,
            artifact_type: manifest.artifact_type,
            annotations: manifest.annotations,
            at,
        };
        let changes = [put].into_iter().chain(is_ours.then_some(imported)).collect();
        Ok(Accepted::new(changes, ManifestTaken::Put))
    }
}

/// Has a tag point at a manifest. One that somebody has set here stays where a source is followed, and where it is immutable.
pub(super) struct SetTag {
    pub(super) repository: RepositoryName,
    pub(super) tag: Tag,
    pub(super) digest: Digest,
    /// When it was set.
    pub(super) at: Timestamp,
    /// Whether it is to follow the source.
    pub(super) is_followed: bool,
    pub(super) immutable: Guard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagTaken {
    Set,
    Moved,
    Present,
    /// It was set here, to something else, and stays.
    Kept,
    /// Not at all: its manifest is not there.
    Broken,
}

impl Operation for SetTag {
    type Outcome = TagTaken;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let Self { repository, tag, digest, at, is_followed, immutable } = self;
        let outcome = match tables.tag(&repository, &tag)? {
            _ if tables.manifest(&repository, &digest)?.is_none() => TagTaken::Broken,
            None => TagTaken::Set,
            Some(row) if row.digest == digest => TagTaken::Present,
            Some(row) if row.is_imported => TagTaken::Moved,
            Some(_) if !is_followed && !immutable.protects(&repository, &tag) => TagTaken::Moved,
            Some(_) => TagTaken::Kept,
        };
        if !matches!(outcome, TagTaken::Set | TagTaken::Moved) {
            return Ok(Accepted::new(Vec::new(), outcome));
        }
        let imported = Change::Imported { repository: repository.clone(), digest, tag: Some(tag.clone()) };
        let set = Change::TagSet { repository, tag, digest, at };
        Ok(Accepted::new([set].into_iter().chain(is_followed.then_some(imported)).collect(), outcome))
    }
}

/// Deletes a tag that an import has set, and nobody since. Its outcome is whether it was one.
pub(super) struct DropTag {
    pub(super) repository: RepositoryName,
    pub(super) tag: Tag,
}

impl Operation for DropTag {
    type Outcome = bool;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let Self { repository, tag } = self;
        let is_ours = tables.tag(&repository, &tag)?.is_some_and(|row| row.is_imported);
        let deleted = is_ours.then_some(Change::TagDeleted { repository, tag });
        Ok(Accepted::new(deleted.into_iter().collect(), is_ours))
    }

    fn needs_room(&self) -> bool {
        false
    }
}

/// Deletes a manifest that an import has brought, unless somebody has put it here since, or anything here needs it. Its outcome is
/// whether it went.
pub(super) struct DropManifest {
    pub(super) repository: RepositoryName,
    pub(super) digest: Digest,
}

impl Operation for DropManifest {
    type Outcome = bool;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let Self { repository, digest } = self;
        let goes = tables.manifest(&repository, &digest)?.is_some_and(|row| row.is_imported)
            && tables.tags_of(&repository, &digest, 1)?.is_empty()
            && tables.needed_by(&repository, NeedKind::Manifest, &digest, 1)?.is_empty();
        let deleted = goes.then_some(Change::ManifestDeleted { repository, digest, at: slot.now });
        Ok(Accepted::new(deleted.into_iter().collect(), goes))
    }

    fn needs_room(&self) -> bool {
        false
    }
}
