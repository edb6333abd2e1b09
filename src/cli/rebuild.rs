//! `holdfast rebuild`: makes the database of a store anew.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::pieces::store_options;
use crate::config::{Config, Errors, Flags, Sources, process_environment};
use crate::store::{self, RebuildError, Rebuilt};

#[derive(Debug, Args)]
pub(super) struct Rebuild {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of the data
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Configuration(#[from] Errors),
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
    let loaded = Config::load(Sources {
        file: arguments.config.clone(),
        environment: process_environment(),
        flags: Flags { addr: None, root: arguments.root.clone() },
    })?;
    let storage = &loaded.config.storage;
    let options = store::Options { lock_wait: Duration::from_secs(2), ..store_options(storage) };
    Ok(store::rebuild(&storage.root, &options)?)
}
