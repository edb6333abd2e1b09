//! `holdfast backup`: makes a backup of a running registry, or of the store of a stopped one.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;

use super::gc::show_progress;
use super::pieces::registry_settings;
use super::stopped::{Stopped, StoppedError};
use crate::control::{self, AskError, BackupEvent};
use crate::registry::Registry;
use crate::store::{OpenError, Options, Store, Summary, Tally};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The folder of the backup: empty, missing, or a backup to be renewed; a running server writes it with its own rights
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    store: Stopped,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Stopped(#[from] StoppedError),
    #[error("{}: {error}", path.display())]
    Path { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("threads cannot be started: {0}; the system is short of something: try again")]
    Threads(#[source] io::Error),
    #[error("{0}")]
    Failed(String),
    #[error("the server was stopped in the middle; the backup before is as it was: run this again")]
    BrokenOff,
}

/// Makes a backup. Exit code 1 if that could not be done, or if payloads are missing in it.
pub(super) fn run(arguments: &Backup) -> ExitCode {
    match back_up(arguments) {
        Ok(summary) => {
            end(&summary, "the store has lost these payloads, and so has the backup: push them again")
        }
        Err(error) => {
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn back_up(arguments: &Backup) -> Result<Summary, Failure> {
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    threads.map_err(Failure::Threads)?.block_on(async {
        let (teller, told) = mpsc::channel(64);
        let (worked, summary) = tokio::join!(work(arguments, teller), show(told));
        worked.and(summary)
    })
}

/// Has the server do it, if there is one, and does it here otherwise.
async fn work(arguments: &Backup, teller: mpsc::Sender<BackupEvent>) -> Result<(), Failure> {
    let path = &arguments.folder;
    let folder = std::path::absolute(path).map_err(|error| Failure::Path { path: path.clone(), error })?;
    let wanted = control::Backup { folder };
    let (config, options) = arguments.store.find_with_config()?;
    let root = &config.storage.root;
    if control::ask(&control::socket(root), "/backup", &wanted, teller.clone()).await? {
        return Ok(());
    }
    // Nobody was told anything that could be relied on.
    let options = Options { lease: Duration::ZERO, ..options };
    let registry = Registry::new(Store::open(root, &options)?, registry_settings(&config));
    let mut told = control::back_up(registry.clone(), wanted);
    while let Some(event) = told.recv().await {
        // It is shown for as long as there is something to show.
        let _ = teller.send(event).await;
    }
    registry.close().await;
    Ok(())
}

/// Writes what happens: what is missing to standard output, how far it is to a terminal.
async fn show(mut told: mpsc::Receiver<BackupEvent>) -> Result<Summary, Failure> {
    while let Some(event) = told.recv().await {
        match event {
            BackupEvent::Carried(summary) => show_carried(&summary),
            BackupEvent::Lacking { digest, reason } => show_lacking(&digest, &reason),
            BackupEvent::Done(summary) => return Ok(summary),
            BackupEvent::Failed(error) => {
                show_progress("");
                return Err(Failure::Failed(error));
            }
        }
    }
    Err(Failure::BrokenOff)
}

pub(super) fn show_carried(summary: &Summary) {
    let Tally { payloads, bytes } = summary.total();
    show_progress(&format!("{payloads} payloads, {bytes} bytes"));
}

pub(super) fn show_lacking(digest: &str, reason: &str) {
    show_progress("");
    println!("missing: {digest}: {reason}");
}

/// Says how payloads were brought over. Whether all were is the exit code; if not, standard error says what to do.
pub(super) fn end(summary: &Summary, what_to_do: &str) -> ExitCode {
    show_progress("");
    let Summary { linked, cloned, copied, present, removed, lacking } = summary;
    for (way, Tally { payloads, bytes }) in
        [("linked", linked), ("cloned", cloned), ("copied", copied), ("there already", present)]
    {
        println!("{way}: {payloads} payloads, {bytes} bytes");
    }
    if *removed > 0 {
        println!("removed: {removed} files of the backup before");
    }
    match lacking {
        0 => ExitCode::SUCCESS,
        lacking => {
            eprintln!("holdfast: {lacking} payloads are missing or damaged; {what_to_do}");
            ExitCode::FAILURE
        }
    }
}
