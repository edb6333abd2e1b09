//! `holdfast blob`: a blob of a running server or of a stopped store.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::looking::Looking;
use super::output;
use super::tool::{Tool, ToolError};
use crate::control;
use crate::oci::Digest;
use crate::registry::{BlobReport, Dependent};

/// Look at blobs
#[derive(Debug, Args)]
pub(super) struct Blob {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say where a blob lies, who holds it and what is made of it
    Inspect(Inspect),
}

#[derive(Debug, Args)]
struct Inspect {
    #[arg(value_name = "DIGEST")]
    digest: Digest,
    #[command(flatten)]
    looking: Looking,
}

/// Does what is asked for. Exit code 1 if that could not be done, or if there is no such blob.
pub(super) fn run(arguments: &Blob) -> ExitCode {
    let Command::Inspect(inspect) = &arguments.command;
    inspect.run().map_or_else(ToolError::exit, |()| ExitCode::SUCCESS)
}

impl Inspect {
    fn run(&self) -> Result<(), ToolError> {
        let digest = self.digest;
        let wanted = control::BlobOf { digest };
        let tool = Tool { path: "/blob", wanted, begin: control::blob, is_at_rest: true };
        let Looking { store, json } = &self.looking;
        let report = tool.run(store, |()| Ok(()))?.ok_or(ToolError::NoSuchBlob(digest))?;
        let printed = if *json { output::print_json(&report) } else { show(&report) };
        printed.map_err(ToolError::Output)
    }
}

fn show(report: &BlobReport) -> std::io::Result<()> {
    let BlobReport { digest, size, place, repositories, manifests, is_whole, .. } = report;
    let state = match (report.is_damaged, report.is_unverified) {
        (true, _) => "damaged, and not served until anybody pushes it again",
        (false, true) => "not compared with its digest yet: holdfast scrub does it",
        (false, false) => "no damage is known",
    };
    let mut facts = vec![
        ("blob", digest.to_string()),
        ("size", format!("{} ({size} bytes)", output::size(*size))),
        ("place", place.clone()),
        ("state", state.to_owned()),
    ];
    facts.extend(repositories.iter().map(|repository| ("held by", repository.to_string())));
    facts.extend(manifests.iter().map(|manifest| ("needed by", describe(manifest))));
    if !is_whole {
        facts.push(("needed by", "more than is told here".to_owned()));
    }
    output::print_facts(&facts)
}

fn describe(dependent: &Dependent) -> String {
    let Dependent { repository, manifest, tags } = dependent;
    let tags: String = tags.iter().map(|tag| format!(" {repository}:{tag}")).collect();
    format!("{repository}@{manifest}{tags}")
}
