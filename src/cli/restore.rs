//! `holdfast restore`: makes a store of a backup.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::backup::{end, show};
use super::progress;
use super::stopped::{Stopped, StoppedError};
use crate::store::{self, BackupError, Restoring, Summary};

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The folder of the backup
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    store: Stopped,
    /// Have the store and the backup share files under two names, where both lie on one file system
    #[arg(long)]
    link: bool,
    /// Read every payload and compare it with its digest
    #[arg(long)]
    verify: bool,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Stopped(#[from] StoppedError),
    #[error(transparent)]
    Backup(#[from] BackupError),
}

/// Restores. Exit code 1 if that could not be done, or if payloads are missing.
pub(super) fn run(arguments: &Restore) -> ExitCode {
    match restore(arguments) {
        Ok((root, summary)) => {
            let code = end(&summary, "whatever else there was is restored: look for them in another backup");
            println!("start it with: holdfast serve --root {}", root.display());
            code
        }
        Err(error) => {
            progress::show("");
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn restore(arguments: &Restore) -> Result<(PathBuf, Summary), Failure> {
    let (config, options) = arguments.store.load()?;
    let how = Restoring { links: arguments.link, verifies: arguments.verify };
    let mut show = |news| {
        show(&news);
        true
    };
    let root = config.storage.root;
    let summary = store::restore(&arguments.folder, &root, &options, how, &mut show)?;
    Ok((root, summary))
}
