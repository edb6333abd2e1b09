//! `holdfast scrub`: reads every blob and compares it with its digest, in a running server or in the store of a stopped one.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::output;
use super::progress::{self, Progress, Unit, megabytes};
use super::stopped::Stopped;
use super::tool::{Tool, ToolError};
use crate::config::{parse_size, show_size};
use crate::control::{self, Events};
use crate::registry::{Damage, Dependent, Registry, ScrubNews, ScrubReport};

#[derive(Debug, Args)]
pub(super) struct Scrub {
    #[command(flatten)]
    store: Stopped,
    /// How much is read in a second at the most, such as 20MiB, 0 for no bound; left out, as storage.scrub.rate of a running
    /// server has it, and without a bound in a stopped store
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    rate: Option<u64>,
}

/// Scrubs. Exit code 1 if anything is damaged, or that could not be found out.
pub(super) fn run(arguments: &Scrub) -> ExitCode {
    let wanted = control::Scrub { rate: arguments.rate };
    let mut progress = Progress::begin(Unit::Bytes);
    let tool = Tool { path: "/scrub", wanted, begin: begin_in_a_stopped_store, is_at_rest: false };
    let scrubbed = tool.run(&arguments.store, |news| show(&mut progress, &news)).and_then(|report| {
        output::tell(&summary(&report)).map_err(ToolError::Output)?;
        Ok(report.damaged + report.unread)
    });
    match scrubbed {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => error.exit(),
    }
}

/// There is nobody to be held up.
fn begin_in_a_stopped_store(
    registry: Arc<Registry>,
    wanted: control::Scrub,
) -> Events<ScrubNews, ScrubReport> {
    control::scrub(registry, control::Scrub { rate: Some(wanted.rate.unwrap_or(0)) })
}

/// Writes what was found to standard output, how far it is to a terminal.
fn show(progress: &mut Progress, news: &ScrubNews) -> io::Result<()> {
    let found = match news {
        ScrubNews::Ahead(ahead) => {
            progress.expect(ahead.bytes);
            return Ok(());
        }
        ScrubNews::Read { payloads, bytes } => {
            progress.show(&format!("read {payloads} blobs, {}", megabytes(*bytes)), *bytes);
            return Ok(());
        }
        ScrubNews::Damaged(damage) => describe(damage),
        ScrubNews::Unread { digest, problem } => format!("could not be read: {digest}: {problem}\n"),
    };
    progress::show("");
    output::tell(&found)
}

/// A damaged payload, and what it breaks, in lines.
fn describe(damage: &Damage) -> String {
    let Damage { digest, size, problem, repositories, broken, is_whole } = damage;
    let repositories: Vec<_> = repositories.iter().map(ToString::to_string).collect();
    let mut text = format!("damaged: {digest}, {}: {problem}\n", show_size(*size));
    text.push_str(&format!("  held by {}\n", repositories.join(", ")));
    for Dependent { repository, manifest, tags } in broken {
        let tags: String = tags.iter().map(|tag| format!(" {repository}:{tag}")).collect();
        text.push_str(&format!("  breaks {repository}@{manifest}{tags}\n"));
    }
    if !is_whole {
        text.push_str("  and more\n");
    }
    text
}

fn summary(report: &ScrubReport) -> String {
    let ScrubReport { payloads, bytes, damaged, restored, verified, unread } = report;
    let mut text = format!("read: {payloads} blobs, {}; {damaged} are damaged\n", megabytes(*bytes));
    let more = [
        (*restored, "that were damaged are right again, and served"),
        (*verified, "that an import had taken by their size are verified now"),
        (*unread, "could not be read, for a reason that tells nothing of them: run this again"),
    ];
    for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("{count} {what}\n"));
    }
    if *damaged > 0 {
        text.push_str("what is damaged is not served; it is right again once anybody pushes it, to whichever repository\n");
    }
    text
}
