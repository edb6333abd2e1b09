//! Making a backup of an open store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::store::archive;
use crate::store::blobs::{Payload, Transfer};
use crate::store::disk::{Disk, DiskFile};
use crate::store::ids::PayloadId;
use crate::store::layout::Layout;
use crate::store::lock::{Lock, LockError};
use crate::store::log::{NO_RECORD, RecordPlace, Segments};
use crate::store::metadata::{Change, Metadata, Snapshot};
use crate::store::room::Room;
use crate::store::sweep;
use crate::store::unlink::Holds;

use super::carry::{Carrier, CarryError, Way};
use super::folder::Folder;
use super::listing::{Listed, Listing};
use super::{BackupError, BackupListener, Summary, Watch, at};

/// What is backed up.
pub(in crate::store) struct Source<'a> {
    pub(in crate::store) disk: &'a dyn Disk,
    pub(in crate::store) layout: &'a Layout,
    pub(in crate::store) metadata: &'a Metadata,
    pub(in crate::store) segments: &'a Segments,
    pub(in crate::store) holds: &'a Arc<Holds>,
    pub(in crate::store) room: &'a Room,
}

/// Segments of the log by number. They stay readable when their names go.
type OpenSegments = BTreeMap<u64, Arc<dyn DiskFile>>;

/// Where payloads lie in the log, by the files that they get in the backup. There are no more than the log has room for.
type Logged = HashMap<PayloadId, (Arc<dyn DiskFile>, u64)>;

/// Makes a backup in a folder that nobody else uses, or renews the one that is there.
pub(in crate::store) fn make(
    source: &Source<'_>,
    root: &Path,
    listener: BackupListener<'_>,
) -> Result<Summary, BackupError> {
    let (disk, folder) = (source.disk, Folder::new(root));
    let mut watch = Watch::new(listener);
    folder.prepare(disk)?;
    let hold = source.holds.take();
    let logged = source.tell(&folder, &mut watch)?;
    source.carry_all(&folder, &logged, source.room.elsewhere(root), &mut watch)?;
    drop(hold);
    disk.rename_durably(&folder.pending(), &folder.snapshot()).map_err(at(root))?;
    watch.summary.removed = remove_unnamed(disk, &folder)?;
    Ok(watch.summary)
}

/// Refuses a folder for backups that lies in the data folder, or that is neither empty nor a backup. Changes nothing.
pub(in crate::store) fn refuse_inside(
    disk: &dyn Disk,
    folder: &Path,
    root: &Path,
) -> Result<(), BackupError> {
    let is_inside =
        real_path(folder).map_err(at(folder))?.starts_with(root.canonicalize().map_err(at(root))?);
    match is_inside {
        true => Err(BackupError::Inside { folder: folder.to_owned(), root: root.to_owned() }),
        false => Folder::new(folder).check_free(disk),
    }
}

/// Keeps other backups out of a folder, which is created if it is missing.
pub(in crate::store) fn lock(folder: &Path) -> Result<Lock, BackupError> {
    match Lock::take(&Layout::new(folder), Duration::ZERO) {
        Err(LockError::Held { root, holder }) => Err(BackupError::Busy { folder: root, holder }),
        other => Ok(other?),
    }
}

/// Where a path leads, which may not be there yet.
pub(in crate::store) fn real_path(path: &Path) -> io::Result<PathBuf> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(error), Some(above), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(real_path(above)?.join(name))
        }
        (other, _, _) => other,
    }
}

