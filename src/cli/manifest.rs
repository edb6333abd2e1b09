//! `holdfast manifest`: a manifest of a running server or of a stopped store.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::images::{Image, image};
use super::looking::Looking;
use super::output::{self, Side, Table};
use super::tool::{Tool, ToolError};
use crate::control;
use crate::registry::{ManifestReport, Part, PartPlatform, ReferrerEntry};

/// Look at manifests
#[derive(Debug, Args)]
pub(super) struct Manifest {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what a manifest is made of, and what refers to it
    Inspect(Inspect),
}

#[derive(Debug, Args)]
struct Inspect {
    /// The manifest: REPOSITORY:TAG or REPOSITORY@DIGEST
    #[arg(value_name = "IMAGE", value_parser = image)]
    image: Image,
    /// Print the manifest as it was pushed
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    #[command(flatten)]
    looking: Looking,
}

/// Does what is asked for. Exit code 1 if that could not be done.
pub(super) fn run(arguments: &Manifest) -> ExitCode {
    let Command::Inspect(inspect) = &arguments.command;
    inspect.run().map_or_else(ToolError::exit, |()| ExitCode::SUCCESS)
}

impl Inspect {
    fn run(&self) -> Result<(), ToolError> {
        let Image { repository, reference } = self.image.clone();
        let wanted = control::ManifestAt { repository, reference };
        let Looking { store, json } = &self.looking;
        if self.raw {
            let begin = control::manifest_text;
            let tool = Tool { path: "/manifest/text", wanted, begin, is_at_rest: true };
            return tool.print(store, |piece: String| output::print(&piece));
        }
        let tool = Tool { path: "/manifest", wanted, begin: control::manifest, is_at_rest: true };
        let report = tool.run(store, |()| Ok(()))?;
        let printed = if *json { output::print_json(&report) } else { show(&report) };
        printed.map_err(ToolError::Output)
    }
}

fn show(report: &ManifestReport) -> std::io::Result<()> {
    let ManifestReport { repository, digest, media_type, size, content_size, pushed, .. } = report;
    let mut facts = vec![
        ("manifest", format!("{repository}@{digest}")),
        ("type", media_type.clone()),
        ("size", format!("{}, of content {}", output::size(*size), output::size(*content_size))),
        ("pushed", format!("{} UTC", output::moment(pushed))),
    ];
    facts.extend(report.artifact_type.iter().map(|artifact_type| ("artifact type", artifact_type.clone())));
    facts.extend(report.subject.iter().map(|subject| ("subject", subject.to_string())));
    facts.extend(report.tags.iter().map(|tag| ("tag", tag.to_string())));
    facts.extend(report.part_of.iter().map(|index| ("part of", index.to_string())));
    let annotations = report.annotations.iter().flatten();
    facts.extend(annotations.map(|(key, value)| ("annotation", format!("{key}={value}"))));
    output::print_facts(&facts)?;
    show_parts(report)?;
    show_referrers(&report.referrers)?;
    match report.is_whole {
        true => Ok(()),
        false => output::print("\nand more than is told here\n"),
    }
}

fn show_parts(report: &ManifestReport) -> std::io::Result<()> {
    let mut table = Table::new([
        ("PART", Side::Left),
        ("SIZE", Side::Right),
        ("DIGEST", Side::Left),
        ("TYPE", Side::Left),
    ]);
    let configs = report.config.iter().map(|part| ("config".to_owned(), part));
    let layers = report.layers.iter().map(|part| ("layer".to_owned(), part));
    let manifests = report.manifests.iter().map(|part| (platform(part), part));
    for (name, part) in configs.chain(layers).chain(manifests) {
        let Part { media_type, digest, size, is_present, .. } = part;
        let media_type = if *is_present { media_type.clone() } else { format!("{media_type} (not here)") };
        table.row([name, output::size(*size), digest.to_string(), media_type]);
    }
    output::print("\n")?;
    table.print()
}

/// What a manifest of an index is for.
fn platform(part: &Part) -> String {
    match &part.platform {
        Some(PartPlatform { os, architecture, variant: None }) => format!("{os}/{architecture}"),
        Some(PartPlatform { os, architecture, variant: Some(variant) }) => {
            format!("{os}/{architecture}/{variant}")
        }
        None => "manifest".to_owned(),
    }
}

fn show_referrers(referrers: &[ReferrerEntry]) -> std::io::Result<()> {
    if referrers.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([("REFERRER", Side::Left), ("SIZE", Side::Right), ("TYPE", Side::Left)]);
    for ReferrerEntry { digest, artifact_type, size } in referrers {
        let artifact_type = artifact_type.clone().unwrap_or_default();
        table.row([digest.to_string(), output::size(*size), artifact_type]);
    }
    output::print("\n")?;
    table.print()
}
