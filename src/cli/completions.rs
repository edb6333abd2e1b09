//! `holdfast completions`: what a shell completes of the command line.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use super::output;
use super::tool::ToolError;

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Prints the shell's script.
pub(super) fn run(arguments: &Completions, mut command: Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "holdfast", &mut script);
    let printed = output::print(&String::from_utf8_lossy(&script)).map_err(ToolError::Output);
    printed.map_or_else(ToolError::exit, |()| ExitCode::SUCCESS)
}
