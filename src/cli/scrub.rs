//! `holdfast scrub`: reads every blob and compares it with its digest, in a running server or in the store of a stopped one.

use std::io;
use std::process::ExitCode;

use clap::Args;
use tokio::sync::mpsc;

use super::gc::show_progress;
use super::pieces::registry_settings;
use super::stopped::{Stopped, StoppedError};
use crate::config::{parse_size, show_size};
use crate::control::scrubbing::{self, Broken, Damaged, Event, Summary};
use crate::control::{self, AskError};
use crate::registry::Registry;
use crate::store::{OpenError, Store};

#[derive(Debug, Args)]
pub(super) struct Scrub {
    #[command(flatten)]
    store: Stopped,
    /// How much is read in a second at the most, such as 20MiB, 0 for no bound; left out, as storage.scrub.rate of a running
    /// server has it, and without a bound in a stopped store
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    rate: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
enum ScrubError {
    #[error(transparent)]
    Stopped(#[from] StoppedError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("threads cannot be started: {0}; the system is short of something: try again")]
    Threads(#[source] io::Error),
    #[error("{0}")]
    Failed(String),
    #[error("the server was stopped in the middle; run this again")]
    BrokenOff,
}

/// Scrubs. Exit code 1 if anything is damaged, or that could not be found out.
pub(super) fn run(arguments: &Scrub) -> ExitCode {
    match scrub(arguments) {
        Ok(Summary { damaged: 0, unread: 0, .. }) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn scrub(arguments: &Scrub) -> Result<Summary, ScrubError> {
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    threads.map_err(ScrubError::Threads)?.block_on(async {
        let (teller, told) = mpsc::channel(256);
        let (worked, shown) = tokio::join!(work(arguments, teller), show(told));
        worked.and(shown)
    })
}

/// Has the server do it, if there is one, and does it here otherwise.
async fn work(arguments: &Scrub, teller: mpsc::Sender<Event>) -> Result<(), ScrubError> {
    let wanted = scrubbing::Scrub { rate: arguments.rate };
    let (config, options) = arguments.store.find_with_config()?;
    let root = &config.storage.root;
    if control::ask(&control::socket(root), "/scrub", &wanted, teller.clone()).await? {
        return Ok(());
    }
    // There is nobody to be held up.
    let wanted = scrubbing::Scrub { rate: Some(arguments.rate.unwrap_or(0)) };
    let registry = Registry::new(Store::open(root, &options)?, registry_settings(&config));
    let mut told = scrubbing::scrub(&registry, wanted);
    while let Some(event) = told.recv().await {
        // It is shown for as long as there is something to show.
        let _ = teller.send(event).await;
    }
    registry.close().await;
    Ok(())
}

/// Writes what happens: what was found to standard output, how far it is to a terminal.
async fn show(mut told: mpsc::Receiver<Event>) -> Result<Summary, ScrubError> {
    while let Some(event) = told.recv().await {
        if !matches!(event, Event::Read { .. }) {
            show_progress("");
        }
        match event {
            Event::Read { payloads, bytes } => {
                show_progress(&format!("read {payloads} blobs, {}", megabytes(bytes)));
            }
            Event::Damaged(damaged) => print!("{}", describe(&damaged)),
            Event::Unread { digest, problem } => println!("could not be read: {digest}: {problem}"),
            Event::Done(summary) => {
                summarise(&summary);
                return Ok(summary);
            }
            Event::Failed(error) => return Err(ScrubError::Failed(error)),
        }
    }
    Err(ScrubError::BrokenOff)
}

/// A damaged payload, and what it breaks, in lines.
fn describe(damaged: &Damaged) -> String {
    let Damaged { digest, size, problem, repositories, broken, whole } = damaged;
    let mut text = format!("damaged: {digest}, {}: {problem}\n", show_size(*size));
    text.push_str(&format!("  held by {}\n", repositories.join(", ")));
    for Broken { repository, manifest, tags } in broken {
        let tags: String = tags.iter().map(|tag| format!(" {repository}:{tag}")).collect();
        text.push_str(&format!("  breaks {repository}@{manifest}{tags}\n"));
    }
    if !whole {
        text.push_str("  and more\n");
    }
    text
}

fn summarise(summary: &Summary) {
    let Summary { payloads, bytes, damaged, restored, unread } = summary;
    println!("read: {payloads} blobs, {}; {damaged} are damaged", megabytes(*bytes));
    if *restored > 0 {
        println!("{restored} that were damaged are right again, and served");
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

fn megabytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB)
}
