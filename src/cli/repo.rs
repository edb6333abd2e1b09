//! `holdfast repo`: the repositories of a running server or of a stopped store.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::looking::Looking;
use super::output::{self, Side, Table};
use super::tool::{Tool, ToolError};
use crate::control;
use crate::oci::{Glob, RepositoryName};
use crate::registry::Usage;

/// Look at repositories
#[derive(Debug, Args)]
pub(super) struct Repo {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the repositories that have a manifest
    Ls(List),
    /// Say what repositories take
    Du(Disk),
}

#[derive(Debug, Args)]
struct List {
    /// Which: * stands for any characters but a slash, ** for any number of components
    #[arg(value_name = "PATTERN")]
    pattern: Option<Glob>,
    #[command(flatten)]
    looking: Looking,
}

#[derive(Debug, Args)]
struct Disk {
    /// The repository [default: each]
    #[arg(value_name = "REPOSITORY")]
    repository: Option<RepositoryName>,
    #[command(flatten)]
    looking: Looking,
}

/// Does what is asked for. Exit code 1 if that could not be done.
pub(super) fn run(arguments: &Repo) -> ExitCode {
    let done = match &arguments.command {
        Command::Ls(list) => list.run(),
        Command::Du(disk) => disk.run(),
    };
    done.map_or_else(ToolError::exit, |()| ExitCode::SUCCESS)
}

impl List {
    fn run(&self) -> Result<(), ToolError> {
        /// A line of JSON.
        #[derive(Serialize)]
        struct Line {
            repository: RepositoryName,
        }
        let wanted = control::Repositories { pattern: self.pattern.clone() };
        let tool = Tool { path: "/repositories", wanted, begin: control::repositories, is_at_rest: true };
        let Looking { store, json } = &self.looking;
        tool.print(store, |names| match json {
            true => {
                let lines: Vec<_> = names.into_iter().map(|repository| Line { repository }).collect();
                output::print_lines(&lines)
            }
            false => output::print(&names.iter().map(|name| format!("{name}\n")).collect::<String>()),
        })?;
        Ok(())
    }
}

impl Disk {
    fn run(&self) -> Result<(), ToolError> {
        let wanted = control::UsageOf { repository: self.repository.clone() };
        let tool = Tool { path: "/usage", wanted, begin: control::usage, is_at_rest: true };
        let Looking { store, json } = &self.looking;
        let mut table = Table::new([
            ("OWN", Side::Right),
            ("SHARED", Side::Right),
            ("BLOBS", Side::Right),
            ("MANIFESTS", Side::Right),
            ("TAGS", Side::Right),
            ("REPOSITORY", Side::Left),
        ]);
        tool.print(store, |usage| {
            if *json {
                return output::print_lines(&[usage]);
            }
            let Usage { repository, tags, manifests, blobs, own_bytes, shared_bytes, .. } = usage;
            table.row([
                output::size(own_bytes),
                output::size(shared_bytes),
                blobs.to_string(),
                manifests.to_string(),
                tags.to_string(),
                repository.to_string(),
            ]);
            table.print()
        })?;
        Ok(())
    }
}
