//! `holdfast tag`: the tags of a running server or of a stopped store.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::looking::Looking;
use super::output::{self, Side, Table};
use super::tool::{Tool, ToolError};
use crate::control;
use crate::oci::RepositoryName;
use crate::registry::TagEntry;

/// Look at tags
#[derive(Debug, Args)]
pub(super) struct Tags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the tags of a repository
    Ls(List),
}

#[derive(Debug, Args)]
struct List {
    #[arg(value_name = "REPOSITORY")]
    repository: RepositoryName,
    #[command(flatten)]
    looking: Looking,
}

/// Does what is asked for. Exit code 1 if that could not be done.
pub(super) fn run(arguments: &Tags) -> ExitCode {
    let done = match &arguments.command {
        Command::Ls(list) => list.run(),
    };
    done.map_or_else(ToolError::exit, |()| ExitCode::SUCCESS)
}

impl List {
    fn run(&self) -> Result<(), ToolError> {
        let wanted = control::Tags { repository: self.repository.clone() };
        let tool = Tool { path: "/tags", wanted, begin: control::tags, is_at_rest: true };
        let Looking { store, json } = &self.looking;
        let mut table = Table::new([("TAG", Side::Left), ("SET (UTC)", Side::Left), ("DIGEST", Side::Left)]);
        tool.print(store, |page| {
            if *json {
                return output::print_lines(&page);
            }
            for TagEntry { tag, digest, set, .. } in page {
                table.row([tag.to_string(), output::moment(&set), digest.to_string()]);
            }
            table.print()
        })?;
        Ok(())
    }
}
