//! What the registry holds: metadata in redb, payloads in content-addressed files, a write-ahead log in front of both.
//!
//! Every change goes through the one writer and is durable in the log before [`Store::submit`] answers. Small payloads
//! ride in the log with the change that names them and settle into files later; large ones are written by whoever
//! receives them, hashed on the way, synced, and given their final name before the change that names them.

mod abort;
mod archive;
mod background;
mod backup;
mod ballast;
mod blobs;
mod clock;
mod disk;
mod figures;
mod format;
mod hasher;
mod ids;
mod in_flight;
mod intake;
mod judgement;
mod layout;
mod leases;
mod lock;
mod log;
mod metadata;
mod open_error;
mod outlet;
mod readings;
mod rebuild;
mod recovery;
mod room;
mod segment_deletion;
mod settle;
mod sources;
mod spare;
mod survey;
mod sweep;
mod unlink;
mod upgrade;
mod verification;
mod writer;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[cfg(any(test, feature = "simulation"))]
#[doc(hidden)]
pub use archive::probe as archive_probe;
pub use archive::{ArchiveError, ArchiveRead};
#[cfg(any(test, feature = "simulation"))]
#[doc(hidden)]
pub use backup::restore_on;
pub use backup::{BackupError, BackupListener, BackupNews, Restoring, Summary, Tally, restore};
pub use blobs::{Incoming, MappedFiles, Mark, Payload, PayloadError, Savepoint, Transfer};
pub use clock::{ServedClock, ServedTime, Timestamp};
#[cfg(any(test, feature = "simulation"))]
#[doc(hidden)]
pub use disk::simulated;
pub use disk::{Barrier, Disk, DiskFile, Rule, Space, is_full};
pub use figures::Figures;
pub use format::{FormatError, awaits_import};
pub use hasher::Hasher;
pub use ids::{PayloadId, PayloadIdError};
pub use intake::{Intake, IntakeError, Landed, Landing, Method, Offered};
pub use judgement::Judgement;
pub use leases::{Departure, Leases, Question};
pub use lock::LockError;
#[cfg(any(test, feature = "simulation"))]
#[doc(hidden)]
pub use log::probe;
pub use log::{AppendError, ReplayError};
#[cfg(any(test, feature = "simulation"))]
#[doc(hidden)]
pub use metadata::DumpedRow;
pub use metadata::{
    Access, BlobRow, Change, Counts, EventAction, EventRow, Held, LinkRow, ManifestBytes, ManifestRow,
    MetadataError, Need, NeedKind, OutboxRow, OwnerRow, Place, Read, Referrer, ReferrerRow, RequestRow,
    Snapshot, Standing, Tables, TagRow, UploadRow, UsageRow, Write,
};
pub use open_error::OpenError;
pub use outlet::{BroughtOut, Outlet, OutletError};
pub use rebuild::{RebuildError, Rebuilt, rebuild};
pub use room::Floor;
pub use survey::{
    Fault, LostUpload, Repair, Severity, Survey, SurveyError, SurveyListener, SurveyNews, SurveyOptions,
    SurveyTally,
};
pub use verification::Verification;
pub use writer::{Accepted, Decision, Decline, Operation, Slot, WriteError};

use archive::Renewal;
use background::Background;
use ballast::Ballast;
use blobs::{Abilities, Memory, Payloads};
use disk::Real;
use format::Folder;
use in_flight::InFlight;
use layout::Layout;
use lock::Lock;
use log::Segments;
use metadata::Metadata;
use recovery::Recovery;
use room::Room;
use spare::Spares;
use unlink::Holds;
use writer::Writer;

