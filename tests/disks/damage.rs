//! Payloads that are damaged under a pull: that response fails, nobody is sent a wrong byte, everybody else is served.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::pull::Protocol;
use crate::support::{Builder, Holdfast, bytes_of, sha256};
use crate::volume::{FileSystem, Volume, Workshop, format};

const MIB: usize = 1 << 20;
const BLOCK: usize = 4096;
const WITH_HTTP_2: &str = "http: {h2c: {enabled: true}}\n";
const REPOSITORY: &str = "team/damage";

#[test]
fn a_file_that_is_truncated_under_a_pull_fails_that_response_alone() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Builder::default().configuration(WITH_HTTP_2).start_in(folder.path());
    let bytes = bytes_of(64 * MIB, 1);
    let path = push(&registry, &bytes);
    for protocol in Protocol::ALL {
        for left in [0, 5 * MIB + 123, 40 * MIB + 123] {
            let file = payload_file(&registry.root(), &sha256(&bytes));
            let came = protocol.pull_in_vain(&registry, &path, || truncate(&file, left));
            assert!(bytes.starts_with(&came), "{protocol:?}: other bytes among {}", came.len());
            assert!(!came.is_empty(), "{protocol:?}: nothing came before the file was cut to {left}");
            expect_that_others_are_served(&registry, left as u64);
            registry.get(&path).expect(500);
            wait_until(|| registry.head(&path).status == 404);
            push(&registry, &bytes);
            wait_until(|| !file.exists());
            registry.get(&path).expect(200).expect_body(&bytes);
        }
    }
}

/// btrfs has checksums: a block that has changed on the device is an error to whoever reads it.
#[test]
fn a_block_that_the_device_cannot_read_fails_that_response_alone() {
    let Some(workshop) = Workshop::open(&[FileSystem::Btrfs]) else { return };
    let image = workshop.path("rotten");
    format(&image, FileSystem::Btrfs, 512 << 20, &[]);
    let bytes = bytes_of(16 * MIB, 2);
    let volume = Volume::mount(&image, "loop");
    let mut registry = Builder::default().configuration(WITH_HTTP_2).start_in(volume.folder());
    let path = push(&registry, &bytes);
    registry.stop();
    let block = &bytes[9 * MIB..9 * MIB + BLOCK];
    let rotten = volume.while_unmounted(|| spoil(&image, block));
    registry.start_again();
    for protocol in Protocol::ALL {
        let came = protocol.pull_in_vain(&registry, &path, || {});
        assert!(bytes.starts_with(&came), "{protocol:?}: other bytes among {}", came.len());
        assert!(came.len() <= 9 * MIB, "{protocol:?}: {} bytes came", came.len());
        expect_that_others_are_served(&registry, 0);
    }
    open_file(&image).write_all_at(block, rotten).unwrap();
    registry.get(&path).expect(200).expect_body(&bytes);
}

/// Pushes a large payload and gives the path at which it is pulled.
fn push(registry: &Holdfast, bytes: &[u8]) -> String {
    format!("/v2/{REPOSITORY}/blobs/{}", registry.push_blob(REPOSITORY, bytes))
}

#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn expect_that_others_are_served(registry: &Holdfast, seed: u64) {
    for (number, length) in [(3, 100), (4, 2 * MIB)] {
        let bytes = bytes_of(length, seed + number);
        let path = push(registry, &bytes);
        registry.get(&path).expect(200).expect_body(&bytes);
    }
}

fn truncate(file: &Path, length: usize) {
    open_file(file).set_len(length as u64).unwrap();
}

fn open_file(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// The file that holds a payload.
fn payload_file(root: &Path, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap();
    let folder = std::fs::read_dir(root.join("blobs/sha256").join(&hex[..2])).unwrap();
    let mut files = folder.map(|entry| entry.unwrap().path());
    files.find(|file| file.file_name().unwrap().to_string_lossy().starts_with(hex)).unwrap()
}

/// Changes the block with these bytes on the device, and gives its place.
fn spoil(image: &Path, block: &[u8]) -> u64 {
    let file = open_file(image);
    let blocks = file.metadata().unwrap().len() / BLOCK as u64;
    let mut found = vec![0; BLOCK];
    let is_here = |offset: &u64| {
        file.read_exact_at(&mut found, *offset).unwrap();
        found == block
    };
    let offset = (0..blocks).map(|number| number * BLOCK as u64).find(is_here).unwrap();
    file.write_all_at(&[0; BLOCK], offset).unwrap();
    offset
}
