//! A disk on which there is no room: no block is left, or no file can be created.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::client::{Client, Outcome};
use crate::inspection::{inspect, push_shared_blobs};
use crate::ledger::Operation;
use crate::random::Random;
use crate::support::{Builder, Holdfast, Response};
use crate::volume::{FileSystem, Volume, Workshop, format};

/// Patience with what has to happen soon.
const SOON: Duration = Duration::from_secs(20);

const CONFIGURATION: &str = "
http: {waittimeout: 2s}
storage:
  log: {segmentsize: 1MiB, size: 4MiB, maxpayload: 64KiB}
";

/// What there is too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scarce {
    Blocks,
    Files,
}

#[test]
fn a_registry_that_has_filled_its_disk_serves_restarts_and_makes_room_by_deleting() {
    fill_by_pushing(Scarce::Blocks);
}

#[test]
fn a_registry_that_has_used_up_its_files_serves_restarts_and_makes_room_by_deleting() {
    fill_by_pushing(Scarce::Files);
}

#[test]
fn a_disk_that_others_have_filled_to_the_last_block_costs_nothing_acknowledged() {
    fill_from_outside(Scarce::Blocks);
}

#[test]
fn a_disk_on_which_others_have_used_up_the_files_costs_nothing_acknowledged() {
    fill_from_outside(Scarce::Files);
}

#[test]
fn a_registry_killed_on_a_disk_without_a_block_starts_as_often_as_it_is_killed_and_deletes_make_room() {
    be_killed_while_full(Scarce::Blocks);
}

#[test]
fn a_registry_killed_on_a_disk_without_a_file_starts_as_often_as_it_is_killed_and_deletes_make_room() {
    be_killed_while_full(Scarce::Files);
}

#[test]
fn a_registry_stopped_and_started_on_a_disk_without_a_block_deletes_and_makes_room() {
    be_stopped_while_full(Scarce::Blocks);
}

#[test]
fn a_registry_stopped_and_started_on_a_disk_without_a_file_deletes_and_makes_room() {
    be_stopped_while_full(Scarce::Files);
}

#[test]
fn a_start_that_others_have_left_nothing_for_says_what_is_full_and_what_to_do() {
    let Some(workshop) = Workshop::open(&[FileSystem::Ext4]) else { return };
    let mut disk = SmallDisk::new(&workshop, Scarce::Files);
    disk.push_some();
    disk.client.hang_up();
    disk.registry.stop();
    // Nobody does this to a store: its reserves go as well, and a record that is not whole ends the log.
    disk.remove(["ballast", "log/spare", "archive/spare"]);
    disk.break_off_a_record();
    let foreign = Foreign::fill(&disk.volume, Scarce::Files);
    let complaint = disk.registry.try_to_start_again().unwrap_err();
    let root = disk.registry.root();
    for part in [&*root.to_string_lossy(), "is full", "0 files left", "delete other files"] {
        assert!(complaint.contains(part), "{part:?} is not said: {complaint}");
    }
    foreign.remove();
    disk.registry.start_again();
    disk.end();
}

fn be_killed_while_full(scarce: Scarce) {
    restart_while_full(scarce, |disk| {
        for _ in 0..3 {
            disk.restart_after_a_kill();
            disk.inspect();
        }
    });
}

fn be_stopped_while_full(scarce: Scarce) {
    restart_while_full(scarce, |disk| {
        for _ in 0..2 {
            disk.client.hang_up();
            disk.registry.stop();
            disk.registry.start_again();
            disk.inspect();
        }
    });
}

/// What others have taken they keep, to the end, and the ballast has been given up before.
fn restart_while_full(scarce: Scarce, restart: impl Fn(&mut SmallDisk)) {
    let Some(workshop) = Workshop::open(&[FileSystem::Ext4]) else { return };
    let mut disk = SmallDisk::new(&workshop, scarce);
    disk.push_until_half_of_it_is_taken();
    disk.remove(["ballast"]);
    let _foreign = Foreign::fill(&disk.volume, scarce);
    restart(&mut disk);
    for operation in disk.deletions() {
        disk.expect_acknowledged_in_the_end(&operation);
    }
    disk.expect_that_pushes_work();
    disk.end();
}

fn fill_by_pushing(scarce: Scarce) {
    let Some(workshop) = Workshop::open(&[FileSystem::Ext4]) else { return };
    let mut disk = SmallDisk::new(&workshop, scarce);
    disk.push_until_it_is_full();
    disk.inspect();
    disk.restart_after_a_kill();
    disk.inspect();
    for operation in disk.deletions() {
        disk.expect_acknowledged(&operation);
    }
    disk.expect_that_pushes_work();
    disk.end();
}