use crate::oci::{Algorithm, Digest, RepositoryName};

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long to wait for another process that holds the folder.
    pub lock_wait: Duration,
    /// Bound of redb's cache of pages, in bytes.
    pub cache_size: u64,
    /// The most operations that one commit gathers.
    pub group_size: usize,
    /// The most operations that wait for the writer.
    pub queue: usize,
    /// The least time between two checkpoints.
    pub checkpoint_interval: Duration,
    /// The largest payload that rides in the log, in bytes; larger ones are written to files of their own at once.
    pub log_payload: u64,
    /// How large a segment of the log becomes, in bytes.
    pub log_segment: u64,
    /// How large the log becomes before pushes have to wait, in bytes.
    pub log_size: u64,
    /// How often it is looked whether payloads should move out of the log.
    pub settle_interval: Duration,
    /// How much the archive keeps of what has changed, at the least, before it makes a snapshot, in bytes.
    pub archive_size: u64,
    /// What is to stay free on the disk.
    pub floor: Floor,
    /// How much room is set aside for what must not fail on a full disk, in bytes.
    pub ballast: u64,
    /// For how long whoever was told that something is there may rely on it.
    pub lease: Duration,
    /// The most memory for small payloads that are coming in, in bytes; beyond it they are written to files as well.
    pub upload_memory: u64,
    /// How many payloads' files are kept open for those who pull them next.
    pub open_payloads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lock_wait: Duration::from_secs(30),
            cache_size: 64 << 20,
            group_size: 256,
            queue: 4096,
            checkpoint_interval: Duration::from_millis(100),
            log_payload: 256 << 10,
            log_segment: 64 << 20,
            log_size: 1 << 30,
            settle_interval: Duration::from_millis(100),
            archive_size: 16 << 20,
            floor: Floor { bytes: 256 << 20, files: 1_000 },
            ballast: 64 << 20,
            lease: Duration::from_secs(3_600),
            upload_memory: 64 << 20,
            open_payloads: 512,
        }
    }
}

/// An open store. It holds its folder's lock; dropping it lets the writer finish what it has and closes the database.
pub struct Store {
    disk: Arc<dyn Disk>,
    layout: Layout,
    metadata: Arc<Metadata>,
    payloads: Arc<Payloads>,
    /// Small payloads that are coming in.
    memory: Arc<Memory>,
    log_payload: u64,
    segments: Arc<Segments>,
    room: Arc<Room>,
    in_flight: Arc<InFlight>,
    leases: Arc<Leases>,
    clock: ServedClock,
    /// Before the writer, which it needs.
    _background: Background,
    writer: Writer,
    /// Upload sessions that outlived the last run.
    resumed: Vec<Resumed>,
    /// Taken while the store is copied.
    holds: Arc<Holds>,
    renewal: Arc<Renewal>,
    /// While it is true the background does nothing.
    is_at_rest: Arc<AtomicBool>,
    /// Last, so that the folder is free only when everything else is closed. A disk of tests knows no other process.
    lock: Option<Lock>,
}

fn writer_options(options: &Options) -> writer::Options {
    writer::Options {
        group_size: options.group_size,
        queue: options.queue,
        checkpoint_interval: options.checkpoint_interval,
        log_size: options.log_size,
    }
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode<'a> {
    Served,
    /// To be looked at.
    AtRest,
    /// To take over what another registry holds there, perhaps in the same folder.
    Importing {
        from: &'a str,
    },
}

/// An upload session that can be continued from its last mark.
pub struct Resumed {
    pub id: PayloadId,
    pub row: UploadRow,
    pub incoming: Incoming,
}

impl Store {
    /// Opens the store in `root`, or creates it there if the folder is empty or missing.
    pub fn open(root: &Path, options: &Options) -> Result<Self, OpenError> {
        Self::open_real(root, options, Mode::Served)
    }

    /// Opens the store in `root` to look at it: what the log has is replayed, as by every start, and nothing else is done, until it
    /// is asked for. Uploads cannot go on.
    pub fn open_at_rest(root: &Path, options: &Options) -> Result<Self, OpenError> {
        Self::open_real(root, options, Mode::AtRest)
    }

    /// Opens the store in `root`, or creates it there, to take over what another registry holds, which may lie in the same folder;
    /// `from` is how it is named on the command line. A store that is new is not served before [`end_import`](Self::end_import).
    pub fn open_for_import(root: &Path, from: &str, options: &Options) -> Result<Self, OpenError> {
        Self::open_real(root, options, Mode::Importing { from })
    }

    /// Says that everything has been taken over.
    pub fn end_import(&self) -> io::Result<()> {
        self.disk.unlink(&self.layout.import_mark())?;
        self.disk.sync_folder(self.layout.root())
    }