impl Source<'_> {
    /// Tells the tables as of now. Every payload has a file there: those that lie in the log get one.
    fn tell(&self, folder: &Folder, watch: &mut Watch<'_>) -> Result<Logged, BackupError> {
        let (tables, segments) = self.tables_and_log()?;
        let sequence = tables.position()?.map_or(0, |position| position.sequence);
        let (mut logged, path) = (Logged::new(), folder.pending());
        let told = tables.retell_for_another_folder()?.map(|told| {
            watch.go_on().map_err(Untold::Backup)?;
            let (place, change) = told.map_err(|error| Untold::Backup(error.into()))?;
            Ok((NO_RECORD, give_file(place, change, &segments, &mut logged)))
        });
        match archive::tell(self.disk, &path, told, 0, sequence) {
            Ok(_) => Ok(logged),
            Err(Untold::Backup(error)) => Err(error),
            Err(Untold::File(error)) => Err(at(&path)(error)),
        }
    }

    /// The tables as of the last commit, and the segments in which payloads lie then.
    fn tables_and_log(&self) -> Result<(Arc<Snapshot>, OpenSegments), BackupError> {
        loop {
            let tables = self.metadata.read();
            let segments = tables.log_segments()?.into_iter();
            let open = segments.map(|number| Some((number, self.segments.file(number)?)));
            // One that is gone by now had its payloads settled: there are newer tables.
            if let Some(open) = open.collect() {
                return Ok((tables, open));
            }
        }
    }

    /// Brings all payloads over, durably.
    fn carry_all(
        &self,
        folder: &Folder,
        logged: &Logged,
        room: Room,
        watch: &mut Watch<'_>,
    ) -> Result<(), BackupError> {
        let carrier = Carrier { disk: self.disk, may_link: true, room: Some(room) };
        let mut listing = Listing::open(self.disk, folder, &folder.pending())?;
        for (_, shard) in folder.shards() {
            let listed = listing.take(&shard)?;
            for payload in &listed {
                watch.go_on()?;
                match self.carry(&carrier, payload, &folder.payload(payload), logged, watch) {
                    Ok(way) => watch.summary.note(way, payload.size),
                    Err(CarryError::Lacking(reason)) => watch.note_lacking(payload.digest, reason)?,
                    Err(CarryError::Failed(error)) => return Err(error),
                }
            }
            // Names that were there already may be those of a backup that was cut off.
            if !listed.is_empty() {
                self.disk.sync_folder(&shard).map_err(at(&shard))?;
            }
        }
        listing.finish()
    }

    fn carry(
        &self,
        carrier: &Carrier<'_>,
        payload: &Listed,
        to: &Path,
        logged: &Logged,
        watch: &mut Watch<'_>,
    ) -> Result<Way, CarryError> {
        let Listed { digest, size, file } = payload;
        let Some((segment, offset)) = logged.get(file) else {
            return carrier.carry(&self.layout.payload(digest, *file), to, *size, watch);
        };
        let read = Payload::in_log(&**segment, *offset, *size, digest);
        let read = read.map_err(|error| CarryError::Lacking(error.to_string()))?;
        carrier.put(&read.read(0..*size, Transfer::Copied).map_err(|error| CarryError::lacking(&error))?, to)
    }
}

/// Why tables were not told to their end.
enum Untold {
    Backup(BackupError),
    File(io::Error),
}

impl From<io::Error> for Untold {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// The change by which a payload of the log lies in a file; any other as it is.
fn give_file(place: RecordPlace, change: Change, segments: &OpenSegments, logged: &mut Logged) -> Change {
    let Change::BlobLogged { digest, size, offset } = change else { return change };
    let file = PayloadId::random();
    if let Some(segment) = segments.get(&place.segment) {
        logged.insert(file, (Arc::clone(segment), offset));
    }
    Change::BlobAdded { digest, size, file }
}

/// Removes what is left of backups before this one. Returns how many files that were.
fn remove_unnamed(disk: &dyn Disk, folder: &Folder) -> Result<u64, BackupError> {
    let mut listing = Listing::open(disk, folder, &folder.snapshot())?;
    let mut removed = 0;
    for (algorithm, shard) in folder.shards() {
        let named: HashSet<_> = listing.take(&shard)?.iter().map(|listed| folder.payload(listed)).collect();
        for name in disk.list(&shard).map_err(at(&shard))? {
            let path = shard.join(&name);
            // Files that somebody else has put there stay.
            let whole = path.with_extension("");
            let is_ours =
                whole.file_name().and_then(|name| sweep::parse(algorithm, name.to_str()?)).is_some();
            if is_ours && !named.contains(&path) {
                disk.unlink(&path).map_err(at(&path))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}
