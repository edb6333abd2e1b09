//! Removals by those who look after the registry: tags, and whole repositories.
//!
//! A repository goes in small steps, so that no push waits for long: its tags, then its manifests, indexes before what they are
//! made of, then its blobs. What is pushed to it meanwhile stays.

use std::ops::AddAssign;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use crate::oci::{Digest, Reference, RepositoryName, Tag};
use crate::store::{
    Accepted, Change, Decision, Decline, MetadataError, NeedKind, Operation, Slot, Snapshot, Tables, Write,
};

use super::immutable::Guard;
use super::manifests::Delete;
use super::pages::{Place, blobs_behind, manifests_behind, tags_behind};
use super::{Error, Occasion, Referenced, Registry, blocking};

/// How many things go in one step at the most.
const AT_ONCE: usize = 64;

/// The deepest that indexes are taken apart, each in one made of the next.
const DEEPEST: usize = 64;

/// How things are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RemovalTerms {
    /// Nothing is removed; what would be is said.
    pub dry_run: bool,
    /// Whether tags that are immutable go all the same.
    pub may_overwrite: bool,
}

/// A tag, and where it pointed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedTag {
    pub repository: RepositoryName,
    pub tag: Tag,
    pub digest: Digest,
}

/// How much was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Removed {
    pub tags: u64,
    pub manifests: u64,
    pub blobs: u64,
    /// Of payloads that nobody holds any more.
    pub bytes: u64,
}

impl AddAssign for Removed {
    fn add_assign(&mut self, other: Self) {
        self.tags += other.tags;
        self.manifests += other.manifests;
        self.blobs += other.blobs;
        self.bytes += other.bytes;
    }
}

impl Registry {
    /// Removes a tag; its manifest stays.
    pub async fn remove_tag(
        &self,
        repository: RepositoryName,
        tag: Tag,
        terms: RemovalTerms,
    ) -> Result<RemovedTag, Error> {
        let guard = Guard::new(&self.settings.immutable_tags, terms.may_overwrite);
        let reference = Reference::Tag(tag.clone());
        let digest = match terms.dry_run {
            true => {
                let digest = self.find_manifest(&repository, &reference)?.digest;
                guard.check_deleted(&repository, &tag, &digest)?;
                digest
            }
            false => {
                self.expect_writable()?;
                let (repository, referenced) = (repository.clone(), Referenced::Refuse);
                let delete = Delete { repository, reference, referenced, precondition: None, guard };
                self.submit_request(delete, self.occasion_of_operator(), None).await?
            }
        };
        Ok(RemovedTag { repository, tag, digest })
    }

    /// Removes everything that a repository has, but for uploads that are under way, and tells how much has gone so far.
    pub async fn remove_repository(
        self: &Arc<Self>,
        repository: RepositoryName,
        terms: RemovalTerms,
        listener: Sender<Removed>,
    ) -> Result<Removed, Error> {
        let usage = self.usage(&repository).await?;
        let guard = Guard::new(&self.settings.immutable_tags, terms.may_overwrite);
        self.check_tags(&repository, &guard).await?;
        if terms.dry_run {
            let (tags, manifests, blobs, bytes) = (usage.tags, usage.manifests, usage.blobs, usage.own_bytes);
            return Ok(Removed { tags, manifests, blobs, bytes });
        }
        self.expect_writable()?;
        let mut round = Round { registry: self, repository, guard, removed: Removed::default(), listener };
        round.remove_all(next_tags).await?;
        for _ in 0..DEEPEST {
            if round.remove_all(next_manifests).await? == 0 {
                break;
            }
        }
        round.remove_all(next_blobs).await?;
        Ok(round.removed)
    }

    /// Refuses to remove a repository with a tag that must stay.
    async fn check_tags(self: &Arc<Self>, repository: &RepositoryName, guard: &Guard) -> Result<(), Error> {
        if guard.is_open() {
            return Ok(());
        }
        let mut place = Some(Place::default());
        while let Some(last) = place {
            let (registry, name, guard) = (Arc::clone(self), repository.clone(), guard.clone());
            place = blocking(move || {
                let tables = registry.store.read();
                let (tags, next) = tags_behind(&tables, &name, &last)?;
                for tag in tags {
                    if let Some(row) = tables.tag(&name, &tag)? {
                        guard.check_deleted(&name, &tag, &row.digest)?;
                    }
                }
                Ok::<_, Error>(next)
            })
            .await?;
        }
        Ok(())
    }

    /// The occasion of what those who look after the registry do, where anybody is told of it.
    pub(super) fn occasion_of_operator(&self) -> Option<Arc<Occasion>> {
        self.tells_events().then(|| Arc::new(Occasion::of_operator()))
    }
}

/// A page of what is to go, and where the next one begins, if there is one.
type Step = (Batch, Option<Place>);

/// Things of one kind.
enum Batch {
    Tags(Vec<Tag>),
    Manifests(Vec<Digest>),
    Blobs(Vec<Digest>),
}

impl Batch {
    /// In steps of the writer.
    fn steps(self) -> Vec<Self> {
        fn chunks<T: Clone>(things: &[T], batch: fn(Vec<T>) -> Batch) -> Vec<Batch> {
            things.chunks(AT_ONCE).map(|chunk| batch(chunk.to_vec())).collect()
        }
        match self {
            Self::Tags(tags) => chunks(&tags, Self::Tags),
            Self::Manifests(digests) => chunks(&digests, Self::Manifests),
            Self::Blobs(digests) => chunks(&digests, Self::Blobs),
        }
    }
}

