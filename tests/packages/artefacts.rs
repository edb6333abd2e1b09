//! Where the built images and the package lie.

use std::path::{Path, PathBuf};

/// A file in the folder that `HOLDFAST_PACKAGES` names; `None` where it is not set, which is said.
///
/// # Panics
///
/// If the folder has no such file: the script that makes it was not run.
#[track_caller]
pub(crate) fn artefact(name: &str, script: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("HOLDFAST_PACKAGES") else {
        eprintln!("skipped: {name}: HOLDFAST_PACKAGES names no folder that {script} has filled");
        return None;
    };
    // A test runs in the package's root, where the scripts count their paths from.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name);
    assert!(path.is_file(), "{} is not there: run {script}", path.display());
    Some(path)
}
