//! Every table, its key and its value, and what ties it to the others.
//!
//! Keys begin with what listings range over, so that a listing is one ordered scan and a question one look-up.
//! Digests in keys are [`DigestKey`](super::keys::DigestKey)s, values are encoded [`rows`](super::rows).

use redb::{
    Key, ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, Value, WriteTransaction,
};

use super::MetadataError;

/// How tables are held: see [`Read`] and [`Write`].
pub trait Access {
    type Table<K: Key + 'static, V: Value + 'static>: ReadableTable<K, V>;
}

/// Tables of a read transaction: they stay as they were when it began.
#[derive(Debug)]
pub struct Read;

/// Tables of the write transaction `'txn`.
#[derive(Debug)]
pub struct Write<'txn>(std::marker::PhantomData<&'txn WriteTransaction>);

impl Access for Read {
    type Table<K: Key + 'static, V: Value + 'static> = ReadOnlyTable<K, V>;
}

impl<'txn> Access for Write<'txn> {
    type Table<K: Key + 'static, V: Value + 'static> = Table<'txn, K, V>;
}

macro_rules! tables {
    ($( $(#[$doc:meta])* $field:ident: $key:ty => $value:ty, )*) => {
        /// All tables, open.
        pub struct Tables<A: Access> {
            $( $(#[$doc])* pub(super) $field: A::Table<$key, $value>, )*
        }

        impl Tables<Read> {
            pub(super) fn open_for_reading(transaction: &ReadTransaction) -> Result<Self, MetadataError> {
                Ok(Self { $( $field: transaction.open_table(TableDefinition::new(stringify!($field)))?, )* })
            }
        }

        impl<'txn> Tables<Write<'txn>> {
            pub(super) fn open_for_writing(transaction: &'txn WriteTransaction) -> Result<Self, MetadataError> {
                Ok(Self { $( $field: transaction.open_table(TableDefinition::new(stringify!($field)))?, )* })
            }
        }
    };
}

tables! {
    /// digest → [`BlobRow`](super::rows::BlobRow): every payload. Its place holds it whole unless the row says that it is
    /// damaged, and some repository holds the blob.
    blobs: &'static [u8] => &'static [u8],

    /// (repository, digest) → [`LinkRow`](super::rows::LinkRow): which repository holds which blob. The digest is in `blobs`.
    blob_links: (&'static str, &'static [u8]) => &'static [u8],

    /// (digest, repository): `blob_links` the other way round.
    blob_holders: (&'static [u8], &'static str) => (),

    /// (repository, digest) → [`ManifestRow`](super::rows::ManifestRow): the manifests of a repository. The digest is in `manifest_bytes`.
    manifests: (&'static str, &'static [u8]) => &'static [u8],

    /// digest → the manifest's bytes as pushed, once for all repositories. Some repository holds it.
    manifest_bytes: &'static [u8] => &'static [u8],

    /// (digest, repository): `manifests` the other way round.
    manifest_holders: (&'static [u8], &'static str) => (),

    /// repository: those that have a manifest, which are those that the catalog lists.
    catalog: &'static str => (),

    /// (repository, tag) → [`TagRow`](super::rows::TagRow). The manifest that it names is in the same repository.
    tags: (&'static str, &'static str) => &'static [u8],

    /// (repository, digest, tag): `tags` by the manifest that they point at.
    tags_by_manifest: (&'static str, &'static [u8], &'static str) => (),

    /// (repository, manifest, kind, digest) → whether it must be there: what each manifest is made of.
    needs: (&'static str, &'static [u8], u8, &'static [u8]) => bool,

    /// (repository, kind, digest, manifest): `needs` the other way round, so that "may this go?" is one seek.
    needed_by: (&'static str, u8, &'static [u8], &'static [u8]) => (),

    /// (repository, subject, manifest) → [`ReferrerRow`](super::rows::ReferrerRow): the manifests whose `subject` a digest is. The subject need
    /// not exist; the manifest is in the same repository.
    referrers: (&'static str, &'static [u8], &'static [u8]) => &'static [u8],

    /// session id → [`UploadRow`](super::rows::UploadRow): upload sessions, from their first mark on. The file of that name in
    /// `uploads/` has at least the row's offset in bytes.
    uploads: &'static [u8] => &'static [u8],

    /// (segment, offset) → digest: the payloads that lie in the log. `blobs` gives each of them this place.
    log_payloads: (u64, u64) => &'static [u8],

    /// (digest, file): the files of payloads that have gone, to be unlinked once a durable commit has this. None of them
    /// is the place of a payload.
    doomed_files: (&'static [u8], &'static [u8]) => (),

    /// repository → [`UsageRow`](super::usage::UsageRow): how much it holds, which is what its rows in `blob_links`, `manifests` and
    /// `tags` come to. One that holds nothing has no row.
    usage: &'static str => &'static [u8],

    /// number → [`EventRow`](super::events::EventRow): events that somebody is still to be told of. None has a number above the
    /// newest one in `state`.
    events: u64 => &'static [u8],

    /// name → value. `position`: how far the log is applied, a [`Position`](crate::store::log::Position). `layout`: the version of the
    /// layout that the tables are in. `served`: for how long the store was served, a [`ServedTime`](crate::store::ServedTime).
    /// `stored`: the size of all payloads in `blobs`, in bytes. `outbox`: how far the events have come, an [`OutboxRow`](super::events::OutboxRow).
    state: &'static str => &'static [u8],
}
