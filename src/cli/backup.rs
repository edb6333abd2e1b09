//! `holdfast backup`: makes a backup of a running registry, or of the store of a stopped one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::progress;
use super::stopped::Stopped;
use super::tool::{Tool, ToolError};
use crate::control;
use crate::store::{BackupNews, Summary, Tally};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The folder of the backup: empty, missing, or a backup to be renewed; a running server writes it with its own rights
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    store: Stopped,
}

/// Makes a backup. Exit code 1 if that could not be done, or if payloads are missing in it.
pub(super) fn run(arguments: &Backup) -> ExitCode {
    match back_up(arguments) {
        Ok(summary) => {
            end(&summary, "the store has lost these payloads, and so has the backup: push them again")
        }
        Err(error) => error.exit(),
    }
}

fn back_up(arguments: &Backup) -> Result<Summary, ToolError> {
    let path = &arguments.folder;
    let folder = std::path::absolute(path).map_err(|error| ToolError::Path { path: path.clone(), error })?;
    let tool = Tool { path: "/backup", wanted: control::Backup { folder }, begin: control::back_up };
    tool.run(&arguments.store, |news| show(&news))
}

/// Writes what is missing to standard output, how far it is to a terminal.
pub(super) fn show(news: &BackupNews) {
    match news {
        BackupNews::Carried(summary) => {
            let Tally { payloads, bytes } = summary.total();
            progress::show(&format!("{payloads} payloads, {bytes} bytes"));
        }
        BackupNews::Lacking { digest, reason } => {
            progress::show("");
            println!("missing: {digest}: {reason}");
        }
    }
}

/// Says how payloads were brought over. Whether all were is the exit code; if not, standard error says what to do.
pub(super) fn end(summary: &Summary, what_to_do: &str) -> ExitCode {
    progress::show("");
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
