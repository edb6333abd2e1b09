//! Which call fails, and at which one everything stops.

use std::collections::BTreeMap;
use std::io;

use super::random::Random;

/// The kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Create,
    Open,
    OpenForReading,
    Rename,
    Link,
    Unlink,
    CreateFolder,
    SyncFolder,
    List,
    /// Of a name or of an open file.
    Length,
    Read,
    /// Of one slice or of several.
    Write,
    SetLength,
    Allocate,
    Sync,
    StartWriteback,
    SyncAll,
}

impl Call {
    /// All that a store makes of itself; links are made for backups alone.
    pub const ALL: [Self; 16] = [
        Self::Create,
        Self::Open,
        Self::OpenForReading,
        Self::Rename,
        Self::Unlink,
        Self::CreateFolder,
        Self::SyncFolder,
        Self::List,
        Self::Length,
        Self::Read,
        Self::Write,
        Self::SetLength,
        Self::Allocate,
        Self::Sync,
        Self::StartWriteback,
        Self::SyncAll,
    ];

    fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::OpenForReading | Self::List | Self::Length | Self::Read)
    }
}

/// How a planned call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The device does (`EIO`), once.
    Device,
    /// There is no room (`ENOSPC`), once.
    Full,
    /// There is no room for this call nor for any later one of its kind.
    FullForGood,
}

impl Failure {
    fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Self::Device => libc::EIO,
            Self::Full | Self::FullForGood => libc::ENOSPC,
        })
    }
}

/// What is to become of a call.
pub(super) enum Verdict {
    Go,
    Fail(io::Error),
    /// It answers an error like all that come after it, but may have happened.
    Stop {
        happens: bool,
    },
}

/// What is planned for one life.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    calls: BTreeMap<Call, u64>,
    /// The changing ones, in order.
    changes: Vec<Call>,
    /// After how many of those.
    stop: Option<usize>,
    has_stopped: bool,
    failures: Vec<(Call, u64, Failure)>,
    has_failed: bool,
}

impl Plan {
    pub(super) fn stop_after(&mut self, calls: usize) {
        self.stop = Some(self.changes.len() + calls);
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    pub(super) fn fail(&mut self, kind: Call, calls: u64, failure: Failure) {
        self.failures.push((kind, self.calls(kind) + calls, failure));
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(super) fn calls(&self, kind: Call) -> u64 {
        self.calls.get(&kind).copied().unwrap_or_default()
    }

    pub(super) fn changes(&self) -> &[Call] {
        &self.changes
    }

    /// Counts a call and judges it.
    pub(super) fn next(&mut self, kind: Call, random: &mut Random) -> Verdict {
        if self.has_stopped {
            return Verdict::Stop { happens: false };
        }
        let number = self.calls(kind);
        self.calls.insert(kind, number + 1);
        if kind.changes() {
            if self.stop == Some(self.changes.len()) {
                self.has_stopped = true;
                return Verdict::Stop { happens: random.chance(50) };
            }
            self.changes.push(kind);
        }
        match self.failures.iter().find(|planned| strikes(planned, kind, number)) {
            None => Verdict::Go,
            Some((_, _, failure)) => {
                self.has_failed = true;
                Verdict::Fail(failure.error())
            }
        }
    }
}

fn strikes((planned, at, failure): &(Call, u64, Failure), kind: Call, number: u64) -> bool {
    *planned == kind
        && match failure {
            Failure::Device | Failure::Full => number == *at,
            Failure::FullForGood => number >= *at,
        }
}
