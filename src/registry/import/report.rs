//! What an import has come to.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::oci::{Digest, Tag};
use crate::store::{Method, Tally};

/// How many of what was skipped are kept to be told at the end.
const LISTED: usize = 10_000;
/// How many tags of each.
const TAGS: usize = 100;

/// What is told of an import while it goes on.
#[derive(Debug)]
pub enum ImportNews<'a> {
    /// So far it has come to this.
    Progress(&'a ImportReport),
    /// So many bytes of an archive were read, which comes first.
    Unpacking(u64),
    /// Something that people should know.
    Note(String),
    Skipped(&'a Skipped),
}

/// What an import has come to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ImportReport {
    /// Those of the source that were looked at.
    pub repositories: u64,
    pub manifests: Counted,
    pub tags: Counted,
    /// How many blobs repositories hold that they did not hold before.
    pub blobs: u64,
    /// How payloads came in.
    pub payloads: BTreeMap<Method, Tally>,
    /// How many of these nobody has compared with their digests yet.
    pub unverified: u64,
    /// Tags that moved there, and so here.
    pub moved_tags: u64,
    /// What was deleted there, and so here.
    pub deleted_tags: u64,
    pub deleted_manifests: u64,
    /// Tags that somebody has set here to something else than there.
    pub kept_tags: u64,
    /// Indexes that lack images here as they do there.
    pub sparse_indexes: u64,
    /// Links to blobs that no manifest needs and that are gone: distribution's garbage collection leaves them.
    pub stale_links: u64,
    /// How much was skipped.
    pub skipped: u64,
    /// The first of it.
    pub skipped_first: Vec<Skipped>,
    /// How many payloads and manifests the source has.
    pub objects: u64,
    /// How many of them were looked at.
    pub objects_done: u64,
}

/// Things of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counted {
    pub new: u64,
    /// They were here already.
    pub present: u64,
}

/// Something that did not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub repository: String,
    /// What of it; all of it without.
    #[serde(flatten)]
    pub thing: Option<Thing>,
    pub reason: String,
    /// The tags that cannot be pulled because of it, or the first of them.
    pub tags: Vec<Tag>,
}

/// What did not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Thing {
    Manifest(Digest),
    /// A blob that no manifest needs.
    Blob(Digest),
    Tag(String),
    /// Something that lies where one of these should.
    Other(String),
}

impl ImportReport {
    /// Keeps account of something that did not come.
    pub(super) fn skip(&mut self, mut skipped: Skipped) -> Skipped {
        skipped.tags.truncate(TAGS);
        self.skipped += 1;
        if self.skipped_first.len() < LISTED {
            self.skipped_first.push(skipped.clone());
        }
        skipped
    }

    pub(super) fn note_payload(&mut self, method: Method, bytes: u64) {
        let tally = self.payloads.entry(method).or_default();
        tally.payloads += 1;
        tally.bytes += bytes;
    }

    /// All payloads that have come in.
    pub fn total(&self) -> Tally {
        self.payloads.values().fold(Tally::default(), |total, tally| Tally {
            payloads: total.payloads + tally.payloads,
            bytes: total.bytes + tally.bytes,
        })
    }
}

/// As whoever looks for it calls it.
impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repository, thing, reason, tags } = self;
        match thing {
            None => write!(f, "repository {repository:?}: {reason}")?,
            Some(Thing::Manifest(digest)) => write!(f, "manifest {repository}@{digest}: {reason}")?,
            Some(Thing::Blob(digest)) => write!(f, "blob {repository}@{digest}: {reason}")?,
            Some(Thing::Tag(tag)) => write!(f, "tag {repository}:{tag}: {reason}")?,
            Some(Thing::Other(name)) => write!(f, "{name:?} in {repository}: {reason}")?,
        }
        match tags.is_empty() {
            true => Ok(()),
            false => {
                let tags: Vec<_> = tags.iter().map(|tag| format!("{repository}:{tag}")).collect();
                write!(f, "; breaks {}", tags.join(", "))
            }
        }
    }
}
