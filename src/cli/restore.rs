//! `holdfast restore`: makes a store of a backup.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::backup::{conclude, show, tell};
use super::output;
use super::progress::{self, Progress, Unit};
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
    #[error("standard output cannot be written: {0}; the store is restored")]
    Output(#[source] io::Error),
}

/// Restores. Exit code 1 if that could not be done, or if payloads are missing.
pub(super) fn run(arguments: &Restore) -> ExitCode {
    match restore(arguments) {
        Ok(summary) => {
            conclude(&summary, "whatever else there was is restored: look for them in another backup")
        }
        Err(error) => {
            progress::show("");
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn restore(arguments: &Restore) -> Result<Summary, Failure> {
    let (config, options) = arguments.store.load()?;
    let how = Restoring { links: arguments.link, verifies: arguments.verify };
    let (mut shown, mut progress) = (Ok(()), Progress::begin(Unit::Bytes));
    let mut show = |news| {
        if shown.is_ok() {
            shown = show(&mut progress, &news);
        }
        true
    };
    let root = config.storage.root;
    let summary = store::restore(&arguments.folder, &root, &options, how, &mut show)?;
    shown.and_then(|()| tell(&summary)).map_err(Failure::Output)?;
    let next = format!("start it with: holdfast serve --root {}\n", root.display());
    output::tell(&next).map_err(Failure::Output)?;
    Ok(summary)
}
