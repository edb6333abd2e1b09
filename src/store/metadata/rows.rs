//! The values of the tables. Fields have fixed numbers, so that later versions can add some.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::oci::{Algorithm, Digest, ManifestType, RepositoryName};
use crate::store::clock::{ServedTime, Timestamp};
use crate::store::ids::PayloadId;

/// A payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct BlobRow {
    /// In bytes.
    #[n(0)]
    pub size: u64,
    #[n(1)]
    pub place: Place,
    /// Whether other bytes than those of its digest were found in its place. It is not served until it is pushed again, or found
    /// to be right after all.
    #[n(2)]
    #[cbor(default)]
    pub is_damaged: bool,
    /// Whether nobody has compared it with its digest yet: an import has taken it by its size.
    #[n(3)]
    #[cbor(default)]
    pub is_unverified: bool,
}

/// Where a payload lies. Exactly one place serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Place {
    /// In its own file.
    #[n(0)]
    File {
        /// The last part of the file's name.
        #[n(0)]
        id: PayloadId,
    },
    /// In a segment of the log.
    #[n(1)]
    Log {
        #[n(0)]
        segment: u64,
        /// In bytes from the segment's beginning.
        #[n(1)]
        offset: u64,
    },
}

/// That a repository holds a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LinkRow {
    /// When it was last pushed, mounted, or dropped by its last manifest.
    #[n(0)]
    pub since: ServedTime,
}

/// A manifest in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ManifestRow {
    #[n(0)]
    pub media_type: ManifestType,
    #[n(1)]
    pub size: u64,
    #[n(2)]
    pub subject: Option<Digest>,
    #[n(3)]
    pub pushed: Timestamp,
    /// When it was last pushed, or dropped: by a tag, by the last index that it was part of, by its subject. Layouts before
    /// the third kept no account of it: 0.
    #[n(4)]
    #[cbor(default)]
    pub since: ServedTime,
    #[n(5)]
    #[cbor(default)]
    pub standing: Standing,
    /// When it was last pulled, where anybody wants to know; at the most an hour before it really was.
    #[n(6)]
    pub pulled: Option<ServedTime>,
    /// Whether an import has brought it, and nobody has put it since.
    #[n(7)]
    #[cbor(default)]
    pub is_imported: bool,
}

impl ManifestRow {
    /// From when on its age is counted, should nothing refer to it.
    pub fn unused_since(&self) -> ServedTime {
        match self.since {
            ServedTime(0) => ServedTime(self.pushed.0),
            since => since,
        }
    }
}

/// What has referred to a manifest so far, for those that nothing refers to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Standing {
    /// A tag points at it, or has; or nobody kept account.
    #[default]
    #[n(0)]
    Tagged,
    /// It never had a tag, and nothing has left it behind.
    #[n(1)]
    Alone,
    /// It never had a tag, and what it was part of or about is gone.
    #[n(2)]
    LeftBehind,
}

/// Where a tag points.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TagRow {
    #[n(0)]
    pub digest: Digest,
    #[n(1)]
    pub set: Timestamp,
    /// The same, as ages are told. Layouts before the fourth kept no account of it: 0.
    #[n(2)]
    #[cbor(default)]
    pub since: ServedTime,
    /// Whether an import has set it, and nobody has set it since.
    #[n(3)]
    #[cbor(default)]
    pub is_imported: bool,
}

/// What a listing of referrers says of a manifest, beside its digest.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ReferrerRow {
    #[n(0)]
    pub media_type: ManifestType,
    #[n(1)]
    pub size: u64,
    #[n(2)]
    pub artifact_type: Option<String>,
    #[n(3)]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// The state of an upload session that survives a restart: its last mark.
///
/// The first `offset` bytes of the session's file were synced before the mark was made.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct UploadRow {
    #[n(0)]
    pub repository: RepositoryName,
    #[n(1)]
    pub algorithm: Algorithm,
    #[n(2)]
    pub offset: u64,
    /// The hash function's state after `offset` bytes, where the algorithm can export it.
    #[n(3)]
    pub hash_state: Option<ByteVec>,
    #[n(4)]
    pub started: Timestamp,
    /// When bytes last arrived.
    #[n(5)]
    pub touched: ServedTime,
    /// Who began it, where anybody was asked; versions before 0.2 never did.
    #[n(6)]
    pub owner: Option<OwnerRow>,
}

/// Who began an upload.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OwnerRow {
    /// Their name.
    #[n(0)]
    pub who: String,
    /// The BLAKE3 hash of the token with which they did, which stays good for the upload.
    #[n(1)]
    pub token: Option<ByteVec>,
}
