//! Everything that was written made durable with one call.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::Barrier;

/// Linux's `syncfs`, through a descriptor that is older than what it has to answer for: it tells of every error since.
#[derive(Debug)]
pub(super) struct SyncFs(File);

impl SyncFs {
    /// `None` where the call may not do all of the work, or keeps errors to itself.
    pub(super) fn open(folder: &Path) -> io::Result<Option<Self>> {
        let is_known = is_local(rustix::fs::statfs(folder)?.f_type) && tells_of_errors();
        Ok(if is_known { Some(Self(File::open(folder)?)) } else { None })
    }
}

impl Barrier for SyncFs {
    fn is_light(&self) -> bool {
        /// What may wait to be written, in KiB, whoever has written it.
        const MOST: u64 = 64 << 10;
        fs::read_to_string("/proc/meminfo").is_ok_and(|text| waiting(&text) <= MOST)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }
}

/// Whether this is a file system on a device of this machine, which carries everything there when it is told to.
fn is_local(kind: rustix::fs::FsWord) -> bool {
    /// ext4, XFS, btrfs, F2FS.
    const KINDS: [u32; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010];
    u32::try_from(kind).is_ok_and(|kind| KINDS.contains(&kind))
}

/// Since Linux 5.8 the call fails if anything could not be written.
fn tells_of_errors() -> bool {
    let system = rustix::system::uname();
    let release = system.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (5, 8)
}

/// What waits to be written, or is being written, by `/proc/meminfo`, in KiB.
fn waiting(text: &str) -> u64 {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let lines = lines.filter(|(name, _)| matches!(*name, "Dirty" | "Writeback"));
    lines.filter_map(|(_, value)| value.trim().strip_suffix(" kB")?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_read_from_what_the_system_says() {
        let text = "MemFree:  5 kB\nDirty:     120 kB\nWriteback:     3 kB\nWritebackTmp:  7 kB\n";
        assert_eq!(waiting(text), 123);
        assert_eq!(waiting(""), 0);
    }
}