    fn open_real(root: &Path, options: &Options, mode: Mode<'_>) -> Result<Self, OpenError> {
        let layout = Layout::new(root);
        format::refuse_backups(&Real, &layout)?;
        let lock = Lock::take(&layout, options.lock_wait)?;
        let root =
            std::path::absolute(root).map_err(|error| OpenError::Io { path: root.to_owned(), error })?;
        Self::open_locked(Arc::new(Real), &root, options, Some(lock), mode)
            .map_err(|error| error.or_full(&Real, &root))
    }

    /// Opens the store in the folder `root` of a disk, which nobody else uses, or creates it there if the folder is empty.
    pub fn open_on(disk: Arc<dyn Disk>, root: &Path, options: &Options) -> Result<Self, OpenError> {
        Self::open_locked(disk, root, options, None, Mode::Served)
    }

    fn open_locked(
        disk: Arc<dyn Disk>,
        root: &Path,
        options: &Options,
        lock: Option<Lock>,
        mode: Mode<'_>,
    ) -> Result<Self, OpenError> {
        let layout = Layout::new(root);
        let folder = format::examine(&*disk, &layout, mode)?;
        let at_root = |error| OpenError::Io { path: root.to_owned(), error };
        if folder == Folder::Older {
            // From here on an older version refuses the folder, whatever becomes of the upgrade.
            format::write(&*disk, &layout).map_err(at_root)?;
        }
        layout.create_folders(&*disk).map_err(at_root)?;
        let ballast = Arc::new(Ballast::take(Arc::clone(&disk), layout.ballast(), options.ballast));
        let spares = Spares::find(&disk, &layout, options).map_err(at_root)?;
        let recovery = Recovery {
            disk: Arc::clone(&disk),
            layout: layout.clone(),
            cache_size: options.cache_size,
            segment_size: options.log_segment,
            ballast: Arc::clone(&ballast),
            spare: Arc::clone(&spares.log),
        };
        let metadata = Arc::new(recovery.open_metadata()?);
        if folder == Folder::New {
            disk.sync_folders_above(root).map_err(at_root)?;
            if let Mode::Importing { from } = mode {
                // From here on the folder is not served until all is there.
                format::mark_import(&*disk, &layout, from).map_err(at_root)?;
            }
            format::write(&*disk, &layout).map_err(at_root)?;
            tracing::warn!(root = %root.display(), "created a new, empty store");
        }
        let abilities = Abilities::find_out(&*disk, &layout.format());
        let payloads = Payloads::new(Arc::clone(&disk), layout.clone(), abilities, options.open_payloads);
        let payloads = Arc::new(payloads);
        let segments = Arc::new(Segments::default());
        let log = recovery.replay(&metadata, &segments)?;
        upgrade::run(&*disk, &layout, &metadata)?;
        let (in_flight, holds) = (Arc::new(InFlight::default()), Arc::new(Holds::default()));
        let (renewal, is_at_rest) = (Arc::default(), Arc::new(AtomicBool::new(mode == Mode::AtRest)));
        let resumed = match mode {
            Mode::Served | Mode::Importing { .. } => {
                recovery::resume_uploads(&disk, &layout, &metadata, &in_flight)?
            }
            Mode::AtRest => Vec::new(),
        };
        let room = Arc::new(Room::new(Arc::clone(&disk), root.to_owned(), options.floor));
        let clock = ServedClock::go_on(metadata.read().served()?);
        let (tables, of_room) = (Arc::clone(&metadata), Arc::clone(&room));
        let writer = Writer::start(tables, log, recovery, of_room, clock, writer_options(options));
        let writer = writer.map_err(OpenError::Thread)?;
        let background = Background::start(background::Pieces {
            disk: Arc::clone(&disk),
            layout: layout.clone(),
            metadata: Arc::clone(&metadata),
            payloads: Arc::clone(&payloads),
            segments: Arc::clone(&segments),
            in_flight: Arc::clone(&in_flight),
            holds: Arc::clone(&holds),
            renewal: Arc::clone(&renewal),
            is_at_rest: Arc::clone(&is_at_rest),
            ballast,
            barrier: disk.barrier(root).map_err(at_root)?,
            spares,
            room: Arc::clone(&room),
            writer: writer.blocking(),
            log_size: options.log_size,
            archive_size: options.archive_size,
            interval: options.settle_interval,
        });
        Ok(Self {
            disk,
            layout,
            metadata,
            payloads,
            memory: Arc::new(Memory::new(options.upload_memory)),
            log_payload: options.log_payload,
            segments,
            room,
            in_flight,
            leases: Arc::new(Leases::new(options.lease)),
            clock,
            _background: background.map_err(OpenError::Thread)?,
            writer,
            resumed,
            holds,
            renewal,
            is_at_rest,
            lock,
        })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// The metadata as of the last commit. Held for one look-up or one page, never across an await.
    pub fn read(&self) -> Arc<Snapshot> {
        self.metadata.read()
    }

    /// Decides an operation and, if it is accepted, makes it so. What this answers, refusals too, rests on what is
    /// durable.
    pub async fn submit<O: Operation>(
        &self,
        operation: O,
        wait: Duration,
    ) -> Result<O::Outcome, Decline<O::Refusal>> {
        self.writer.submit(operation, wait).await
    }

    /// Resolves when the files of all payloads that have gone are unlinked.
    pub async fn unlinked(&self) -> Result<(), MetadataError> {
        const PAUSE: Duration = Duration::from_millis(20);
        while !self.read().doomed_files(1)?.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Resolves when the writer has stopped because the database failed: nothing can be acknowledged any more.
    pub async fn failed(&self) {
        self.writer.failed().await;
    }

    /// What ages are told by.
    pub fn clock(&self) -> ServedClock {
        self.clock
    }

    /// What was vouched for.
    pub fn leases(&self) -> &Arc<Leases> {
        &self.leases
    }

    /// Whether there is room on the disk for so many bytes more.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.room.admits(bytes)
    }

    /// The upload sessions that outlived the last run; once.
    pub fn take_resumed(&mut self) -> Vec<Resumed> {
        std::mem::take(&mut self.resumed)
    }

    /// The file of a new upload session. Nothing is created before the first byte.
    pub fn incoming(&self, id: PayloadId, algorithm: Algorithm) -> Incoming {
        let memory = Memory::share(&self.memory, self.log_payload);
        let flight = self.in_flight.enter(id);
        Incoming::new(Arc::clone(&self.disk), self.layout.upload(id), flight, algorithm, memory)
    }

    /// Gives a received payload its final name, durably, so that [`Change::BlobAdded`] may name it.
    pub fn settle(&self, incoming: &mut Incoming, id: PayloadId, digest: &Digest) -> io::Result<()> {
        incoming.settle(&self.layout.payload(digest, id))
    }

    /// Gives a settled payload its session's name back. Only if nothing has been committed that names it.
    pub fn unsettle(&self, incoming: &mut Incoming, id: PayloadId) -> io::Result<()> {
        incoming.unsettle(self.layout.upload(id))
    }

    /// Which memory is whose file's, of the payloads that are being pulled.
    pub fn mapped_files(&self) -> Arc<MappedFiles> {
        self.payloads.mapped_files()
    }

    /// A payload that a repository holds, if its file is open already. Does not block; `None` says nothing.
    pub fn opened_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Arc<Payload>>, MetadataError> {
        Ok(match self.read().blob_in(repository, digest)? {
            Some(BlobRow { place: Place::File { id }, is_damaged: false, .. }) => self.payloads.get(id),
            _ => None,
        })
    }

    /// Opens a payload that a repository holds, or `None` if it holds no such blob. Blocks.
    pub fn open_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Arc<Payload>>, PayloadError> {
        self.find_blob(repository, digest, |row| self.open_at(digest, row))
    }

    /// Begins to verify a payload that a repository holds, `piece` bytes at a time, or `None` if it holds no such blob; where it
    /// lies as well. Blocks.
    pub fn verify_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        piece: u64,
    ) -> Result<Option<(BlobRow, Verification)>, PayloadError> {
        self.find_blob(repository, digest, |row| match row.is_damaged {
            true => Err(PayloadError::Damaged),
            false => Ok((row, Verification::new(self.open_unmapped(digest, row)?, digest, piece))),
        })
    }

