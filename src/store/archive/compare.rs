//! Comparing the archive and the log with the database.

use std::thread;
use std::time::Duration;

use crate::store::disk::Disk;
use crate::store::layout::Layout;
use crate::store::metadata::{Change, Metadata, MetadataError, Snapshot};

use super::ArchiveError;
use super::rebuild::{rebuild, scratch};

/// How often it is tried while the store goes on, and how long it is waited in between: a store that had no archive has one
/// moments after its start.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// What the metadata would be without the database, compared with what they are. Says what differs first.
pub(in crate::store) fn compare(
    disk: &dyn Disk,
    layout: &Layout,
    metadata: &Metadata,
) -> Result<Option<String>, ArchiveError> {
    for _ in 1..ATTEMPTS {
        match compare_once(disk, layout, metadata) {
            Err(error) if error.is_passing() => thread::sleep(PAUSE),
            compared => return compared,
        }
    }
    compare_once(disk, layout, metadata)
}

/// The same in a store in which nothing moves.
pub(in crate::store) fn compare_once(
    disk: &dyn Disk,
    layout: &Layout,
    metadata: &Metadata,
) -> Result<Option<String>, ArchiveError> {
    let tables = metadata.read();
    let last = tables.position()?.map_or(0, |position| position.sequence);
    match rebuild(disk, layout, scratch(disk, &layout.archive())?, last, &mut |_| ())? {
        (rebuilt, reach) if reach.sequence == last => Ok(difference(&tables, &rebuilt.read())?),
        (_, reach) => Err(ArchiveError::Elsewhere { found: reach.sequence, wanted: last }),
    }
}

/// The first change that one of them is made of, and the other is not.
fn difference(tables: &Snapshot, rebuilt: &Snapshot) -> Result<Option<String>, MetadataError> {
    // Which uploads go on is found out at a start, from their files, without a record of it.
    let is_told = |told: &Result<(_, Change), _>| !matches!(told, Ok((_, Change::UploadMarked { .. })));
    let (mut ours, mut theirs) = (tables.retell()?.filter(is_told), rebuilt.retell()?.filter(is_told));
    loop {
        match (ours.next().transpose()?, theirs.next().transpose()?) {
            (None, None) => return Ok(None),
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => return Ok(Some(format!("the database has {ours:?}, the archive {theirs:?}"))),
        }
    }
}
