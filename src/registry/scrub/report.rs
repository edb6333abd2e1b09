//! What a pass has found.

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, RepositoryName};
use crate::registry::Dependent;
use crate::store::Tally;

/// What is told of a pass while it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScrubNews {
    /// So much there is to read, about.
    Ahead(Tally),
    /// So much has been read so far.
    Read {
        payloads: u64,
        bytes: u64,
    },
    Damaged(Damage),
    /// A payload of which nothing could be found out.
    Unread {
        digest: Digest,
        problem: String,
    },
}

/// A damaged payload, and whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    pub digest: Digest,
    /// That it should have, in bytes.
    pub size: u64,
    /// What is wrong with it.
    pub problem: String,
    /// Those that hold it.
    pub repositories: Vec<RepositoryName>,
    /// What cannot be pulled because of it.
    pub broken: Vec<Dependent>,
    /// Whether these are all; if not they are the first.
    pub is_whole: bool,
}

/// What a pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScrubReport {
    /// How many payloads were looked at.
    pub payloads: u64,
    /// How much was read.
    pub bytes: u64,
    pub damaged: u64,
    /// How many had been found damaged before, and are right.
    pub restored: u64,
    /// How many an import had taken by their size alone, and are right.
    #[serde(default)]
    pub verified: u64,
    /// Of how many nothing could be found out.
    pub unread: u64,
}
