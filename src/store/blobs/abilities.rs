//! What the system can do with files in this folder, found out at start.

use std::path::Path;
use std::sync::Arc;

use rustix::fs::StatFs;

use super::mapping::Mapping;
use crate::store::disk::Disk;

/// Which ways out a payload can take. Each has a fall-back that reads the file instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Abilities {
    /// Files can be mapped, and their pages fetched with errors reported instead of a signal.
    pub(in crate::store) can_map: bool,
}

impl Abilities {
    /// Tries everything out on a small file of the folder. What is missing is logged once, here.
    pub(in crate::store) fn find_out(disk: &dyn Disk, sample: &Path) -> Self {
        let tried = disk.open_for_reading(sample).and_then(|file| {
            if let Some(file) = file.file() {
                warn_of_network(sample, &rustix::fs::fstatfs(file)?);
            }
            let mapping = Mapping::of(file, &Arc::default())?;
            mapping.populate(0..mapping.length())
        });
        if let Err(error) = &tried {
            tracing::warn!(%error, "files cannot be mapped here; payloads are read through buffers, at more CPU");
        }
        Self { can_map: tried.is_ok() }
    }
}

/// Says what a network file system does not guarantee.
fn warn_of_network(path: &Path, found: &StatFs) {
    const NETWORK: [(i64, &str); 4] =
        [(0x6969, "NFS"), (0x517b, "SMB"), (0xff53_4d42, "CIFS"), (0x0102_1997, "9p")];
    #[allow(clippy::useless_conversion, reason = "the type's width differs between architectures")]
    let magic = i64::try_from(found.f_type).unwrap_or_default();
    if let Some((_, name)) = NETWORK.iter().find(|(known, _)| *known == magic) {
        tracing::warn!(
            path = %path.display(),
            "the data folder lies on {name}: neither the lock that keeps a second server out nor the durability of \
             what was acknowledged is guaranteed there; use a local disk"
        );
    }
}
