//! `holdfast export`: brings out what a running registry holds, or the store of a stopped one, for other programs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::output;
use super::progress::{self, Progress, Unit, megabytes};
use super::stopped::Stopped;
use super::tool::{Tool, ToolError};
use crate::control;
use crate::oci::Glob;
use crate::registry::{ExportFormat, ExportNews, ExportReport, LeftOut};
use crate::store::{Summary, Tally};

/// How many of what was left out are listed as JSON.
const LISTED: usize = 10_000;

/// What is told below the options.
const MORE: &str = "\
The registry may go on serving meanwhile. Each tag is exported as it points when it is read. Run this again, and what is new comes, tags
that moved move, and what was deleted goes. An export that was cut off goes on when it is run again.

Blobs that no manifest needs are not exported.

Exit code 0 if everything was exported, 2 if something was left out, 1 if the export could not go on.";

#[derive(Debug, Args)]
#[command(after_help = MORE)]
pub(super) struct Export {
    /// The folder to export to: empty, missing, or one that was exported to before; a running server writes it with its own rights
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    store: Stopped,
    /// Export the repositories that match, such as team/app or team/**; may be given several times; left out, all of them
    #[arg(long = "repository", value_name = "PATTERN", value_parser = Glob::parse)]
    repositories: Vec<Glob>,
    /// In which shape
    #[arg(long, value_enum, default_value_t = Shape::Oci)]
    format: Shape,
    /// Make every file one of its own; without, files on the same file system are the store's own under second names
    #[arg(long)]
    copy: bool,
    /// Write what it came to as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shape {
    /// An OCI image layout a repository, DIR/<repository>
    Oci,
    /// The folder tree that distribution (registry:2, registry:3) serves: DIR is its storage.filesystem.rootdirectory
    Distribution,
}

/// Exports. Exit code 1 if that could not be done to its end, 2 if something was left out.
pub(super) fn run(arguments: &Export) -> ExitCode {
    let mut left_out = Vec::new();
    let exported = export(arguments, &mut left_out).and_then(|report| {
        let told = match arguments.json {
            true => format!("{}\n", as_json(&report, &left_out)),
            false => summary(&report, arguments.format),
        };
        output::tell(&told).map_err(ToolError::Output)?;
        Ok(report)
    });
    let report = match exported {
        Ok(report) => report,
        Err(error) => return error.exit(),
    };
    match report.left_out {
        0 => ExitCode::SUCCESS,
        count => {
            eprintln!(
                "holdfast: {count} things were left out, for they are damaged here or cannot be held there"
            );
            ExitCode::from(2)
        }
    }
}

fn export(arguments: &Export, left_out: &mut Vec<LeftOut>) -> Result<ExportReport, ToolError> {
    let path = &arguments.folder;
    let folder = std::path::absolute(path).map_err(|error| ToolError::Path { path: path.clone(), error })?;
    let format = match arguments.format {
        Shape::Oci => ExportFormat::Oci,
        Shape::Distribution => ExportFormat::Distribution,
    };
    let repositories = arguments.repositories.clone();
    let wanted = control::Export { folder, format, repositories, copy: arguments.copy };
    let tool = Tool { path: "/export", wanted, begin: control::export, is_at_rest: true };
    let mut progress = Progress::begin(Unit::Bytes);
    tool.run(&arguments.store, |news| match news {
        ExportNews::Ahead(ahead) => {
            progress.expect(ahead.bytes);
            Ok(())
        }
        ExportNews::Carried(summary) => {
            let Tally { payloads, bytes } = summary.total();
            progress.show(&format!("{payloads} blobs and manifests, {}", megabytes(bytes)), bytes);
            Ok(())
        }
        ExportNews::LeftOut(one) if arguments.json => {
            if left_out.len() < LISTED {
                left_out.push(one);
            }
            Ok(())
        }
        ExportNews::LeftOut(one) => {
            progress::show("");
            output::tell(&format!("left out: {one}\n"))
        }
    })
}

fn as_json(report: &ExportReport, left_out: &[LeftOut]) -> serde_json::Value {
    let mut value = json!(report);
    value["left_out_first"] = json!(left_out);
    value
}

fn summary(report: &ExportReport, format: Shape) -> String {
    let ExportReport { repositories, manifests, tags, payloads, removed, referrers, sparse_indexes, .. } =
        report;
    let mut text = format!("repositories: {repositories}\nmanifests: {manifests}\ntags: {tags}\n");
    let Summary { linked, cloned, copied, present, .. } = payloads;
    let ways = [("linked", linked), ("cloned", cloned), ("copied", copied), ("there already", present)];
    for (way, Tally { payloads, bytes }) in ways.into_iter().filter(|(_, tally)| tally.payloads > 0) {
        text.push_str(&format!("{way}: {payloads} blobs and manifests, {}\n", megabytes(*bytes)));
    }
    let unlisted = if matches!(format, Shape::Distribution) { *referrers } else { 0 };
    let more = [
        (*removed, "tags, manifests and repositories removed there that are here no more"),
        (*sparse_indexes, "indexes lack images"),
        (unlisted, "manifests refer to another one, which distribution does not list"),
    ];
    for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("{count} {what}\n"));
    }
    text.push_str("all of it is durable\n");
    text
}
