//! Manifests and the tags that point at them.

use std::sync::Arc;

use bytes::Bytes;

use crate::oci::{
    Algorithm, Child, ChildKind, Digest, Manifest, ManifestType, Reference, RepositoryName, Tag,
};
use crate::store::{
    Accepted, Change, Decision, Decline, Hasher, MetadataError, Need, NeedKind, Operation, Question, Read,
    ServedTime, Slot, Tables, Write,
};

use super::immutable::Guard;
use super::{Error, Occasion, Referenced, Registry, RequiredChildren};

/// A manifest as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundManifest {
    pub digest: Digest,
    pub media_type: ManifestType,
    pub size: u64,
    /// When it was last pulled, if anybody wants to know.
    pub pulled: Option<ServedTime>,
}

/// A manifest as it was pushed.
#[derive(Debug)]
pub struct PutManifest {
    pub repository: RepositoryName,
    /// Under which reference: a tag, or the digest that it has to have.
    pub reference: Reference,
    /// Tags to set beside it.
    pub tags: Vec<Tag>,
    /// The digest that a manifest pushed by tag has to have, where the client says so.
    pub expected: Option<Digest>,
    pub content_type: Option<String>,
    pub bytes: Bytes,
    pub precondition: Option<Precondition>,
    /// Whether tags that are immutable for others move all the same.
    pub may_overwrite: bool,
    /// What is told of it, where anybody is told.
    pub occasion: Option<Arc<Occasion>>,
}

/// What has to be true of a reference for its change to be made (RFC 9110, section 13.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// `If-Match`: it stands for one of these.
    Matches(Vec<Digest>),
    /// `If-Match: *`: it exists.
    Exists,
    /// `If-None-Match: *`: it does not exist.
    Absent,
}

impl Precondition {
    fn holds(&self, current: Option<&Digest>) -> bool {
        match (self, current) {
            (Self::Matches(digests), Some(current)) => digests.contains(current),
            (Self::Exists, current) => current.is_some(),
            (Self::Absent, current) => current.is_none(),
            (Self::Matches(_), None) => false,
        }
    }
}

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedManifest {
    pub digest: Digest,
    /// The manifest that it refers to.
    pub subject: Option<Digest>,
    /// The tags that were asked for beside the reference, all of them set.
    pub tags: Vec<Tag>,
}

impl Registry {
    /// Finds a manifest without its bytes.
    pub fn find_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<FoundManifest, Error> {
        find(&self.store.read(), repository, reference)?.ok_or_else(|| unknown(repository, reference))
    }

    /// Finds a manifest for somebody who will rely on its being there.
    pub async fn vouch_for_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<FoundManifest, Error> {
        loop {
            let FoundManifest { digest, .. } = self.find_manifest(repository, reference)?;
            let question = self.store.leases().ask(&digest).await;
            // Only what is read now may be relied on; a tag may have moved on.
            let found = self.find_manifest(repository, reference)?;
            if found.digest == digest {
                question.answer();
                self.note_use(repository, &found);
                return Ok(found);
            }
        }
    }

    /// Finds a manifest and its bytes for somebody who pulls it.
    pub fn pull_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(FoundManifest, Bytes), Error> {
        let (found, bytes) = self.read_manifest(repository, reference)?;
        self.note_use(repository, &found);
        Ok((found, bytes))
    }

    /// Finds a manifest and its bytes.
    pub fn read_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(FoundManifest, Bytes), Error> {
        let tables = self.store.read();
        let found = find(&tables, repository, reference)?.ok_or_else(|| unknown(repository, reference))?;
        let bytes = tables.manifest_bytes(&found.digest)?.ok_or_else(|| unknown(repository, reference))?;
        let bytes = Bytes::copy_from_slice(&bytes);
        Ok((found, bytes))
    }

    /// Pushes a manifest, and sets its tags: all of it or nothing.
    pub async fn put_manifest(&self, mut put: PutManifest) -> Result<PushedManifest, Error> {
        let manifest = Manifest::parse(&put.bytes, put.content_type.as_deref())?;
        self.check_urls(&manifest)?;
        let digest = put.verified_digest()?;
        // It may be there already, and about to go: from now on it stays until the index comes that it is for.
        let question = match put.reference {
            Reference::Digest(_) => Some(self.store.leases().ask(&digest).await),
            Reference::Tag(_) => None,
        };
        let required = self.settings.required_children.clone();
        let guard = Guard::new(&self.settings.immutable_tags, put.may_overwrite);
        let occasion = put.occasion.take();
        let put = Put { put, manifest, digest, required, guard };
        let pushed = self.submit_request(put, occasion, None).await?;
        question.into_iter().for_each(Question::answer);
        Ok(pushed)
    }

