//! `holdfast rebuild`: makes the database of a store anew.

use std::process::ExitCode;

use clap::Args;

use super::stopped::{Stopped, StoppedError};
use crate::store::{self, RebuildError, Rebuilt};

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
}

/// Rebuilds the store of a server that is not running.
pub(super) fn run(arguments: &Rebuild) -> ExitCode {
    match rebuild(arguments) {
        Ok(Rebuilt { last_record, set_aside }) => {
            println!("metadata.redb has everything up to change {last_record}; holdfast check proves it");
            if let Some(path) = set_aside {
                println!("the old one is {}", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rebuild(arguments: &Rebuild) -> Result<Rebuilt, Failure> {
    let (root, options) = arguments.store.find()?;
    Ok(store::rebuild(&root, &options)?)
}
