//! `holdfast man`: the manual pages.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};

#[derive(Debug, Args)]
pub(super) struct Man {
    /// The folder, which is made if it is missing, such as /usr/local/share/man/man1
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes a page for each command.
pub(super) fn run(arguments: &Man, command: Command) -> ExitCode {
    let folder = &arguments.folder;
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast: the manual pages cannot be written to {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