    fn check_urls(&self, manifest: &Manifest) -> Result<(), Error> {
        let urls =
            manifest.children.iter().flat_map(|child| child.urls.iter().map(|url| (child.digest, url)));
        match urls.into_iter().find(|(_, url)| !self.settings.urls.admits(url)) {
            Some((digest, url)) => Err(Error::UrlNotAllowed { digest, url: url.clone() }),
            None => Ok(()),
        }
    }

    /// Deletes a tag, or a manifest with all its tags; those that are immutable for others too where `may_overwrite`.
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        precondition: Option<Precondition>,
        may_overwrite: bool,
        occasion: Option<Arc<Occasion>>,
    ) -> Result<(), Error> {
        let Some(referenced) = self.settings.deletion() else {
            return Err(Error::DeleteDisabled);
        };
        let (repository, reference) = (repository.clone(), reference.clone());
        let guard = Guard::new(&self.settings.immutable_tags, may_overwrite);
        let delete = Delete { repository, reference, referenced, precondition, guard };
        self.submit_request(delete, occasion, None).await?;
        Ok(())
    }
}

impl PutManifest {
    /// The digest, in the algorithm that the client named, or else SHA-256.
    fn verified_digest(&self) -> Result<Digest, Error> {
        let expected = match &self.reference {
            Reference::Digest(digest) => Some(*digest),
            Reference::Tag(_) => self.expected,
        };
        let algorithm = expected.map_or(Algorithm::Sha256, |digest| digest.algorithm());
        let found = Hasher::digest(algorithm, &self.bytes);
        match expected {
            Some(expected) if expected != found => Err(Error::DigestMismatch { expected, found }),
            _ => Ok(found),
        }
    }
}

fn unknown(repository: &RepositoryName, reference: &Reference) -> Error {
    Error::ManifestUnknown { repository: repository.clone(), reference: reference.clone() }
}

fn find(
    tables: &Tables<Read>,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Option<FoundManifest>, MetadataError> {
    let digest = match reference {
        Reference::Digest(digest) => *digest,
        Reference::Tag(tag) => match tables.tag(repository, tag)? {
            Some(row) => row.digest,
            None => return Ok(None),
        },
    };
    let row = tables.manifest(repository, &digest)?;
    Ok(row.map(|row| FoundManifest {
        digest,
        media_type: row.media_type,
        size: row.size,
        pulled: row.pulled,
    }))
}

/// What a reference stands for inside the write transaction.
fn current(
    tables: &Tables<Write<'_>>,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Option<Digest>, MetadataError> {
    match reference {
        Reference::Tag(tag) => Ok(tables.tag(repository, tag)?.map(|row| row.digest)),
        Reference::Digest(digest) => Ok(tables.manifest(repository, digest)?.map(|_| *digest)),
    }
}

fn check_precondition(
    precondition: Option<&Precondition>,
    current: Option<&Digest>,
) -> Result<(), Decline<Error>> {
    match precondition {
        Some(precondition) if !precondition.holds(current) => {
            Err(Decline::Refused(Error::PreconditionFailed { current: current.copied() }))
        }
        _ => Ok(()),
    }
}

struct Put {
    put: PutManifest,
    manifest: Manifest,
    digest: Digest,
    required: RequiredChildren,
    guard: Guard,
}

impl Operation for Put {
    type Outcome = PushedManifest;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let Self { put, manifest, digest, required, guard } = self;
        let repository = &put.repository;
        let current = current(tables, repository, &put.reference)?;
        check_precondition(put.precondition.as_ref(), current.as_ref())?;
        let needs = needs(tables, repository, &manifest, &required)?;
        let subject = manifest.subject;
        let mut changes = Vec::new();
        if !is_held_as_is(tables, repository, &digest, &manifest, &needs)? {
            changes.push(Change::ManifestPut {
                repository: repository.clone(),
                digest,
                media_type: manifest.media_type,
                bytes: put.bytes.to_vec().into(),
                needs,
                subject,
                artifact_type: manifest.artifact_type,
                annotations: manifest.annotations,
                at: slot.now,
            });
        }
        let pushed_by = match put.reference {
            Reference::Tag(tag) => Some(tag),
            Reference::Digest(_) => None,
        };
        for tag in pushed_by.iter().chain(&put.tags) {
            guard.check_set(tables, repository, tag, &digest)?;
            let (repository, tag) = (repository.clone(), tag.clone());
            changes.push(Change::TagSet { repository, tag, digest, at: slot.now });
        }
        Ok(Accepted::new(changes, PushedManifest { digest, subject, tags: put.tags }))
    }
}

