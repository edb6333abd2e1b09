//! Removing the tags that nothing keeps, if nothing keeps them still.

use std::sync::Arc;

use crate::oci::{Digest, RepositoryName, Tag};
use crate::registry::Error;
use crate::registry::immutable::Guard;
use crate::store::{
    Accepted, Change, Decision, MetadataError, NeedKind, Operation, Slot, Tables, TagRow, Write,
};

use super::judgement::Judge;
use super::{Keeping, RetentionVerdict};

/// Tags of one repository, as they were when they were looked at.
pub(super) struct Removal {
    pub(super) repository: RepositoryName,
    pub(super) judge: Arc<Judge>,
    pub(super) tags: Vec<(Tag, TagRow)>,
    pub(super) guard: Guard,
    /// Whether nothing is to change.
    pub(super) dry_run: bool,
}

impl Operation for Removal {
    type Outcome = Vec<(Tag, RetentionVerdict)>;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let (mut changes, mut verdicts, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for (tag, seen) in &self.tags {
            if let Some(keeping) = self.keeping(tables, tag, seen)? {
                verdicts.push((tag.clone(), RetentionVerdict::Kept(keeping)));
                continue;
            }
            gone.push(tag.clone());
            let with_image = self.is_last_hold(tables, &seen.digest, &gone)?;
            let (repository, digest) = (self.repository.clone(), seen.digest);
            changes.push(Change::TagDeleted { repository: repository.clone(), tag: tag.clone() });
            if with_image {
                changes.push(Change::ManifestDeleted { repository, digest, at: slot.now });
            }
            verdicts.push((tag.clone(), RetentionVerdict::Removed { with_image }));
        }
        if self.dry_run {
            changes.clear();
        }
        Ok(Accepted::new(changes, verdicts))
    }

    fn needs_room(&self) -> bool {
        false
    }
}

impl Removal {
    fn keeping(
        &self,
        tables: &Tables<Write<'_>>,
        tag: &Tag,
        seen: &TagRow,
    ) -> Result<Option<Keeping>, MetadataError> {
        if tables.tag(&self.repository, tag)?.as_ref() != Some(seen) {
            return Ok(Some(Keeping::Changed));
        }
        if let Some(keeping) = self.judge.keeping(tables, tag, seen)? {
            return Ok(Some(keeping));
        }
        Ok(self.guard.protects(&self.repository, tag).then_some(Keeping::Immutable))
    }

    /// Whether an image has no other tag than those that are `gone`, and nothing is made of it.
    fn is_last_hold(
        &self,
        tables: &Tables<Write<'_>>,
        digest: &Digest,
        gone: &[Tag],
    ) -> Result<bool, MetadataError> {
        let tags = tables.tags_of(&self.repository, digest, gone.len() + 1)?;
        let is_needed = !tables.needed_by(&self.repository, NeedKind::Manifest, digest, 1)?.is_empty();
        Ok(!is_needed && tags.iter().all(|tag| gone.contains(tag)))
    }
}
