//! `holdfast tag`: the tags of a running server or of a stopped store.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::images::{Image, Tagged, image, tagged, target};
use super::looking::Looking;
use super::output::{self, Side, Table};
use super::stopped::Stopped;
use super::tool::{Tool, ToolError};
use crate::control;
use crate::oci::{ImageName, Reference, RepositoryName, Tag};
use crate::registry::{Copied, ImageCopy, RemovalTerms, RemovedTag, TagEntry};

/// Look at tags, copy them, remove them
#[derive(Debug, Args)]
pub(super) struct Tags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the tags of a repository
    Ls(List),
    /// Copy an image to another tag or repository, with all that it is made of; no byte of it is copied
    Copy(CopyTo),
    /// Move a tag to another name, or with its image to another repository
    Mv(Move),
    /// Remove tags; what they point at stays
    Rm(Remove),
}

#[derive(Debug, Args)]
struct List {
    #[arg(value_name = "REPOSITORY")]
    repository: RepositoryName,
    #[command(flatten)]
    looking: Looking,
}

#[derive(Debug, Args)]
struct CopyTo {
    /// What: REPOSITORY:TAG or REPOSITORY@DIGEST
    #[arg(value_name = "FROM", value_parser = image)]
    from: Image,
    /// Where to: REPOSITORY:TAG, or REPOSITORY under the same tag
    #[arg(value_name = "TO", value_parser = target)]
    to: (RepositoryName, Option<Tag>),
    #[command(flatten)]
    changing: Changing,
}

#[derive(Debug, Args)]
struct Move {
    /// What: REPOSITORY:TAG
    #[arg(value_name = "FROM", value_parser = tagged)]
    from: Tagged,
    /// Where to: REPOSITORY:TAG, or REPOSITORY under the same tag
    #[arg(value_name = "TO", value_parser = target)]
    to: (RepositoryName, Option<Tag>),
    #[command(flatten)]
    changing: Changing,
}

#[derive(Debug, Args)]
struct Remove {
    /// Which: REPOSITORY:TAG
    #[arg(value_name = "TAG", value_parser = tagged, required = true)]
    tags: Vec<Tagged>,
    /// Remove nothing, and say what would be
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    changing: Changing,
}

/// What commands share that change tags.
#[derive(Debug, Args)]
struct Changing {
    /// Let tags go, or point elsewhere, that are immutable (tags.immutable)
    #[arg(long)]
    overwrite_immutable: bool,
    #[command(flatten)]
    store: Stopped,
}

/// Does what is asked for. Exit code 1 if that could not be done.
pub(super) fn run(arguments: &Tags) -> ExitCode {
    let done = match &arguments.command {
        Command::Ls(list) => list.run(),
        Command::Copy(copy) => copy.run(),
        Command::Mv(moved) => moved.run(),
        Command::Rm(remove) => remove.run(),
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

impl CopyTo {
    fn run(&self) -> Result<(), ToolError> {
        let Image { repository, reference } = self.from.clone();
        copy(repository, reference, self.to.clone(), false, &self.changing)
    }
}

impl Move {
    fn run(&self) -> Result<(), ToolError> {
        let Tagged { repository, tag } = self.from.clone();
        copy(repository, Reference::Tag(tag), self.to.clone(), true, &self.changing)
    }
}

/// Copies, and says what came of it.
fn copy(
    from: RepositoryName,
    reference: Reference,
    (to, tag): (RepositoryName, Option<Tag>),
    is_move: bool,
    changing: &Changing,
) -> Result<(), ToolError> {
    let tag = tag.or_else(|| reference.tag().cloned());
    let target = ImageName { repository: to.clone(), reference: tag.clone().map(Reference::Tag) };
    let source = ImageName { repository: from.clone(), reference: Some(reference.clone()) };
    let wanted = ImageCopy { from, reference, to, tag, is_move, may_overwrite: changing.overwrite_immutable };
    let tool = Tool { path: "/copy", wanted, begin: control::copy, is_at_rest: false };
    let Copied { digest, manifests, blobs } = tool.run(&changing.store, |()| Ok(()))?;
    let verb = if is_move { "moved" } else { "copied" };
    let line = format!(
        "{verb}: {source} to {target}, {digest}; {manifests} manifests and {blobs} blobs are new there\n"
    );
    output::print(&line).map_err(ToolError::Output)
}

impl Remove {
    fn run(&self) -> Result<(), ToolError> {
        let &Self { dry_run, changing: Changing { overwrite_immutable, ref store }, .. } = self;
        let terms = RemovalTerms { dry_run, may_overwrite: overwrite_immutable };
        let tags = self.tags.iter().map(|Tagged { repository, tag }| (repository.clone(), tag.clone()));
        let wanted = control::RemoveTags { tags: tags.collect(), terms };
        let tool = Tool { path: "/tags/removal", wanted, begin: control::remove_tags, is_at_rest: false };
        let removed = if dry_run { "would be removed" } else { "removed" };
        tool.print(store, |RemovedTag { repository, tag, digest }| {
            output::print(&format!("{removed}: {repository}:{tag}, which pointed at {digest}\n"))
        })
    }
}