    /// Opens a payload that a repository holds, wherever it lies.
    fn find_blob<T>(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        open: impl Fn(BlobRow) -> Result<T, PayloadError>,
    ) -> Result<Option<T>, PayloadError> {
        loop {
            let Some(row) = self.read().blob_in(repository, digest)? else {
                return Ok(None);
            };
            match open(row) {
                // It has moved since it was looked up.
                Err(PayloadError::Missing) if self.read().blob(digest)? != Some(row) => {}
                other => return other.map(Some),
            }
        }
    }

    fn open_at(&self, digest: &Digest, row: BlobRow) -> Result<Arc<Payload>, PayloadError> {
        match row.place {
            _ if row.is_damaged => Err(PayloadError::Damaged),
            Place::File { id } => self.payloads.open(digest, id, row.size),
            Place::Log { .. } => self.open_unmapped(digest, row).map(Arc::new),
        }
    }

    /// Begins to verify a payload that lies where `row` says, whatever the row says of damage. Blocks.
    pub fn verify(&self, digest: &Digest, row: BlobRow) -> Result<Verification, PayloadError> {
        Ok(Verification::new(self.open_unmapped(digest, row)?, digest, Verification::PIECE))
    }

    fn open_unmapped(&self, digest: &Digest, row: BlobRow) -> Result<Payload, PayloadError> {
        verification::open_unmapped(&*self.disk, &self.layout, &self.segments, digest, row)
    }

