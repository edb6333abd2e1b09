//! The rules that durability rests on, by name.

/// A step that must not be left out. Where it is taken, the store asks [`Disk::keeps`](super::Disk::keeps) first; so a
/// test can leave out one at a time and see that the loss is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A payload's bytes are synced before its file gets its final name.
    SyncPayload,
    /// The folder of the final name is synced before anything names the payload.
    NamePayload,
    /// The bytes of an upload are synced before its mark is recorded.
    SyncMark,
    /// The folder of the uploads is synced before the first mark is recorded.
    NameUpload,
    /// The database's name is durable before the folder is declared a store.
    NameMetadata,
    /// The database's file is synced where the database asks for it.
    SyncMetadata,
    /// Who relies on a checkpoint waits until the disk has it.
    AwaitCheckpoint,
    /// A small file's bytes are synced before it gets its name.
    SyncWhole,
    /// A record of the log is synced before anybody is answered.
    SyncRecord,
    /// A segment of the log is named durably before its first record.
    NameSegment,
    /// A segment of the log that is written over has lost its old name durably before it gets its new header.
    RenameRetired,
    /// A segment of the log that somebody reads is not written over.
    SpareReaders,
    /// A segment of the log is synced to its end before a record goes into the next.
    SyncSegment,
    /// A segment of the log is deleted only when no payload lies in it.
    KeepPayloads,
    /// A record is taken for one only if its checksum is right.
    VerifyRecord,
    /// The log ends at a record that is not whole only if no later one says that it had been synced.
    NoticeLoss,
    /// What is replayed is copied and synced before anybody is served.
    CopyTail,
    /// What is replayed is covered by a durable commit before anybody is served.
    CommitReplayed,
    /// A settled payload's bytes are synced before "settled" is logged.
    SyncSettled,
    /// A settled payload's folder is synced before "settled" is logged.
    NameSettled,
    /// A settled payload's file takes the place that was copied and no other: a file that has come since would be nobody's.
    ExactPlace,
    /// A segment of the log is deleted only after a durable commit that needs nothing of it.
    DeleteAfterCheckpoint,
    /// The file of a payload that has gone is unlinked only after a durable commit that has it gone.
    UnlinkAfterCheckpoint,
    /// A payload's file that is about to be named is not swept out.
    SpareInFlight,
    /// A segment of the log is deleted only when the archive has its changes.
    KeepChanges,
    /// A file of the archive is synced before it gets its name.
    SyncArchive,
    /// The archive's folder is synced before what a file of it has is deleted.
    NameArchive,
    /// Folders that are found are synced like those that are created: whoever created them may have been killed before
    /// it could.
    NameFolders,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::SyncPayload,
        Self::NamePayload,
        Self::SyncMark,
        Self::NameUpload,
        Self::NameMetadata,
        Self::SyncMetadata,
        Self::AwaitCheckpoint,
        Self::SyncWhole,
        Self::SyncRecord,
        Self::NameSegment,
        Self::RenameRetired,
        Self::SpareReaders,
        Self::SyncSegment,
        Self::KeepPayloads,
        Self::VerifyRecord,
        Self::NoticeLoss,
        Self::CopyTail,
        Self::CommitReplayed,
        Self::SyncSettled,
        Self::NameSettled,
        Self::ExactPlace,
        Self::DeleteAfterCheckpoint,
        Self::UnlinkAfterCheckpoint,
        Self::SpareInFlight,
        Self::KeepChanges,
        Self::SyncArchive,
        Self::NameArchive,
        Self::NameFolders,
    ];
}
