//! The power fails under load.
//!
//! The file system lies on an image that is mounted through a loop device, and the kernel writes nothing of its own
//! accord; a copy of the image, made in an instant, is what a power cut at that instant leaves. The image lies on an XFS
//! for that copy, which shares blocks.

use std::path::PathBuf;

use crate::client::Client;
use crate::inspection::{expect_shared_blobs, inspect, push_shared_blobs};
use crate::kills::{RESTLESS, kill_under_load};
use crate::load::{Load, clients};
use crate::random::Random;
use crate::support::{Builder, Holdfast};
use crate::volume::{FileSystem, Volume, Workshop, copy_at_once, format};
use crate::writeback::HeldWriteback;

/// How often the power fails.
const CUTS: usize = 2;

const IMAGE_SIZE: u64 = 1 << 30;

#[test]
fn whatever_was_acknowledged_is_there_after_a_power_cut_on_ext4() {
    cut_the_power_on(FileSystem::Ext4);
}

#[test]
fn whatever_was_acknowledged_is_there_after_a_power_cut_on_xfs() {
    cut_the_power_on(FileSystem::Xfs);
}

#[test]
fn whatever_was_acknowledged_is_there_after_a_power_cut_on_btrfs() {
    cut_the_power_on(FileSystem::Btrfs);
}

fn cut_the_power_on(system: FileSystem) {
    let Some(workshop) = Workshop::open(&[FileSystem::Xfs, system]) else { return };
    let Some(_held) = HeldWriteback::hold() else { return };
    let below = workshop.path("images");
    format(&below, FileSystem::Xfs, 4 * IMAGE_SIZE, &[]);
    let below = Volume::mount(&below, "loop");
    let mut disk =
        Disk { system, image: below.folder().join("0"), clients: clients(), random: Random::of_now() };
    format(&disk.image, system, IMAGE_SIZE, &[]);
    for cut in 1..=CUTS {
        disk.live_until_the_power_fails(below.folder().join(cut.to_string()));
    }
    disk.come_back();
}

/// A disk, and those who know what has to be on it.
struct Disk {
    system: FileSystem,
    image: PathBuf,
    clients: Vec<Client>,
    random: Random,
}

impl Disk {
    /// The second half of each life begins with what a kill has left in the page cache, and the disk perhaps not.
    fn live_until_the_power_fails(&mut self, copy: PathBuf) {
        let volume = Volume::mount(&self.image, self.system.patient_options());
        let mut registry = self.start_on(&volume);
        self.clients = kill_under_load(&mut registry, std::mem::take(&mut self.clients), &mut self.random);
        registry.start_again();
        self.clients.iter_mut().for_each(|client| inspect(&registry, client));
        let load = Load::begin(&registry, std::mem::take(&mut self.clients));
        load.goes_on(&mut self.random, 50, 800);
        let books = load.while_keeping_book(|| copy_at_once(&self.image, &copy));
        registry.kill();
        self.clients = load.end();
        for (client, book) in self.clients.iter().zip(books) {
            *client.ledger() = book;
        }
        self.image = copy;
    }

    /// Starts a registry, which has to have everything.
    fn start_on(&mut self, volume: &Volume) -> Holdfast {
        let registry = Builder::default().configuration(RESTLESS).start_in(volume.folder());
        match self.clients.iter().all(Client::is_new) {
            true => push_shared_blobs(&registry),
            false => expect_shared_blobs(&registry),
        }
        self.clients.iter_mut().for_each(|client| inspect(&registry, client));
        registry
    }

    fn come_back(&mut self) {
        let volume = Volume::mount(&self.image, self.system.patient_options());
        let mut registry = self.start_on(&volume);
        registry.stop();
        registry.check_payloads();
    }
}