fn next_tags(tables: &Snapshot, repository: &RepositoryName, last: &Place) -> Result<Step, MetadataError> {
    let (tags, next) = tags_behind(tables, repository, last)?;
    Ok((Batch::Tags(tags), next))
}

/// Those that no index of the repository is made of.
fn next_manifests(
    tables: &Snapshot,
    repository: &RepositoryName,
    last: &Place,
) -> Result<Step, MetadataError> {
    let (page, next) = manifests_behind(tables, repository, last)?;
    let mut free = Vec::new();
    for (digest, _) in page {
        if !tables.is_needed(repository, NeedKind::Manifest, &digest)? {
            free.push(digest);
        }
    }
    Ok((Batch::Manifests(free), next))
}

fn next_blobs(tables: &Snapshot, repository: &RepositoryName, last: &Place) -> Result<Step, MetadataError> {
    let (page, next) = blobs_behind(tables, repository, last)?;
    Ok((Batch::Blobs(page), next))
}

/// A removal of a repository under way.
struct Round<'a> {
    registry: &'a Arc<Registry>,
    repository: RepositoryName,
    guard: Guard,
    removed: Removed,
    listener: Sender<Removed>,
}

impl Round<'_> {
    /// Removes all things of a kind that are to go now. Returns how many that were.
    async fn remove_all(
        &mut self,
        next: fn(&Snapshot, &RepositoryName, &Place) -> Result<Step, MetadataError>,
    ) -> Result<u64, Error> {
        let (mut count, mut place) = (0, Some(Place::default()));
        while let Some(last) = place {
            let (registry, name) = (Arc::clone(self.registry), self.repository.clone());
            let (batch, behind) = blocking(move || next(&registry.store.read(), &name, &last)).await?;
            place = behind;
            for step in batch.steps() {
                count += self.remove(step).await?;
            }
        }
        Ok(count)
    }

    async fn remove(&mut self, batch: Batch) -> Result<u64, Error> {
        let (repository, guard) = (self.repository.clone(), self.guard.clone());
        let removal = Removal { repository, batch, guard };
        let occasion = self.registry.occasion_of_operator();
        let removed = self.registry.submit_request(removal, occasion, None).await?;
        self.removed += removed;
        // Whoever does not listen any more has asked for it all the same.
        let _ = self.listener.send(self.removed).await;
        Ok(removed.tags + removed.manifests + removed.blobs)
    }
}

/// Removes things of a repository that are still there, and that nothing needs that is not to go.
struct Removal {
    repository: RepositoryName,
    batch: Batch,
    guard: Guard,
}

impl Operation for Removal {
    type Outcome = Removed;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let mut taken = Taken::default();
        match &self.batch {
            Batch::Tags(tags) => {
                tags.iter().try_for_each(|tag| self.take_tag(tables, tag, &mut taken))?;
            }
            Batch::Manifests(digests) => {
                digests.iter().try_for_each(|digest| self.take_manifest(tables, slot, digest, &mut taken))?;
            }
            Batch::Blobs(digests) => {
                digests.iter().try_for_each(|digest| self.take_blob(tables, digest, &mut taken))?;
            }
        }
        Ok(Accepted::new(taken.changes, taken.removed))
    }

    fn needs_room(&self) -> bool {
        false
    }
}

/// What a step takes away.
#[derive(Default)]
struct Taken {
    changes: Vec<Change>,
    removed: Removed,
}

impl Removal {
    fn take_tag(
        &self,
        tables: &Tables<Write<'_>>,
        tag: &Tag,
        taken: &mut Taken,
    ) -> Result<(), Decline<Error>> {
        let repository = &self.repository;
        if let Some(row) = tables.tag(repository, tag)? {
            self.guard.check_deleted(repository, tag, &row.digest)?;
            let (repository, tag) = (repository.clone(), tag.clone());
            taken.changes.push(Change::TagDeleted { repository, tag });
            taken.removed.tags += 1;
        }
        Ok(())
    }

    /// One that was given a tag meanwhile, or was made part of an index, stays.
    fn take_manifest(
        &self,
        tables: &Tables<Write<'_>>,
        slot: Slot,
        digest: &Digest,
        taken: &mut Taken,
    ) -> Result<(), MetadataError> {
        let repository = &self.repository;
        if tables.manifest(repository, digest)?.is_some()
            && tables.tags_of(repository, digest, 1)?.is_empty()
            && !tables.is_needed(repository, NeedKind::Manifest, digest)?
        {
            let (repository, digest, at) = (repository.clone(), *digest, slot.now);
            taken.changes.push(Change::ManifestDeleted { repository, digest, at });
            taken.removed.manifests += 1;
        }
        Ok(())
    }

    /// One that a manifest has come for meanwhile stays.
    fn take_blob(
        &self,
        tables: &Tables<Write<'_>>,
        digest: &Digest,
        taken: &mut Taken,
    ) -> Result<(), MetadataError> {
        let (repository, digest) = (&self.repository, *digest);
        if tables.blob_link(repository, &digest)?.is_none()
            || tables.is_needed(repository, NeedKind::Blob, &digest)?
        {
            return Ok(());
        }
        taken.changes.push(Change::BlobUnlinked { repository: repository.clone(), digest });
        taken.removed.blobs += 1;
        if tables.holders(&digest, 2)? == 1 {
            taken.removed.bytes += tables.blob(&digest)?.map_or(0, |row| row.size);
            taken.changes.push(Change::BlobRemoved { digest });
        }
        Ok(())
    }
}
