//! What can happen to the metadata, as values.
//!
//! A change is decided once, against the tables as they are, and carries everything that applying it needs: times and
//! ids too. Applying it is then deterministic and cannot be refused. Variants and fields have fixed numbers: what a
//! number means never changes, and a new meaning is a new number.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::oci::{Digest, ManifestType, RepositoryName, Tag};
use crate::store::clock::{ServedTime, Timestamp};
use crate::store::ids::PayloadId;

use super::events::EventRow;
use super::rows::{Standing, UploadRow};

/// One change of the metadata.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Change {
    /// A payload has come in whole, was verified, and lies durably in its file. It takes the place of a damaged one.
    #[n(0)]
    BlobAdded {
        #[n(0)]
        digest: Digest,
        #[n(1)]
        size: u64,
        #[n(2)]
        file: PayloadId,
    },
    /// A small payload has come in whole, was verified, and rides in the same record of the log. It takes the place of a
    /// damaged one.
    #[n(9)]
    BlobLogged {
        #[n(0)]
        digest: Digest,
        #[n(1)]
        size: u64,
        /// Where it lies in its record, in bytes from the record's beginning.
        #[n(2)]
        offset: u64,
    },
    /// A payload of the log lies durably in a file of its own, which serves it from now on.
    #[n(10)]
    PayloadSettled {
        #[n(0)]
        digest: Digest,
        #[n(1)]
        file: PayloadId,
    },
    /// No repository holds this blob any more: its payload goes.
    #[n(11)]
    BlobRemoved {
        #[n(0)]
        digest: Digest,
    },
    /// The file of a payload that has gone is gone as well.
    #[n(12)]
    FileUnlinked {
        #[n(0)]
        digest: Digest,
        #[n(1)]
        file: PayloadId,
    },
    /// The place of a payload holds other bytes, or none: it is not served any more.
    #[n(15)]
    PayloadDamaged {
        #[n(0)]
        digest: Digest,
    },
    /// The place of a payload that counted as damaged holds its bytes after all.
    #[n(16)]
    PayloadSound {
        #[n(0)]
        digest: Digest,
    },
    /// A payload of which nothing but its size was looked at lies durably in its file. It takes the place of a damaged one, is
    /// served, and counts as unverified until it is found to be right.
    #[n(17)]
    BlobTaken {
        #[n(0)]
        digest: Digest,
        #[n(1)]
        size: u64,
        #[n(2)]
        file: PayloadId,
    },
    /// A repository holds a blob from now on, or was given it once more.
    #[n(1)]
    BlobLinked {
        #[n(0)]
        repository: RepositoryName,
        #[n(1)]
        digest: Digest,
        #[n(2)]
        at: Timestamp,
    },
    /// A repository no longer holds a blob.
    #[n(2)]
    BlobUnlinked {
        #[n(0)]
        repository: RepositoryName,
        #[n(1)]
        digest: Digest,
    },
    /// A repository holds a manifest from now on. One that it held under the same digest is replaced; its tags stay.
    #[n(3)]
    ManifestPut {
        #[n(0)]
        repository: RepositoryName,
        #[n(1)]
        digest: Digest,
        #[n(2)]
        media_type: ManifestType,
        #[n(3)]
        bytes: ByteVec,
        #[n(4)]
        needs: Vec<Need>,
        #[n(5)]
        subject: Option<Digest>,
        #[n(6)]
        artifact_type: Option<String>,
        #[n(7)]
        annotations: Option<BTreeMap<String, String>>,
        #[n(8)]
        at: Timestamp,
    },
    /// A repository no longer holds a manifest, nor any tag that pointed at it.
    #[n(4)]
    ManifestDeleted {
        #[n(0)]
        repository: RepositoryName,
        #[n(1)]
        digest: Digest,
        #[n(2)]
        at: Timestamp,
    },
    /// A tag points at a manifest from now on.
    #[n(5)]
    TagSet {
        #[n(0)]
        repository: RepositoryName,
        #[n(1)]
        tag: Tag,
        #[n(2)]
        digest: Digest,
        #[n(3)]
        at: Timestamp,
    },
    /// A tag is gone; its manifest stays.
    #[n(6)]
    TagDeleted {
        #[n(0)]
        repository: RepositoryName,
        #[n(1)]
        tag: Tag,
    },
    /// An upload session can be continued from here after a restart.
    #[n(7)]
    UploadMarked {
        #[n(0)]
        id: PayloadId,
        #[n(1)]
        upload: UploadRow,
    },
    /// An upload session has ended, whichever way.
    #[n(8)]
    UploadEnded {
        #[n(0)]
        id: PayloadId,
    },
    /// The store has been served up to here. What follows happens then, as far as ages are concerned.
    #[n(13)]
    TimePassed {
        #[n(0)]
        at: ServedTime,
    },
    /// What is known of a manifest for the case that nothing refers to it. Only what tells whole tables says so; everywhere else
    /// it follows from the other changes.
    #[n(14)]
    ManifestAged {
        #[n(0)]
        repository: RepositoryName,
        #[n(1)]
        digest: Digest,
        #[n(2)]
        since: ServedTime,
        #[n(3)]
        standing: Standing,
        #[n(4)]
        pulled: Option<ServedTime>,
    },
    /// Somebody has pulled a manifest.
    #[n(22)]
    ManifestPulled {
        #[n(0)]
        repository: RepositoryName,
        #[n(1)]
        digest: Digest,
        #[n(2)]
        at: ServedTime,
    },
    /// Since when a tag points where it does. Only what tells whole tables says so; everywhere else it follows from the other
    /// changes.
    #[n(23)]
    TagAged {
        #[n(0)]
        repository: RepositoryName,
        #[n(1)]
        tag: Tag,
        #[n(2)]
        since: ServedTime,
    },
    /// What happens beside this is to be told to those who asked for it.
    #[n(18)]
    EventRecorded {
        #[n(0)]
        number: u64,
        #[n(1)]
        event: EventRow,
    },
    /// Events up to this number are not kept any more.
    #[n(19)]
    EventsForgotten {
        #[n(0)]
        up_to: u64,
    },
    /// What a repository holds is counted anew, or without one how large all payloads are.
    #[n(21)]
    UsageRecounted {
        #[n(0)]
        repository: Option<RepositoryName>,
    },
    /// Up to which number each endpoint was told.
    #[n(20)]
    EndpointsTold {
        #[n(0)]
        told: BTreeMap<String, u64>,
    },
    /// An import has brought a manifest, or has set a tag to it. That is forgotten as soon as anybody puts the one, or sets the
    /// other.
    #[n(24)]
    Imported {
        #[n(0)]
        repository: RepositoryName,
        #[n(1)]
        digest: Digest,
        #[n(2)]
        tag: Option<Tag>,
    },
}

/// Content that a manifest is made of, as its repository keeps account of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Need {
    #[n(0)]
    pub kind: NeedKind,
    #[n(1)]
    pub digest: Digest,
    /// Whether it was found when the manifest was accepted, so that it has to be there as long as the manifest is.
    #[n(2)]
    pub present: bool,
}

/// Where needed content is looked for: blobs and manifests are two name spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum NeedKind {
    #[n(0)]
    Blob,
    #[n(1)]
    Manifest,
}

impl NeedKind {
    /// How it stands in keys.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Blob => 0,
            Self::Manifest => 1,
        }
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Blob),
            1 => Some(Self::Manifest),
            _ => None,
        }
    }
}
