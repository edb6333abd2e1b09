//! What a pass has found.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, RepositoryName};
use crate::store::{Held, NeedKind, PayloadId};

/// Something that nothing refers to, and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub thing: Thing,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Thing {
    Manifest { repository: RepositoryName, digest: Digest },
    Blob { repository: RepositoryName, digest: Digest },
    Upload { repository: RepositoryName, id: PayloadId },
}

impl Thing {
    pub(super) fn held(kind: NeedKind, Held { repository, digest }: Held) -> Self {
        match kind {
            NeedKind::Manifest => Self::Manifest { repository, digest },
            NeedKind::Blob => Self::Blob { repository, digest },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is gone; in a dry run, it would be.
    Removed {
        /// How much room that makes: none while another repository holds the same.
        bytes: u64,
    },
    Kept(Why),
}

/// Why something is kept that nothing refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// Its grace is not over.
    Young { left: Duration },
    /// Somebody was told that it is there, or may have been: before the server was started, say.
    Vouched,
    /// An upload is open in its repository, whose manifest may need it.
    Uploading,
}

/// What a pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    pub manifests: u64,
    pub blobs: u64,
    pub uploads: u64,
    /// How much room was made.
    pub bytes: u64,
    /// How many things are kept because their grace is not over, and how long it is until the first one's is.
    pub young: u64,
    pub next: Option<Duration>,
    /// How many are kept because somebody may rely on them.
    pub vouched: u64,
    /// How many are kept for uploads that are open.
    pub uploading: u64,
}

impl Report {
    pub(super) fn note(&mut self, finding: &Finding) {
        match finding.verdict {
            Verdict::Removed { bytes } => {
                self.bytes += bytes;
                *self.removed_mut(&finding.thing) += 1;
            }
            Verdict::Kept(Why::Young { left }) => {
                self.young += 1;
                self.next = Some(self.next.map_or(left, |next| next.min(left)));
            }
            Verdict::Kept(Why::Vouched) => self.vouched += 1,
            Verdict::Kept(Why::Uploading) => self.uploading += 1,
        }
    }

    fn removed_mut(&mut self, thing: &Thing) -> &mut u64 {
        match thing {
            Thing::Manifest { .. } => &mut self.manifests,
            Thing::Blob { .. } => &mut self.blobs,
            Thing::Upload { .. } => &mut self.uploads,
        }
    }

    /// How many things have gone.
    pub fn removed(&self) -> u64 {
        self.manifests + self.blobs + self.uploads
    }
}
