//! `holdfast retention`: removes the tags that no rule keeps, in a running server or in the store of a stopped one.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::output;
use super::progress;
use super::stopped::Stopped;
use super::tool::{Tool, ToolError};
use crate::config::show_duration;
use crate::control::{self, Retain};
use crate::oci::RepositoryName;
use crate::registry::{Keeping, RetentionNews, RetentionReport, RetentionVerdict};

#[derive(Debug, Args)]
pub(super) struct Retention {
    #[command(flatten)]
    store: Stopped,
    /// Remove nothing, and say of each tag whether it would stay, and why
    #[arg(long)]
    dry_run: bool,
    /// Look at this repository alone
    #[arg(long, value_name = "REPOSITORY")]
    repository: Option<RepositoryName>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Removes them. A running server goes by the rules that it was started with. Exit code 1 if that could not be done to its end.
pub(super) fn run(arguments: &Retention) -> ExitCode {
    let Retention { store, dry_run, repository, json } = arguments;
    let (dry_run, json) = (*dry_run, *json);
    let wanted = Retain { dry_run, repository: repository.clone() };
    let tool = Tool { path: "/retention", wanted, begin: control::retain, is_at_rest: false };
    let retained = tool.run(store, |news| show(&news, dry_run, json));
    let told = retained.and_then(|report| summarise(&report, dry_run, json).map_err(ToolError::Output));
    told.map_or_else(ToolError::exit, |()| ExitCode::SUCCESS)
}

fn show(news: &RetentionNews, dry_run: bool, json: bool) -> io::Result<()> {
    progress::show("");
    if json {
        return output::tell(&format!("{}\n", serde_json::to_string(news)?));
    }
    let RetentionNews { repository, tag, verdict } = news;
    match verdict {
        RetentionVerdict::Kept(keeping) if dry_run => {
            output::tell(&format!("kept: {repository}:{tag}: {}\n", reason(keeping)))
        }
        RetentionVerdict::Kept(_) => Ok(()),
        RetentionVerdict::Removed { with_image } => {
            let removed = if dry_run { "would be removed" } else { "removed" };
            let image = if *with_image { " with its image" } else { "" };
            output::tell(&format!("{removed}: {repository}:{tag}{image}: no rule keeps it\n"))
        }
    }
}

fn reason(keeping: &Keeping) -> String {
    match keeping {
        Keeping::Last(count) => format!("it is among the newest {count}"),
        Keeping::Matching(pattern) => format!("{pattern} matches it"),
        Keeping::Pushed { ago, within } => {
            format!("it was pushed {} ago, within {}", rounded(*ago), show_duration(*within))
        }
        Keeping::Pulled { ago, within } => {
            format!("its image was pulled {} ago, within {}", rounded(*ago), show_duration(*within))
        }
        Keeping::Attached => "it belongs to an image that is there".to_owned(),
        Keeping::Immutable => "tags.immutable has it".to_owned(),
        Keeping::Changed => "it has just been changed".to_owned(),
    }
}

/// To the second.
fn rounded(duration: Duration) -> String {
    show_duration(Duration::from_secs(duration.as_secs()))
}

fn summarise(report: &RetentionReport, dry_run: bool, json: bool) -> io::Result<()> {
    if json {
        return output::tell(&format!("{}\n", serde_json::to_string(report)?));
    }
    let RetentionReport { repositories, tags, removed, images } = report;
    let verb = if dry_run { "would be removed" } else { "removed" };
    let mut text =
        format!("{verb}: {removed} of {tags} tags in {repositories} repositories, and {images} images\n");
    if *repositories == 0 {
        text.push_str("no rule of retention.rules is about any repository here\n");
    }
    output::tell(&text)
}
