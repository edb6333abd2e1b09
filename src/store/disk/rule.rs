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
    /// What is answered was committed durably.
    DurableCommit,
    /// Nothing is answered before it was committed.
    AnswerAfterCommit,
    /// Folders that are found are synced like those that are created: whoever created them may have been killed before
    /// it could.
    NameFolders,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SyncPayload,
        Self::NamePayload,
        Self::SyncMark,
        Self::NameUpload,
        Self::DurableCommit,
        Self::AnswerAfterCommit,
        Self::NameFolders,
    ];
}
