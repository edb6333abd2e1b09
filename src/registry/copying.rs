//! Copies within the registry: an image under another name, with no byte of it copied.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Manifest, Reference, RepositoryName, Tag};
use crate::store::{
    Accepted, Change, Decision, Decline, MetadataError, Need, NeedKind, Operation, PayloadError, Slot,
    Snapshot, Tables, Write,
};

use super::immutable::Guard;
use super::manifests::is_held_as_is;
use super::{Error, Registry, blocking};

/// What is copied, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCopy {
    pub from: RepositoryName,
    pub reference: Reference,
    pub to: RepositoryName,
    /// The tag to set there.
    pub tag: Option<Tag>,
    /// Whether the tag that is copied goes, at the moment at which the other one is set.
    pub is_move: bool,
    /// Whether tags that are immutable move and go all the same.
    pub may_overwrite: bool,
}

/// What a copy came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    pub digest: Digest,
    /// How many manifests the repository has got by it.
    pub manifests: u64,
    /// How many blobs.
    pub blobs: u64,
}

impl Registry {
    /// Copies a manifest with everything below it. Each manifest comes with its blobs or not at all, those that an index is made
    /// of before it, and the tag with the last one.
    pub async fn copy_image(self: &Arc<Self>, wanted: ImageCopy) -> Result<Copied, Error> {
        self.expect_writable()?;
        let ImageCopy { from, reference, to, tag, is_move, may_overwrite } = wanted;
        let digest = self.find_manifest(&from, &reference)?.digest;
        let guard = Guard::new(&self.settings.immutable_tags, may_overwrite);
        if let Some(tag) = &tag {
            guard.check_set(&self.store.read(), &to, tag, &digest)?;
        }
        let occasion = self.occasion_of_operator();
        let mut copied = Copied { digest, manifests: 0, blobs: 0 };
        let (registry, name) = (Arc::clone(self), from.clone());
        for digest in blocking(move || manifests_below(&registry.store.read(), &name, digest)).await? {
            // It may be there already, and about to go: from now on it stays until its index comes.
            let question = self.store.leases().ask(&digest).await;
            let part = self.part(&from, &to, digest)?;
            copied.add(self.submit_request(part, occasion.clone(), Some(from.clone())).await?);
            question.answer();
        }
        let moved = match reference {
            Reference::Tag(tag) if is_move => Some(tag),
            _ => None,
        };
        let last = CopyManifest { tag, moved, guard, ..self.part(&from, &to, digest)? };
        copied.add(self.submit_request(last, occasion, Some(from)).await?);
        Ok(copied)
    }

    fn part(
        &self,
        from: &RepositoryName,
        to: &RepositoryName,
        digest: Digest,
    ) -> Result<CopyManifest, Error> {
        let (found, bytes) = self.read_manifest(from, &Reference::Digest(digest))?;
        let manifest = Manifest::parse(&bytes, Some(found.media_type.as_str()))?;
        let (from, to, guard) = (from.clone(), to.clone(), Guard::default());
        Ok(CopyManifest { from, to, digest, manifest, bytes, tag: None, moved: None, guard })
    }
}

impl Copied {
    fn add(&mut self, Brought { manifests, blobs }: Brought) {
        self.manifests += manifests;
        self.blobs += blobs;
    }
}

/// The manifests that a manifest is made of, at any depth, each once and before those that are made of it.
fn manifests_below(
    tables: &Snapshot,
    repository: &RepositoryName,
    manifest: Digest,
) -> Result<Vec<Digest>, MetadataError> {
    enum Step {
        Enter(Digest),
        Leave(Digest),
    }
    let (mut order, mut seen, mut steps) = (Vec::new(), HashSet::new(), vec![Step::Enter(manifest)]);
    while let Some(step) = steps.pop() {
        match step {
            Step::Leave(digest) => order.push(digest),
            Step::Enter(digest) if seen.insert(digest) => {
                steps.push(Step::Leave(digest));
                let needs = tables.needs(repository, &digest)?;
                let below = needs.iter().filter(|need| need.kind == NeedKind::Manifest && need.present);
                steps.extend(below.map(|need| Step::Enter(need.digest)));
            }
            Step::Enter(_) => {}
        }
    }
    order.pop();
    Ok(order)
}

