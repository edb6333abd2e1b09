//! `holdfast retention`: removes the tags that no rule keeps, in a running server or in the store of a stopped one.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::progress;
use super::stopped::Stopped;
use super::tool::Tool;
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
    match tool.run(store, |news| show(&news, dry_run, json)) {
        Ok(report) => {
            summarise(&report, dry_run, json);
            ExitCode::SUCCESS
        }
        Err(error) => error.exit(),
    }
}

fn show(news: &RetentionNews, dry_run: bool, json: bool) {
    progress::show("");
    if json {
        println!("{}", serde_json::to_string(news).expect("text and numbers can always be written"));
        return;
    }
    let RetentionNews { repository, tag, verdict } = news;
    match verdict {
        RetentionVerdict::Kept(keeping) if dry_run => {
            println!("kept: {repository}:{tag}: {}", reason(keeping));
        }
        RetentionVerdict::Kept(_) => {}
        RetentionVerdict::Removed { with_image } => {
            let removed = if dry_run { "would be removed" } else { "removed" };
            let image = if *with_image { " with its image" } else { "" };
            println!("{removed}: {repository}:{tag}{image}: no rule keeps it");
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

fn summarise(report: &RetentionReport, dry_run: bool, json: bool) {
    if json {
        println!("{}", serde_json::to_string(report).expect("numbers can always be written"));
        return;
    }
    let RetentionReport { repositories, tags, removed, images } = report;
    let verb = if dry_run { "would be removed" } else { "removed" };
    println!("{verb}: {removed} of {tags} tags in {repositories} repositories, and {images} images");
    if *repositories == 0 {
        println!("no rule of retention.rules is about any repository here");
    }
}