fn fill_from_outside(scarce: Scarce) {
    let Some(workshop) = Workshop::open(&[FileSystem::Ext4]) else { return };
    let mut disk = SmallDisk::new(&workshop, scarce);
    disk.push_some();
    let foreign = Foreign::fill(&disk.volume, scarce);
    let pushes: Vec<_> = (0..20).map(|_| Operation::Push(disk.client.fresh())).collect();
    let deletions = disk.deletions();
    let is_running = pushes.iter().chain(&deletions).all(|operation| disk.is_clear_about(operation))
        && disk.comes_back_while_full();
    foreign.remove();
    if !is_running {
        disk.registry.start_again();
    }
    disk.inspect();
    disk.expect_that_pushes_work();
    disk.end();
}

/// A small file system with a registry on it, and its only client.
struct SmallDisk {
    // In the order in which they end.
    registry: Holdfast,
    client: Client,
    volume: Volume,
    scarce: Scarce,
}

impl SmallDisk {
    fn new(workshop: &Workshop, scarce: Scarce) -> Self {
        let image = workshop.path("small");
        match scarce {
            Scarce::Blocks => format(&image, FileSystem::Ext4, 80 << 20, &["-b", "4096", "-m", "0"]),
            Scarce::Files => format(&image, FileSystem::Ext4, 256 << 20, &["-N", "1000", "-m", "0"]),
        }
        let volume = Volume::mount(&image, "loop");
        let registry = Builder::default().configuration(CONFIGURATION).start_in(volume.folder());
        push_shared_blobs(&registry);
        Self { registry, client: Client::new(0, Random::of_now()), volume, scarce }
    }

    /// Images, tags and payloads, of which most can be deleted.
    fn push_some(&mut self) {
        for _ in 0..60 {
            let operation = self.client.choose();
            self.expect_acknowledged(&operation);
        }
    }

    /// Pushes until even small payloads are refused, again and again.
    fn push_until_it_is_full(&mut self) {
        self.push_some();
        let mut refused = 0;
        while refused < 20 {
            let blob = self.client.fresh();
            match self.client.perform(&self.registry, &Operation::Push(blob)) {
                Outcome::Done => refused = 0,
                Outcome::Refused(response) => {
                    expect_refusal(&response.expect(507));
                    refused += 1;
                }
                Outcome::Unknown(Some(_busy)) => self.inspect(),
                Outcome::Unknown(None) => panic!("it has ended: {:?}", self.registry.end()),
            }
        }
        eprintln!(
            "{:?}: {} bytes and {} files are left",
            self.scarce,
            self.volume.free_bytes(),
            self.volume.free_files()
        );
    }

    fn push_until_half_of_it_is_taken(&mut self) {
        while !match self.scarce {
            Scarce::Blocks => self.volume.free_bytes() < 32 << 20,
            Scarce::Files => self.volume.free_files() < 130,
        } {
            self.push_some();
        }
    }

    /// Removes files of the store.
    fn remove<const N: usize>(&self, names: [&str; N]) {
        for name in names {
            std::fs::remove_file(self.registry.root().join(name)).unwrap();
        }
    }

    /// Leaves the header of a record in the log that would have been the next one, and nothing behind it: see "Format" in
    /// `docs/ARCHITECTURE.md`.
    fn break_off_a_record(&self) {
        let log = std::fs::read_dir(self.registry.root().join("log")).unwrap();
        let last = log.map(|entry| entry.unwrap().path()).max().unwrap();
        let bytes = std::fs::read(&last).unwrap();
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let (mut record, mut end) = (0, 4096);
        while bytes.get(end..end + 8) == Some(b"HFRECD01") {
            let length = usize::try_from(112 + number(end + 32) + number(end + 40)).unwrap();
            (record, end) = (end, (end + length).next_multiple_of(4096));
        }
        let mut header = bytes[record..record + 112].to_vec();
        header[16..24].copy_from_slice(&(number(record + 16) + 1).to_le_bytes());
        // Its key is the checksum of the one before.
        header.copy_within(80..112, 48);
        let segment = File::options().write(true).open(last).unwrap();
        segment.write_all_at(&header, u64::try_from(end).unwrap()).unwrap();
    }

    /// What makes room: all tags, images and payloads but a few go.
    fn deletions(&self) -> Vec<Operation> {
        let state = self.client.state();
        let kept: Vec<_> = state.images.iter().take(2).copied().collect();
        let images = state.images.iter().filter(|image| !kept.contains(image)).copied();
        let blobs = state.blobs.iter().filter(|blob| !kept.iter().any(|image| image.needs(**blob))).copied();
        let tags = state.tags.keys().cloned().map(Operation::DeleteTag);
        tags.chain(images.map(Operation::DeleteImage)).chain(blobs.map(Operation::DeleteBlob)).collect()
    }

