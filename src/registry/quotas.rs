//! Quotas: how much repositories may hold, and all of them together.
//!
//! What a request would add is known once its operation is decided, in the writer's transaction: [`Bounded`] decides then whether
//! that is too much, so that no number of requests at once comes past a quota. Whoever begins an upload where there is no room left is
//! told before a byte of it is sent.

use std::fmt;
use std::sync::Arc;

use crate::observe::metrics::metrics;
use crate::oci::{Glob, RepositoryName};
use crate::store::{
    Accepted, Change, Decision, Decline, MetadataError, Operation, Slot, Tables, UsageRow, Write,
};

use super::{Error, Registry};

/// What may be held.
#[derive(Debug, Clone, Default)]
pub struct Quotas {
    /// How large all payloads together may be, in bytes.
    pub size: Option<u64>,
    /// For each repository by itself.
    pub repositories: Arc<[RepositoryQuota]>,
}

/// What each repository may hold that one of the patterns matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryQuota {
    pub at: Vec<Glob>,
    /// Of its blobs and manifests, those included that others hold as well; in bytes.
    pub size: Option<u64>,
    pub tags: Option<u64>,
}

/// Something that would come to more than is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// Whose quota it is; that of the whole registry without one.
    pub repository: Option<RepositoryName>,
    pub measure: Measure,
    pub limit: u64,
    pub used: u64,
    /// What would be added.
    pub more: u64,
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Bytes,
    Tags,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repository, measure, limit, used, more } = self;
        match repository {
            Some(name) => write!(f, "{name} ")?,
            None => f.write_str("the registry ")?,
        }
        let (unit, free) = match measure {
            Measure::Bytes => {
                ("bytes", "delete tags that nobody needs, and let the collection free what was theirs")
            }
            Measure::Tags => ("tags", "delete tags that nobody needs"),
        };
        write!(
            f,
            "holds {used} of the {limit} {unit} that its quota allows, and this would add {more}: {free}, or have the quota raised"
        )
    }
}

impl Quotas {
    fn are_set(&self) -> bool {
        self.size.is_some() || !self.repositories.is_empty()
    }

    /// Those for a repository.
    fn of<'a>(&'a self, repository: &'a RepositoryName) -> impl Iterator<Item = &'a RepositoryQuota> {
        let matches =
            |quota: &&RepositoryQuota| quota.at.iter().any(|glob| glob.matches(repository.as_str()));
        self.repositories.iter().filter(matches)
    }

    /// What a repository would come to that is too much for it.
    fn excess_of(&self, repository: &RepositoryName, usage: UsageRow, added: &Added) -> Option<Excess> {
        let name = Some(repository);
        self.of(repository).find_map(|quota| {
            excess(name, Measure::Bytes, quota.size, usage.bytes(), added.bytes)
                .or_else(|| excess(name, Measure::Tags, quota.tags, usage.tags, added.tags))
        })
    }
}

/// What `used` and `more` come to, if that is above the limit.
fn excess(
    repository: Option<&RepositoryName>,
    measure: Measure,
    limit: Option<u64>,
    used: u64,
    more: u64,
) -> Option<Excess> {
    let limit = limit.filter(|limit| more > 0 && used.saturating_add(more) > *limit)?;
    Some(Excess { repository: repository.cloned(), measure, limit, used, more })
}

impl Registry {
    /// Whether so many bytes more may come into a repository, as far as can be told before they have: what comes may lie on the
    /// disk already, so only the repository's own quota counts.
    pub fn expect_quota(&self, repository: &RepositoryName, bytes: u64) -> Result<(), Error> {
        let quotas = self.quotas();
        if quotas.repositories.is_empty() {
            return Ok(());
        }
        let usage = self.store.read().usage(repository)?;
        let added = Added { bytes: bytes.max(1), ..Added::default() };
        match quotas.excess_of(repository, usage, &added) {
            Some(excess) => Err(exceeded(excess)),
            None => Ok(()),
        }
    }
}

fn exceeded(excess: Excess) -> Error {
    metrics().quota_refusals.inc();
    Error::QuotaExceeded(excess)
}

/// An operation whose changes stay within the quotas, or are refused.
pub(super) struct Bounded<O> {
    pub(super) operation: O,
    pub(super) quotas: Quotas,
}

impl<O: Operation<Refusal = Error>> Operation for Bounded<O> {
    type Outcome = O::Outcome;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let Self { operation, quotas } = self;
        let accepted: Accepted<O::Outcome> = operation.decide(tables, slot)?;
        if quotas.are_set()
            && let Some((repository, added)) = Added::by(tables, &accepted.changes)?
        {
            let (usage, payload_bytes) = (tables.usage(&repository)?, tables.payload_bytes()?);
            let of_all = || excess(None, Measure::Bytes, quotas.size, payload_bytes, added.payload_bytes);
            if let Some(excess) = quotas.excess_of(&repository, usage, &added).or_else(of_all) {
                return Err(Decline::Refused(exceeded(excess)));
            }
        }
        Ok(accepted)
    }

    fn needs_room(&self) -> bool {
        self.operation.needs_room()
    }

    fn payload_size(&self) -> u64 {
        self.operation.payload_size()
    }
}

/// What changes would add.
#[derive(Debug, Default)]
struct Added {
    /// To what the repository holds.
    bytes: u64,
    /// To what lies on the disk.
    payload_bytes: u64,
    tags: u64,
}

impl Added {
    /// What the changes of one operation add, and to which repository; nothing if they add nothing.
    fn by(
        tables: &Tables<Write<'_>>,
        changes: &[Change],
    ) -> Result<Option<(RepositoryName, Self)>, MetadataError> {
        let (mut added, mut at, mut brought) = (Self::default(), None, 0);
        for change in changes {
            match change {
                Change::BlobAdded { digest, size, .. } | Change::BlobLogged { digest, size, .. } => {
                    brought = *size;
                    let known = tables.blob(digest)?.is_some();
                    added.payload_bytes += if known { 0 } else { *size };
                }
                Change::BlobLinked { repository, digest, .. } => {
                    if tables.blob_link(repository, digest)?.is_none() {
                        added.bytes += tables.blob(digest)?.map_or(brought, |row| row.size);
                    }
                    at = Some(repository);
                }
                Change::ManifestPut { repository, digest, bytes, .. } => {
                    if tables.manifest(repository, digest)?.is_none() {
                        added.bytes += bytes.len() as u64;
                    }
                    at = Some(repository);
                }
                Change::TagSet { repository, tag, .. } => {
                    added.tags += u64::from(tables.tag(repository, tag)?.is_none());
                    at = Some(repository);
                }
                _ => {}
            }
        }
        Ok(at.map(|repository| (repository.clone(), added)))
    }
}
