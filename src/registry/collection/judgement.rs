//! What is dead.
//!
//! - A **blob** of a repository that no manifest of it is made of, the grace after it was last pushed, mounted, or dropped by
//!   its last manifest. The payload goes with its last repository.
//! - A **manifest** without a tag that never had one, and that is left behind by an index that it was part of or by its
//!   subject, the grace after that; where untagged manifests are not kept, any manifest without a tag, the grace after
//!   it was last pushed, or lost its last tag or what it was part of. Neither while an index has it, while its subject is
//!   there, or while something with a tag refers to it.

use std::time::Duration;

use crate::oci::{Digest, RepositoryName};
use crate::store::{Access, Held, MetadataError, NeedKind, ServedTime, Standing, Tables};

/// What decides about life and death.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) grace: Duration,
    pub(super) delete_untagged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Something refers to it, it is kept without, or it has gone.
    InUse,
    /// Nothing refers to it; so much of its grace is left.
    Young(Duration),
    Dead,
}

/// How long a chain of referrers is followed; what is at the end of a longer one is in use.
const LONGEST_CHAIN: usize = 8;

impl Rules {
    pub(super) fn judge<A: Access>(
        &self,
        tables: &Tables<A>,
        kind: NeedKind,
        held: &Held,
        now: ServedTime,
    ) -> Result<Judgement, MetadataError> {
        let Held { repository, digest } = held;
        if tables.is_needed(repository, kind, digest)? {
            return Ok(Judgement::InUse);
        }
        let since = match kind {
            NeedKind::Blob => tables.blob_link(repository, digest)?.map(|row| row.since),
            NeedKind::Manifest => self.manifest_unused_since(tables, repository, digest)?,
        };
        Ok(since.map_or(Judgement::InUse, |since| self.judge_age(now.since(since))))
    }

    fn judge_age(&self, age: Duration) -> Judgement {
        match self.grace.checked_sub(age).filter(|left| !left.is_zero()) {
            Some(left) => Judgement::Young(left),
            None => Judgement::Dead,
        }
    }

    /// Since when nothing has referred to a manifest that no index has; `None` if something does, or if it stays without.
    fn manifest_unused_since<A: Access>(
        &self,
        tables: &Tables<A>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<ServedTime>, MetadataError> {
        let Some(row) = tables.manifest(repository, digest)? else { return Ok(None) };
        if !self.delete_untagged && row.standing != Standing::LeftBehind {
            return Ok(None);
        }
        let has_subject = match &row.subject {
            Some(subject) => tables.manifest(repository, subject)?.is_some(),
            None => false,
        };
        let is_in_use = has_subject
            || !tables.tags_of(repository, digest, 1)?.is_empty()
            || has_lasting_referrer(tables, repository, digest, LONGEST_CHAIN)?;
        Ok((!is_in_use).then(|| row.unused_since()))
    }
}

/// Whether something refers to a manifest that does not go when it does.
fn has_lasting_referrer<A: Access>(
    tables: &Tables<A>,
    repository: &RepositoryName,
    subject: &Digest,
    chain: usize,
) -> Result<bool, MetadataError> {
    for referrer in tables.referrers_of(repository, subject)? {
        if chain == 0
            || !tables.tags_of(repository, &referrer, 1)?.is_empty()
            || tables.is_needed(repository, NeedKind::Manifest, &referrer)?
            || has_lasting_referrer(tables, repository, &referrer, chain - 1)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}
