//! Store folders among the sources.
//!
//! A store's hundreds of folders are left out, for they are created when they are missing, and so is what is empty in
//! the database, which is most of it: of its pages of 4096 bytes those are kept that are not all zeros, each behind its
//! number.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const PAGE: usize = 4096;
const DATABASE: &str = "metadata.redb";
const PACKED_DATABASE: &str = "metadata.redb.pages";
const EXPECTED: &str = "expected.txt";

/// Keeps a store, whose folder may be in use as long as nothing changes in it, with what is expected of it.
pub(crate) fn pack(store: &Path, expected: &str, target: &Path) {
    fs::create_dir_all(target).unwrap();
    for file in files(store) {
        let name = file.strip_prefix(store).unwrap();
        let bytes = fs::read(&file).unwrap();
        match name.to_str().unwrap() {
            "LOCK" => {}
            DATABASE => write(&target.join(PACKED_DATABASE), &pack_pages(&bytes)),
            _ => write(&target.join(name), &bytes),
        }
    }
    write(&target.join(EXPECTED), expected.as_bytes());
}

/// A copy of a store that was kept, and what is expected of it.
pub(crate) fn unpack(source: &Path) -> (TempDir, String) {
    let copy = tempfile::tempdir().unwrap();
    for file in files(source) {
        let name = file.strip_prefix(source).unwrap();
        let bytes = fs::read(&file).unwrap();
        match name.to_str().unwrap() {
            EXPECTED => {}
            PACKED_DATABASE => write(&copy.path().join(DATABASE), &unpack_pages(&bytes)),
            _ => write(&copy.path().join(name), &bytes),
        }
    }
    (copy, fs::read_to_string(source.join(EXPECTED)).unwrap())
}

/// The length, then pages.
fn pack_pages(bytes: &[u8]) -> Vec<u8> {
    let mut packed = (bytes.len() as u64).to_le_bytes().to_vec();
    for (number, page) in (0_u64..).zip(bytes.chunks(PAGE)) {
        if page.iter().any(|byte| *byte != 0) {
            packed.extend_from_slice(&number.to_le_bytes());
            packed.extend_from_slice(page);
        }
    }
    packed
}

fn unpack_pages(packed: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| usize::try_from(u64::from_le_bytes(bytes.try_into().unwrap())).unwrap();
    let (length, pages) = packed.split_at(8);
    let mut bytes = vec![0; number(length)];
    for page in pages.chunks(8 + PAGE) {
        let (at, page) = page.split_at(8);
        let start = number(at) * PAGE;
        bytes[start..start + page.len()].copy_from_slice(page);
    }
    bytes
}

/// The files in a folder and those below it.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.append(&mut self::files(&path)),
            false => files.push(path),
        }
    }
    files
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