    /// Proves that the metadata and the files agree, uploads under way included. For a store that nobody pushes to. Blocks.
    pub fn survey(&self, options: SurveyOptions) -> Result<Survey, SurveyError> {
        let mut survey = Survey::default();
        self.look_over(options, false, &mut |news| {
            if let SurveyNews::Found(fault) = news
                && fault.severity == Severity::Wrong
            {
                survey.violations.push(fault);
            }
            true
        })?;
        survey.violations.extend(self.lost_uploads()?.iter().map(LostUpload::fault));
        Ok(survey)
    }

    /// Looks whether the metadata and the files agree, while the store goes on, and tells the listener what it finds. Repairs, if that
    /// is wanted, what can be repaired without loss. Leaves out the bytes of uploads: see [`lost_uploads`](Self::lost_uploads).
    /// Blocks, for as long as it takes.
    pub fn look_over(
        &self,
        options: SurveyOptions,
        is_repairing: bool,
        listener: SurveyListener<'_>,
    ) -> Result<SurveyTally, SurveyError> {
        let source = survey::Source {
            disk: &*self.disk,
            layout: &self.layout,
            segments: &self.segments,
            metadata: &self.metadata,
            in_flight: &self.in_flight,
            renewal: &self.renewal,
            is_at_rest: &self.is_at_rest,
            writer: self.writer.blocking(),
        };
        survey::Pass::new(source, options, is_repairing, listener).run()
    }

    /// The upload sessions that could not go on after a restart, because bytes below their marks are lost. One that is being ended
    /// or finished just now looks like that as well. Blocks.
    pub fn lost_uploads(&self) -> Result<Vec<LostUpload>, MetadataError> {
        survey::lost_uploads(&*self.disk, &self.layout, &self.metadata)
    }

    /// The same of one session.
    pub fn lost_upload(&self, id: PayloadId) -> Result<Option<LostUpload>, MetadataError> {
        let row = self.read().upload(id)?;
        Ok(row.and_then(|row| survey::lost_upload(&*self.disk, &self.layout, id, &row)))
    }

    /// Whether the store was opened to be looked at, and has no sessions.
    pub fn is_at_rest(&self) -> bool {
        self.is_at_rest.load(Ordering::Relaxed)
    }

    /// Makes a backup in a folder outside the store, or renews the one that is there, and tells the listener how far it is.
    /// Everything that was acknowledged before and not deleted meanwhile is in it. Blocks, for as long as it takes.
    pub fn back_up(&self, folder: &Path, listener: BackupListener<'_>) -> Result<Summary, BackupError> {
        let _lock = match &self.lock {
            Some(_) => {
                backup::refuse_inside(&*self.disk, folder, self.layout.root())?;
                Some(backup::lock(folder)?)
            }
            None => None,
        };
        let source = backup::Source {
            disk: &*self.disk,
            layout: &self.layout,
            metadata: &self.metadata,
            segments: &self.segments,
            holds: &self.holds,
            room: &self.room,
        };
        backup::make(&source, folder, listener)
    }
}
