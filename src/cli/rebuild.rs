//! `holdfast rebuild`: makes the database of a store anew.

use std::io;
use std::process::ExitCode;

use clap::Args;

use super::output;
use super::progress::{self, Progress, Unit, megabytes};
use super::stopped::{Stopped, StoppedError};
use crate::store::{self, ArchiveRead, RebuildError, Rebuilt};

#[derive(Debug, Args)]
pub(super) struct Rebuild {
    #[command(flatten)]
    store: Stopped,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Stopped(#[from] StoppedError),
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    #[error("standard output cannot be written: {0}; the database is made anew")]
    Output(#[source] io::Error),
}

/// Rebuilds the store of a server that is not running.
pub(super) fn run(arguments: &Rebuild) -> ExitCode {
    match rebuild(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rebuild(arguments: &Rebuild) -> Result<(), Failure> {
    let (root, options) = arguments.store.find()?;
    let mut progress = Progress::begin(Unit::Bytes);
    let rebuilt = store::rebuild(&root, &options, &mut |ArchiveRead { read, all }| {
        progress.expect(all);
        progress.show(&format!("read {} of the archive", megabytes(read)), read);
    });
    progress::show("");
    let Rebuilt { last_record, set_aside } = rebuilt?;
    let old = set_aside.map(|path| format!("the old one is {}\n", path.display())).unwrap_or_default();
    let text =
        format!("metadata.redb has everything up to change {last_record}; holdfast check proves it\n{old}");
    output::tell(&text).map_err(Failure::Output)
}
