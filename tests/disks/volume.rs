//! File systems of a test's own, on images that are mounted through loop devices.
//!
//! A test mounts in a name space of its own, so that nobody else sees it, and nothing stays mounted if the test is
//! killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Ext4,
    Xfs,
    Btrfs,
}

impl FileSystem {
    fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    /// With these nothing is written of its own accord within the time of a test.
    pub(crate) fn patient_options(self) -> &'static str {
        match self {
            Self::Ext4 => "loop,commit=600,noauto_da_alloc",
            Self::Xfs => "loop",
            Self::Btrfs => "loop,commit=300",
        }
    }
}

/// A place to make images in, and the right to mount them.
pub(crate) struct Workshop {
    folder: TempDir,
}

impl Workshop {
    /// `None`, which is said, where one of these file systems cannot be made or mounted.
    ///
    /// # Panics
    ///
    /// If it cannot although `HOLDFAST_REQUIRE_DISKS` is 1.
    pub(crate) fn open(systems: &[FileSystem]) -> Option<Self> {
        let workshop = Self { folder: tempfile::tempdir().unwrap() };
        let tried =
            enter_own_name_space().and_then(|()| systems.iter().try_for_each(|s| workshop.try_out(*s)));
        let Err(reason) = tried else { return Some(workshop) };
        skip(&format!("{systems:?}: {reason}"));
        None
    }

    fn try_out(&self, system: FileSystem) -> Result<(), String> {
        // XFS wants no less.
        let image = self.folder.path().join("trial");
        try_format(&image, system, 320 << 20, &[])?;
        Volume::try_mount(&image, "loop").map(drop)?;
        std::fs::remove_file(image).map_err(|error| error.to_string())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Says that a test is skipped.
///
/// # Panics
///
/// If `HOLDFAST_REQUIRE_DISKS` is 1.
pub(crate) fn skip(reason: &str) {
    let is_required = std::env::var_os("HOLDFAST_REQUIRE_DISKS").is_some_and(|value| value == "1");
    assert!(!is_required, "HOLDFAST_REQUIRE_DISKS is set, but {reason}");
    eprintln!("skipped: {reason}");
}

/// Makes an image of this size, sparse, with an empty file system on it.
pub(crate) fn format(image: &Path, system: FileSystem, bytes: u64, options: &[&str]) {
    try_format(image, system, bytes, options).unwrap();
}

fn try_format(image: &Path, system: FileSystem, bytes: u64, options: &[&str]) -> Result<(), String> {
    let file = std::fs::File::create(image).map_err(|error| error.to_string())?;
    file.set_len(bytes).map_err(|error| error.to_string())?;
    run(Command::new(format!("mkfs.{}", system.name())).arg("-q").args(options).arg(image))
}

/// Copies an image as it is at this moment, whatever goes on.
pub(crate) fn copy_at_once(image: &Path, copy: &Path) {
    run(Command::new("cp").arg("--reflink=always").arg(image).arg(copy)).unwrap();
}

/// A mounted image. It is unmounted at the end, whatever is still open in it.
pub(crate) struct Volume {
    image: PathBuf,
    options: String,
    folder: PathBuf,
}

impl Volume {
    pub(crate) fn mount(image: &Path, options: &str) -> Self {
        Self::try_mount(image, options).unwrap()
    }

    fn try_mount(image: &Path, options: &str) -> Result<Self, String> {
        let folder = image.with_extension("mounted");
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        attach(image, options, &folder)?;
        Ok(Self { image: image.to_owned(), options: options.to_owned(), folder })
    }

    /// Does something to the image. Nothing of what is on it stays in memory.
    pub(crate) fn while_unmounted<T>(&self, change: impl FnOnce() -> T) -> T {
        run(Command::new("umount").arg(&self.folder)).unwrap();
        let changed = change();
        attach(&self.image, &self.options, &self.folder).unwrap();
        changed
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many bytes anybody may still write.
    pub(crate) fn free_bytes(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.folder).unwrap();
        found.f_bavail * found.f_frsize
    }

    /// How many files may still be created.
    pub(crate) fn free_files(&self) -> u64 {
        rustix::fs::statvfs(&self.folder).unwrap().f_favail
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if let Err(reason) = run(Command::new("umount").arg(&self.folder)) {
            eprintln!("{reason}; it is unmounted once nobody uses it");
            let _ = run(Command::new("umount").arg("--lazy").arg(&self.folder));
        }
    }
}

fn attach(image: &Path, options: &str, folder: &Path) -> Result<(), String> {
    run(Command::new("mount").args(["-o", options]).arg(image).arg(folder))
}

fn enter_own_name_space() -> Result<(), String> {
    // SAFETY: the call takes no pointers; it concerns this thread and those that it starts.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(format!("no name space of its own: {}", std::io::Error::last_os_error()));
    }
    run(Command::new("mount").args(["--make-rprivate", "/"]))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
