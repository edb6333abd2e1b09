//! What an export has come to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, RepositoryName, Tag};
use crate::store::{Summary, Tally};

/// What is told of an export while it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExportNews {
    /// So much there is to bring out, if all repositories are wanted.
    Ahead(Tally),
    /// So far these payloads and manifests were brought out. Now and then.
    Carried(Summary),
    LeftOut(LeftOut),
}

/// What an export has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExportReport {
    pub repositories: u64,
    pub manifests: u64,
    pub tags: u64,
    /// How payloads, and manifests, came to their files.
    pub payloads: Summary,
    /// Tags and manifests of an earlier export that are here no more, and so not there.
    pub removed: u64,
    /// Manifests that refer to another one, as signatures do.
    pub referrers: u64,
    /// Indexes that lack images there, most of them because they do here.
    pub sparse_indexes: u64,
    /// How much was left out.
    pub left_out: u64,
}

/// Something that was not exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub repository: RepositoryName,
    /// The manifest; none where it is the whole repository.
    pub manifest: Option<Digest>,
    pub reason: String,
    /// The tags that cannot be pulled because of it, or the first of them.
    pub tags: Vec<Tag>,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repository, manifest, reason, tags } = self;
        match manifest {
            Some(digest) => write!(f, "manifest {repository}@{digest}: {reason}")?,
            None => write!(f, "repository {repository}: {reason}")?,
        }
        if !tags.is_empty() {
            let tags: Vec<_> = tags.iter().map(|tag| format!("{repository}:{tag}")).collect();
            write!(f, "; breaks {}", tags.join(", "))?;
        }
        Ok(())
    }
}
