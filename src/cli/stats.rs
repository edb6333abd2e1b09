//! `holdfast stats`: the figures of a running server or of a stopped store.

use std::process::ExitCode;

use clap::Args;

use super::looking::Looking;
use super::output;
use super::progress;
use super::tool::{Tool, ToolError};
use crate::control;
use crate::registry::Statistics;

#[derive(Debug, Args)]
pub(super) struct Stats {
    #[command(flatten)]
    looking: Looking,
}

/// Counts. Exit code 1 if that could not be done.
pub(super) fn run(arguments: &Stats) -> ExitCode {
    let Looking { store, json } = &arguments.looking;
    let wanted = control::StatisticsOf {};
    let tool = Tool { path: "/statistics", wanted, begin: control::statistics, is_at_rest: true };
    let counted = tool.run(store, |blobs| {
        progress::show(&format!("looked at {blobs} blobs"));
        Ok(())
    });
    let printed = counted.and_then(|statistics| {
        let printed = if *json { output::print_json(&statistics) } else { show(&statistics) };
        printed.map_err(ToolError::Output)
    });
    printed.map_or_else(ToolError::exit, |()| ExitCode::SUCCESS)
}

fn show(statistics: &Statistics) -> std::io::Result<()> {
    let &Statistics { disk, .. } = statistics;
    output::print_facts(&[
        ("repositories", statistics.repositories.to_string()),
        ("tags", statistics.tags.to_string()),
        ("manifests", statistics.manifests.to_string()),
        ("blobs", format!("{}, {}", statistics.blobs, output::size(statistics.blob_bytes))),
        ("damaged blobs", statistics.damaged_blobs.to_string()),
        ("open uploads", statistics.uploads.to_string()),
        ("database", output::size(disk.database)),
        ("log", output::size(disk.log)),
        ("archive", output::size(disk.archive)),
        ("free on disk", format!("{} of {}", output::size(disk.free), output::size(disk.disk))),
        ("counted in", format!("{} ms", statistics.milliseconds)),
    ])
}
