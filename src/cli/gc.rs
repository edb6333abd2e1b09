//! `holdfast gc`: collects what nothing refers to, in a running server or in the store of a stopped one.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::output;
use super::progress::{self, Progress, Unit};
use super::stopped::Stopped;
use super::tool::{Tool, ToolError};
use crate::config::{parse_duration, show_duration, show_size};
use crate::control::{self, Gc};
use crate::registry::{Finding, News, Report, Thing, Verdict, Why};

#[derive(Debug, Args)]
pub(super) struct Collect {
    #[command(flatten)]
    pub(super) store: Stopped,
    /// How long something is kept that nothing refers to, such as 30m or 24h; in a running server no shorter than its lease
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) grace: Option<Duration>,
    /// Remove nothing, and say what would be
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Remove manifests without a tag as well, unless something needs them
    #[arg(long)]
    pub(super) delete_untagged: bool,
    /// Say nothing but what went wrong
    #[arg(short, long)]
    pub(super) quiet: bool,
}

/// Collects. Exit code 1 if that could not be done to its end.
pub(super) fn run(arguments: &Collect) -> ExitCode {
    let &Collect { ref store, grace, dry_run, delete_untagged, quiet } = arguments;
    let wanted = Gc { grace, dry_run, delete_untagged: delete_untagged.then_some(true) };
    let tool = Tool { path: "/gc", wanted, begin: control::collect, is_at_rest: false };
    let mut progress = Progress::begin(Unit::Things);
    let shown = |news| if quiet { Ok(()) } else { show(&mut progress, &news, dry_run) };
    let collected = tool.run(store, shown).and_then(|report| {
        let told = if quiet { Ok(()) } else { output::tell(&summary(&report, dry_run)) };
        told.map_err(ToolError::Output)
    });
    collected.map_or_else(ToolError::exit, |()| ExitCode::SUCCESS)
}

/// Writes what was found to standard output, how far it is to a terminal.
fn show(progress: &mut Progress, news: &News, dry_run: bool) -> io::Result<()> {
    match news {
        News::Looked(count) => {
            progress.show(&format!("looked at {count} manifests, blobs and uploads"), *count);
            Ok(())
        }
        News::Found(found) => {
            progress::show("");
            output::tell(&format!("{}\n", line(found, dry_run)))
        }
    }
}

fn line(found: &Finding, dry_run: bool) -> String {
    let thing = match &found.thing {
        Thing::Manifest { repository, digest } => format!("manifest {repository} {digest}"),
        Thing::Blob { repository, digest } => format!("blob {repository} {digest}"),
        Thing::Upload { repository, id } => format!("upload {repository} {id}"),
    };
    match found.verdict {
        Verdict::Removed { bytes } => {
            let removed = if dry_run { "would be removed" } else { "removed" };
            let room = if bytes > 0 { format!(", {}", show_size(bytes)) } else { String::new() };
            format!("{removed}: {thing}{room}")
        }
        Verdict::Kept(why) => format!("kept: {thing}: {}", reason(why)),
    }
}

fn reason(why: Why) -> String {
    match why {
        Why::Young { left } => format!("its grace ends in {} (--grace overrides it)", rounded(left)),
        Why::Vouched => "a client may have been told that it is there, and has a lease on it".to_owned(),
        Why::Uploading => "an upload is open in its repository".to_owned(),
    }
}

/// To the second.
fn rounded(duration: Duration) -> String {
    show_duration(Duration::from_secs(duration.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)))
}

fn summary(report: &Report, dry_run: bool) -> String {
    let Report { manifests, blobs, uploads, bytes, young, next, vouched, uploading } = report;
    let removed = if dry_run { "would be removed" } else { "removed" };
    let bytes = show_size(*bytes);
    let mut text =
        format!("{removed}: {manifests} manifests, {blobs} blobs, {uploads} uploads; {bytes} of payloads\n");
    if let Some(next) = next {
        let next = rounded(*next);
        text.push_str(&format!("kept by their grace: {young}, the first of them for {next} more\n"));
    }
    if vouched + uploading > 0 {
        text.push_str(&format!("kept by a lease: {vouched}, by an open upload: {uploading}\n"));
    }
    text
}
