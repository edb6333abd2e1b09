//! `holdfast scrub`: reads every blob and compares it with its digest, in a running server or in the store of a stopped one.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::progress::{self, megabytes};
use super::stopped::Stopped;
use super::tool::Tool;
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
    let tool = Tool { path: "/scrub", wanted, begin: begin_in_a_stopped_store, is_at_rest: false };
    match tool.run(&arguments.store, |news| show(&news)) {
        Ok(report) => {
            summarise(&report);
            if report.damaged + report.unread == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
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
fn show(news: &ScrubNews) {
    if let ScrubNews::Read { payloads, bytes } = news {
        return progress::show(&format!("read {payloads} blobs, {}", megabytes(*bytes)));
    }
    progress::show("");
    match news {
        ScrubNews::Read { .. } => {}
        ScrubNews::Damaged(damage) => print!("{}", describe(damage)),
        ScrubNews::Unread { digest, problem } => println!("could not be read: {digest}: {problem}"),
    }
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

fn summarise(report: &ScrubReport) {
    let ScrubReport { payloads, bytes, damaged, restored, verified, unread } = report;
    println!("read: {payloads} blobs, {}; {damaged} are damaged", megabytes(*bytes));
    if *restored > 0 {
        println!("{restored} that were damaged are right again, and served");
    }
    if *verified > 0 {
        println!("{verified} that an import had taken by their size are verified now");
    }
    if *unread > 0 {
        println!("{unread} could not be read, for a reason that tells nothing of them: run this again");
    }
    if *damaged > 0 {
        println!(
            "what is damaged is not served; it is right again once anybody pushes it, to whichever repository"
        );
    }
}
