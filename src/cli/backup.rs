//! `holdfast backup`: makes a backup of a running registry, or of the store of a stopped one.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output;
use super::progress::{self, Progress, Unit, megabytes};
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
    let told = back_up(arguments).and_then(|summary| {
        tell(&summary).map_err(ToolError::Output)?;
        Ok(conclude(&summary, "the store has lost these payloads, and so has the backup: push them again"))
    });
    told.unwrap_or_else(ToolError::exit)
}

fn back_up(arguments: &Backup) -> Result<Summary, ToolError> {
    let path = &arguments.folder;
    let folder = std::path::absolute(path).map_err(|error| ToolError::Path { path: path.clone(), error })?;
    let tool = Tool {
        path: "/backup",
        wanted: control::Backup { folder },
        begin: control::back_up,
        is_at_rest: false,
    };
    let mut progress = Progress::begin(Unit::Bytes);
    tool.run(&arguments.store, |news| show(&mut progress, &news))
}

/// Writes what is missing to standard output, how far it is to a terminal.
pub(super) fn show(progress: &mut Progress, news: &BackupNews) -> io::Result<()> {
    match news {
        BackupNews::Ahead(ahead) => {
            progress.expect(ahead.bytes);
            Ok(())
        }
        BackupNews::Carried(summary) => {
            let Tally { payloads, bytes } = summary.total();
            progress.show(&format!("{payloads} payloads, {}", megabytes(bytes)), bytes);
            Ok(())
        }
        BackupNews::Lacking { digest, reason } => {
            progress::show("");
            output::tell(&format!("missing: {digest}: {reason}\n"))
        }
    }
}

/// Says how payloads were brought over.
pub(super) fn tell(summary: &Summary) -> io::Result<()> {
    progress::show("");
    let Summary { linked, cloned, copied, present, removed, .. } = summary;
    let ways = [("linked", linked), ("cloned", cloned), ("copied", copied), ("there already", present)];
    let line = |(way, Tally { payloads, bytes }): (&str, &Tally)| {
        format!("{way}: {payloads} payloads, {bytes} bytes\n")
    };
    let mut text: String = ways.into_iter().map(line).collect();
    if *removed > 0 {
        text.push_str(&format!("removed: {removed} files of the backup before\n"));
    }
    output::tell(&text)
}

/// Whether all payloads were brought over; if not, standard error says what to do.
pub(super) fn conclude(summary: &Summary, what_to_do: &str) -> ExitCode {
    match summary.lacking {
        0 => ExitCode::SUCCESS,
        lacking => {
            eprintln!("holdfast: {lacking} payloads are missing or damaged; {what_to_do}");
            ExitCode::FAILURE
        }
    }
}