/// Whether the repository holds this very manifest already.
pub(super) fn is_held_as_is(
    tables: &Tables<Write<'_>>,
    repository: &RepositoryName,
    digest: &Digest,
    manifest: &Manifest,
    needs: &[Need],
) -> Result<bool, MetadataError> {
    match tables.manifest(repository, digest)? {
        Some(row) => Ok(row.media_type == manifest.media_type && tables.needs(repository, digest)? == needs),
        None => Ok(false),
    }
}

/// What the manifest is made of, in the order of the table; refused if anything required is missing.
fn needs(
    tables: &Tables<Write<'_>>,
    repository: &RepositoryName,
    manifest: &Manifest,
    required: &RequiredChildren,
) -> Result<Vec<Need>, Decline<Error>> {
    let (mut needs, mut missing) = (Vec::new(), Vec::new());
    for child in &manifest.children {
        let found = find_child(tables, repository, child)?;
        if required.requires(child) && !missing.contains(&child.digest) && !can_be_pulled(tables, &found)? {
            missing.push(child.digest);
        }
        needs.extend(found);
    }
    if !missing.is_empty() {
        return Err(Decline::Refused(Error::ChildrenMissing(missing)));
    }
    needs.sort_unstable();
    needs.dedup();
    Ok(needs)
}

/// Whether a child is there, and no damaged blob. Whoever pushes an image is promised that it can be pulled, and a client that
/// asks for the blob by HEAD, or to mount it, has been told to push it again before it comes here. One that has not asked, or
/// asked before the damage was found, learns here which blobs to push.
pub(super) fn can_be_pulled(tables: &Tables<Write<'_>>, found: &[Need]) -> Result<bool, MetadataError> {
    for need in found.iter().filter(|need| need.present) {
        if need.kind == NeedKind::Manifest || tables.is_sound(&need.digest)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The places where a child may be, and whether it is there.
pub(super) fn find_child(
    tables: &Tables<Write<'_>>,
    repository: &RepositoryName,
    child: &Child,
) -> Result<Vec<Need>, MetadataError> {
    let kinds: &[NeedKind] = match child.kind {
        ChildKind::Blob | ChildKind::NonDistributable => &[NeedKind::Blob],
        ChildKind::Manifest => &[NeedKind::Manifest],
        ChildKind::BlobOrManifest => &[NeedKind::Blob, NeedKind::Manifest],
    };
    let find = |kind: &NeedKind| {
        let present = match kind {
            NeedKind::Blob => tables.blob_link(repository, &child.digest)?.is_some(),
            NeedKind::Manifest => tables.manifest(repository, &child.digest)?.is_some(),
        };
        Ok(Need { kind: *kind, digest: child.digest, present })
    };
    kinds.iter().map(find).collect()
}

/// Deletes what a reference stands for, and gives the digest that this was.
pub(super) struct Delete {
    pub(super) repository: RepositoryName,
    pub(super) reference: Reference,
    pub(super) referenced: Referenced,
    pub(super) precondition: Option<Precondition>,
    pub(super) guard: Guard,
}

impl Operation for Delete {
    type Outcome = Digest;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let Self { repository, reference, referenced, precondition, guard } = self;
        let current = current(tables, &repository, &reference)?;
        check_precondition(precondition.as_ref(), current.as_ref())?;
        let Some(current) = current else {
            return Err(Decline::Refused(unknown(&repository, &reference)));
        };
        let change = match reference {
            Reference::Tag(tag) => {
                guard.check_deleted(&repository, &tag, &current)?;
                Change::TagDeleted { repository, tag }
            }
            Reference::Digest(digest) => {
                guard.check_manifest_deleted(tables, &repository, &digest)?;
                referenced.check(tables, &repository, NeedKind::Manifest, &digest)?;
                Change::ManifestDeleted { repository, digest, at: slot.now }
            }
        };
        Ok(Accepted::new(vec![change], current))
    }

    fn needs_room(&self) -> bool {
        false
    }
}