    #[track_caller]
    fn expect_acknowledged(&mut self, operation: &Operation) {
        match self.client.perform(&self.registry, operation) {
            Outcome::Done => {}
            other => panic!("{operation:?} came to {other:?}; the end: {:?}", self.registry.end()),
        }
    }

    /// It may take a moment until what was deleted before has made room.
    #[track_caller]
    fn expect_acknowledged_in_the_end(&mut self, operation: &Operation) {
        let deadline = Instant::now() + SOON;
        loop {
            match self.client.perform(&self.registry, operation) {
                Outcome::Done => return,
                Outcome::Refused(response) if Instant::now() < deadline => {
                    expect_refusal(&response.expect(507));
                    std::thread::sleep(Duration::from_millis(100));
                }
                other => panic!("{operation:?} came to {other:?}; the end: {:?}", self.registry.end()),
            }
        }
    }

    /// Whatever comes of it has to be clear. A registry that ends instead of answering has to come back; false if it
    /// cannot while there is no room.
    fn is_clear_about(&mut self, operation: &Operation) -> bool {
        if matches!(operation, Operation::DeleteBlob(blob) if self.client.state().needs(*blob)) {
            return true; // The deletion of its image was refused.
        }
        match self.client.perform(&self.registry, operation) {
            Outcome::Done => {}
            Outcome::Refused(response) => expect_refusal(&response.expect(507)),
            Outcome::Unknown(Some(response)) => {
                expect_refusal(&response);
                self.inspect();
            }
            Outcome::Unknown(None) => {
                eprintln!("{operation:?} ended the registry: {:?}", self.registry.end());
                return self.comes_back_while_full();
            }
        }
        true
    }

    /// Whether it starts after a kill on a disk without any room. If so it has everything; if not it says why.
    fn comes_back_while_full(&mut self) -> bool {
        self.client.hang_up();
        self.registry.kill();
        if let Err(complaint) = self.registry.try_to_start_again() {
            assert!(complaint.contains("No space left"), "{complaint}");
            eprintln!("{:?}: it does not start until there is room: {complaint}", self.scarce);
            return false;
        }
        self.inspect();
        true
    }

    fn inspect(&mut self) {
        inspect(&self.registry, &mut self.client);
    }

    fn restart_after_a_kill(&mut self) {
        self.client.hang_up();
        self.registry.kill();
        self.registry.start_again();
    }

    /// Pushes as much as a tenth of the disk holds, as soon as there is room again.
    fn expect_that_pushes_work(&mut self) {
        let deadline = Instant::now() + SOON;
        let mut pushed = 0;
        while pushed < 40 {
            let blob = self.client.fresh();
            match self.client.perform(&self.registry, &Operation::Push(blob)) {
                Outcome::Done => pushed += 1,
                other => {
                    assert!(Instant::now() < deadline, "after {pushed} pushes: {other:?}");
                    std::thread::sleep(Duration::from_millis(100));
                    self.inspect();
                }
            }
        }
    }

    fn end(mut self) {
        self.inspect();
        self.registry.stop();
        self.registry.check_payloads();
    }
}

/// An answer that tells what is the matter, and nothing of where things lie.
#[track_caller]
fn expect_refusal(response: &Response) {
    assert!(!response.error_text().contains('/'), "a path in the answer to {response}");
}

/// What others have put on the disk.
struct Foreign {
    folder: PathBuf,
}

impl Foreign {
    /// Takes all that is left.
    fn fill(volume: &Volume, scarce: Scarce) -> Self {
        let folder = volume.folder().join("foreign");
        std::fs::create_dir(&folder).unwrap();
        match scarce {
            Scarce::Blocks => take_blocks(&folder),
            Scarce::Files => take_files(&folder),
        }
        Self { folder }
    }

    fn remove(self) {
        std::fs::remove_dir_all(self.folder).unwrap();
    }
}

/// Blocks are promised to what is written, and given only when it is synced, so one round is not the last.
fn take_blocks(folder: &Path) {
    for round in 0..3 {
        let Ok(mut file) = File::create(folder.join(round.to_string())) else { return };
        for size in [1 << 20, 4096] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
        let _ = file.sync_all();
    }
}

fn take_files(folder: &Path) {
    let mut numbers = 0..;
    while numbers.next().is_some_and(|number: u32| File::create(folder.join(number.to_string())).is_ok()) {}
}
