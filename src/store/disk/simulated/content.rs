//! The bytes of one file: as the cache has them, as the disk has them, and what lies between.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::random::Random;

/// What a disk writes whole or not at all, in bytes.
const BLOCK: usize = 512;

/// A file's bytes, twice.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    cache: Vec<u8>,
    disk: Vec<u8>,
    /// What each block has been since the last sync; the disk may have any of it.
    dirty: BTreeMap<usize, Vec<[u8; BLOCK]>>,
    /// What the length has been since the last sync.
    lengths: Vec<usize>,
    /// Where the device has a defect: whoever reads there gets an error.
    defects: BTreeSet<usize>,
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        self.cache.len() as u64
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.cache.get(position(offset)?..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        let start = position(offset)?;
        if self.defects.range(start..start + count).next().is_some() {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let start = position(offset)?;
        let end = start + bytes.len();
        if bytes.is_empty() {
            return Ok(());
        }
        if end > self.cache.len() {
            self.resize(end);
        }
        self.cache[start..end].copy_from_slice(bytes);
        self.soil(start, end);
        Ok(())
    }

    pub(super) fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.resize(position(length)?);
        Ok(())
    }

    fn resize(&mut self, length: usize) {
        let before = self.cache.len();
        self.cache.resize(length, 0);
        self.lengths.push(length);
        // Where the disk has bytes from before a cut, the zeros have to be written like any others.
        self.soil(before, length.min(self.disk.len()));
    }

    /// Remembers what the blocks of a range are now.
    fn soil(&mut self, start: usize, end: usize) {
        if start < end {
            for block in start / BLOCK..end.div_ceil(BLOCK) {
                self.dirty.entry(block).or_default().push(block_of(&self.cache, block));
            }
        }
    }

    /// Lets every read fail from now on that goes over a byte.
    pub(super) fn break_at(&mut self, offset: u64) -> io::Result<()> {
        self.defects.insert(position(offset)?);
        Ok(())
    }

    /// Turns a byte over, as a disk does that rots.
    pub(super) fn rot(&mut self, offset: u64) {
        let Ok(offset) = position(offset) else { return };
        for image in [&mut self.cache, &mut self.disk] {
            image.get_mut(offset).into_iter().for_each(|byte| *byte = !*byte);
        }
    }

    /// Carries everything to the disk.
    pub(super) fn sync(&mut self) {
        self.disk.resize(self.cache.len(), 0);
        for block in std::mem::take(&mut self.dirty).into_keys() {
            put_block(&mut self.disk, block, &block_of(&self.cache, block));
        }
        self.lengths.clear();
    }

    /// Carries some of it to the disk, and takes the rest for carried.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        let chance = random.survival();
        self.survive(random, chance);
    }

    /// Leaves what the disk has, and of what was not synced anything.
    pub(super) fn cut(&mut self, random: &mut Random, chance: u64) {
        self.survive(random, chance);
        self.cache.clone_from(&self.disk);
    }

    fn survive(&mut self, random: &mut Random, chance: u64) {
        if let Some(length) = survivor(&self.lengths, random, chance) {
            self.disk.resize(*length, 0);
        }
        self.lengths.clear();
        for (block, versions) in std::mem::take(&mut self.dirty) {
            if let Some(version) = survivor(&versions, random, chance) {
                put_block(&mut self.disk, block, version);
            }
        }
    }
}

/// What the disk has of something that had several values since the last sync: mostly the last, or `None` for the one
/// from before it.
pub(super) fn survivor<'a, T>(values: &'a [T], random: &mut Random, chance: u64) -> Option<&'a T> {
    if values.is_empty() || !random.chance(chance) {
        return None;
    }
    match random.chance(75) {
        true => values.last(),
        false => values.get(random.below(values.len())),
    }
}

fn block_of(bytes: &[u8], block: usize) -> [u8; BLOCK] {
    let mut copy = [0; BLOCK];
    let rest = bytes.get(block * BLOCK..).unwrap_or_default();
    let count = rest.len().min(BLOCK);
    copy[..count].copy_from_slice(&rest[..count]);
    copy
}

/// Writes a block as far as the file goes.
fn put_block(bytes: &mut [u8], block: usize, copy: &[u8; BLOCK]) {
    let rest = bytes.get_mut(block * BLOCK..).unwrap_or_default();
    let count = rest.len().min(BLOCK);
    rest[..count].copy_from_slice(&copy[..count]);
}

fn position(offset: u64) -> io::Result<usize> {
    // The largest file that a test has any use for.
    const MOST: usize = 1 << 30;
    match usize::try_from(offset) {
        Ok(offset) if offset <= MOST => Ok(offset),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}
