//! What the page cache holds when a turn begins.

use std::fs::{self, File};
use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use rustix::fs::{Advice, fadvise};
use tempfile::TempDir;

/// How a row wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageCache {
    /// Nothing, where the benchmark is root and may have it so; else what happens to be there.
    Empty,
    /// Clean pages of files that nobody asks for, as many as go in: whoever needs memory has to have one of them thrown out.
    Full,
}

/// Has it so before each turn. What it needs goes away with it.
pub(crate) struct Preparation {
    wanted: PageCache,
    folder: TempDir,
    files: u32,
}

impl Preparation {
    pub(crate) fn of(wanted: PageCache) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("holdfast-bench-").tempdir()?;
        Ok(Self { wanted, folder, files: 0 })
    }

    /// Has the disk done with what was written before, and everybody begin alike.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        rustix::fs::sync();
        match self.wanted {
            PageCache::Empty => drop_all(),
            PageCache::Full => self.fill()?,
        }
        thread::sleep(Duration::from_millis(200));
        Ok(())
    }

    /// Reads files as large as the memory that is free, which are nothing but a hole: they take no room on the disk, yet
    /// every page that is read of them takes one in memory. They stay until the row is over, for with a file its pages go.
    fn fill(&mut self) -> io::Result<()> {
        /// Others give memory back meanwhile; so many files are read at the most.
        const TIMES: u32 = 10;
        let enough = memory("MemTotal:")? / 64;
        for _ in 0..TIMES {
            let free = memory("MemFree:")?;
            if free <= enough {
                return Ok(());
            }
            self.read_hole(free)?;
        }
        let free = memory("MemFree:")? / 1_000_000;
        Err(io::Error::other(format!("the page cache does not fill: {free} MB of memory are still free")))
    }

    fn read_hole(&mut self, size: u64) -> io::Result<()> {
        let path = self.folder.path().join(format!("hole-{}", self.files));
        self.files += 1;
        File::create_new(&path)?.set_len(size)?;
        let (mut hole, mut buffer) = (File::open(&path)?, vec![0; 1 << 20]);
        // Page by page: read ahead it would come in large pieces, for which the system throws out pages while others are free.
        fadvise(&hole, 0, None, Advice::Random)?;
        while hole.read(&mut buffer)? > 0 {}
        Ok(())
    }
}

fn drop_all() {
    // Only root may.
    let _not_allowed = fs::write("/proc/sys/vm/drop_caches", "1");
}

/// A line of `/proc/meminfo`, in bytes.
fn memory(key: &str) -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)).ok_or(io::ErrorKind::InvalidData)?;
    let kilobytes = line.trim().trim_end_matches("kB").trim().parse::<u64>().map_err(io::Error::other)?;
    Ok(kilobytes * 1024)
}