/// Lets a repository have a manifest that another one has, with its blobs.
struct CopyManifest {
    from: RepositoryName,
    to: RepositoryName,
    digest: Digest,
    manifest: Manifest,
    bytes: Bytes,
    /// To be set.
    tag: Option<Tag>,
    /// To go, from where the manifest is copied.
    moved: Option<Tag>,
    guard: Guard,
}

/// What a repository has got.
struct Brought {
    manifests: u64,
    blobs: u64,
}

impl Operation for CopyManifest {
    type Outcome = Brought;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        if tables.manifest(&self.from, &self.digest)?.is_none() {
            let (repository, reference) = (self.from, Reference::Digest(self.digest));
            return Err(Decline::Refused(Error::ManifestUnknown { repository, reference }));
        }
        let mut changes = Vec::new();
        let needs = self.bring_needs(tables, slot, &mut changes)?;
        let blobs = changes.len() as u64;
        let is_there = is_held_as_is(tables, &self.to, &self.digest, &self.manifest, &needs)?;
        if !is_there {
            changes.push(self.put(needs, slot));
        }
        self.change_tags(tables, slot, &mut changes)?;
        Ok(Accepted::new(changes, Brought { manifests: u64::from(!is_there), blobs }))
    }
}

impl CopyManifest {
    /// What the manifest is made of, as the other repository is to keep account of it. Adds what lets that have the blobs.
    fn bring_needs(
        &self,
        tables: &Tables<Write<'_>>,
        slot: Slot,
        changes: &mut Vec<Change>,
    ) -> Result<Vec<Need>, Decline<Error>> {
        let mut needs = tables.needs(&self.from, &self.digest)?;
        for need in &mut needs {
            let (digest, was_present) = (need.digest, need.present);
            need.present = match need.kind {
                NeedKind::Blob => tables.blob_link(&self.to, &digest)?.is_some(),
                NeedKind::Manifest => tables.manifest(&self.to, &digest)?.is_some(),
            };
            if !was_present || self.from == self.to {
                continue;
            }
            match need.kind {
                NeedKind::Blob if !tables.is_sound(&digest)? => {
                    let source = PayloadError::Damaged;
                    return Err(Decline::Refused(Error::Damaged { digest, source }));
                }
                NeedKind::Blob if !need.present => {
                    need.present = true;
                    changes.push(Change::BlobLinked { repository: self.to.clone(), digest, at: slot.now });
                }
                NeedKind::Manifest if !need.present => {
                    return Err(Decline::Refused(Error::ChildrenMissing(vec![digest])));
                }
                NeedKind::Blob | NeedKind::Manifest => {}
            }
        }
        Ok(needs)
    }

    fn put(&self, needs: Vec<Need>, slot: Slot) -> Change {
        Change::ManifestPut {
            repository: self.to.clone(),
            digest: self.digest,
            media_type: self.manifest.media_type,
            bytes: self.bytes.to_vec().into(),
            needs,
            subject: self.manifest.subject,
            artifact_type: self.manifest.artifact_type.clone(),
            annotations: self.manifest.annotations.clone(),
            at: slot.now,
        }
    }

    fn change_tags(
        self,
        tables: &Tables<Write<'_>>,
        slot: Slot,
        changes: &mut Vec<Change>,
    ) -> Result<(), Decline<Error>> {
        let Self { from, to, digest, tag, moved, guard, .. } = self;
        if from == to && tag == moved {
            return Ok(());
        }
        if let Some(tag) = tag {
            guard.check_set(tables, &to, &tag, &digest)?;
            changes.push(Change::TagSet { repository: to, tag, digest, at: slot.now });
        }
        if let Some(tag) = moved {
            let current = tables.tag(&from, &tag)?.map(|row| row.digest);
            if current != Some(digest) {
                return Err(Decline::Refused(Error::PreconditionFailed { current }));
            }
            guard.check_deleted(&from, &tag, &digest)?;
            changes.push(Change::TagDeleted { repository: from, tag });
        }
        Ok(())
    }
}
