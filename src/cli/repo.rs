//! `holdfast repo`: the repositories of a running server or of a stopped store.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::looking::Looking;
use super::output::{self, Side, Table};
use super::progress;
use super::stopped::Stopped;
use super::tool::{Tool, ToolError};
use crate::control;
use crate::oci::{Glob, RepositoryName};
use crate::registry::{RemovalTerms, Removed, Usage};

/// Look at repositories, and remove them
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
    /// Remove a repository: its tags, manifests and blobs
    Rm(Remove),
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

#[derive(Debug, Args)]
struct Remove {
    #[arg(value_name = "REPOSITORY")]
    repository: RepositoryName,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Remove nothing, and say what would be
    #[arg(long)]
    dry_run: bool,
    /// Remove immutable tags as well (tags.immutable)
    #[arg(long)]
    overwrite_immutable: bool,
    #[command(flatten)]
    store: Stopped,
}

/// Does what is asked for. Exit code 1 if that could not be done.
pub(super) fn run(arguments: &Repo) -> ExitCode {
    let done = match &arguments.command {
        Command::Ls(list) => list.run(),
        Command::Du(disk) => disk.run(),
        Command::Rm(remove) => remove.run(),
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

impl Remove {
    fn run(&self) -> Result<(), ToolError> {
        let repository = &self.repository;
        if !self.dry_run && !self.yes {
            if !io::stdin().is_terminal() {
                return Err(ToolError::NotConfirmed(repository.clone()));
            }
            if !confirm(repository, &self.remove(true)?).map_err(ToolError::Output)? {
                return output::print("nothing was removed\n").map_err(ToolError::Output);
            }
        }
        let removed = self.remove(self.dry_run)?;
        let verb = if self.dry_run { "would be removed" } else { "removed" };
        output::print(&format!("{verb}: {}\n", describe(&removed))).map_err(ToolError::Output)
    }

    fn remove(&self, dry_run: bool) -> Result<Removed, ToolError> {
        let terms = RemovalTerms { dry_run, may_overwrite: self.overwrite_immutable };
        let wanted = control::RemoveRepository { repository: self.repository.clone(), terms };
        let begin = control::remove_repository;
        let tool = Tool { path: "/repository/removal", wanted, begin, is_at_rest: dry_run };
        tool.run(&self.store, |removed| {
            progress::show(&format!("removed {}", describe(&removed)));
            Ok(())
        })
    }
}

/// Asks whether all this is to go.
fn confirm(repository: &RepositoryName, removed: &Removed) -> io::Result<bool> {
    let mut terminal = io::stderr().lock();
    write!(terminal, "{repository} has {}.\nRemove it for good? Type its name: ", describe(removed))?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == repository.as_str())
}

fn describe(removed: &Removed) -> String {
    let Removed { tags, manifests, blobs, bytes } = removed;
    format!(
        "{tags} tags, {manifests} manifests, {blobs} blobs; {} of payloads that nobody else holds",
        output::size(*bytes)
    )
}
