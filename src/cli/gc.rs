//! `holdfast gc`: collects what nothing refers to, in a running server or in the store of a stopped one.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;

use super::pieces::registry_settings;
use super::stopped::{Stopped, StoppedError};
use crate::config::{parse_duration, show_duration, show_size};
use crate::control::{self, AskError, Event, Found, Gc, Kept, Kind, Outcome, Summary};
use crate::registry::{Error, Registry};
use crate::store::{OpenError, Store};

#[derive(Debug, Args)]
pub(super) struct Collect {
    #[command(flatten)]
    store: Stopped,
    /// How long something is kept that nothing refers to, such as 30m or 24h; in a running server no shorter than its lease
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    grace: Option<Duration>,
    /// Remove nothing, and say what would be
    #[arg(long)]
    dry_run: bool,
    /// Remove manifests without a tag as well, unless something needs them
    #[arg(long)]
    delete_untagged: bool,
}

#[derive(Debug, thiserror::Error)]
enum GcError {
    #[error(transparent)]
    Stopped(#[from] StoppedError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Registry(#[from] Error),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("threads cannot be started: {0}; the system is short of something: try again")]
    Threads(#[source] io::Error),
    #[error("{0}")]
    Failed(String),
    #[error("the server was stopped in the middle; run this again")]
    BrokenOff,
}

/// Collects. Exit code 1 if that could not be done to its end.
pub(super) fn run(arguments: &Collect) -> ExitCode {
    match collect(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn collect(arguments: &Collect) -> Result<(), GcError> {
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    threads.map_err(GcError::Threads)?.block_on(async {
        let (teller, told) = mpsc::channel(256);
        let (worked, shown) = tokio::join!(work(arguments, teller), show(told, arguments.dry_run));
        worked.and(shown)
    })
}

/// Has the server do it, if there is one, and does it here otherwise.
async fn work(arguments: &Collect, teller: mpsc::Sender<Event>) -> Result<(), GcError> {
    let wanted = Gc {
        grace: arguments.grace.map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX)),
        dry_run: arguments.dry_run,
        delete_untagged: arguments.delete_untagged.then_some(true),
    };
    let (config, options) = arguments.store.find_with_config()?;
    let root = &config.storage.root;
    if control::ask(&control::socket(root), "/gc", &wanted, teller.clone()).await? {
        return Ok(());
    }
    // Nobody was told anything that could be relied on.
    let options = crate::store::Options { lease: Duration::ZERO, ..options };
    let registry = Registry::new(Store::open(root, &options)?, registry_settings(&config));
    let mut told = control::collect(registry.clone(), wanted);
    while let Some(event) = told.recv().await {
        // It is shown for as long as there is something to show.
        let _ = teller.send(event).await;
    }
    registry.unlinked().await?;
    registry.close().await;
    Ok(())
}

/// Writes what happens: what was found to standard output, how far it is to a terminal.
async fn show(mut told: mpsc::Receiver<Event>, dry_run: bool) -> Result<(), GcError> {
    while let Some(event) = told.recv().await {
        match event {
            Event::Looked(count) => show_progress(&format!("looked at {count}")),
            Event::Found(found) => {
                show_progress("");
                println!("{}", line(&found, dry_run));
            }
            Event::Done(summary) => {
                show_progress("");
                summarise(&summary, dry_run);
                return Ok(());
            }
            Event::Failed(error) => return Err(GcError::Failed(error)),
        }
    }
    Err(GcError::BrokenOff)
}

/// Writes over the line before.
pub(super) fn show_progress(text: &str) {
    let mut terminal = io::stderr();
    if terminal.is_terminal() {
        // Without a terminal that takes it, the work goes on all the same.
        let _ = write!(terminal, "\r\x1b[K{text}").and_then(|()| terminal.flush());
    }
}

fn line(found: &Found, dry_run: bool) -> String {
    let kind = match found.kind {
        Kind::Manifest => "manifest",
        Kind::Blob => "blob",
        Kind::Upload => "upload",
    };
    let Found { repository, name, .. } = found;
    let thing = format!("{kind} {repository} {name}");
    match found.outcome {
        Outcome::Removed(bytes) => {
            let removed = if dry_run { "would be removed" } else { "removed" };
            let room = if bytes > 0 { format!(", {}", show_size(bytes)) } else { String::new() };
            format!("{removed}: {thing}{room}")
        }
        Outcome::Kept(why) => format!("kept: {thing}: {}", reason(why)),
    }
}

fn reason(why: Kept) -> String {
    match why {
        Kept::Young(left) => {
            format!("its grace ends in {} (--grace overrides it)", rounded(left))
        }
        Kept::Vouched => "a client may have been told that it is there, and has a lease on it".to_owned(),
        Kept::Uploading => "an upload is open in its repository".to_owned(),
    }
}

/// To the second.
fn rounded(milliseconds: u64) -> String {
    show_duration(Duration::from_secs(milliseconds.div_ceil(1_000)))
}

fn summarise(summary: &Summary, dry_run: bool) {
    let Summary { manifests, blobs, uploads, bytes, young, next, vouched, uploading } = summary;
    let removed = if dry_run { "would be removed" } else { "removed" };
    println!(
        "{removed}: {manifests} manifests, {blobs} blobs, {uploads} uploads; {} of payloads",
        show_size(*bytes)
    );
    if let Some(next) = next {
        println!("kept by their grace: {young}, the first of them for {} more", rounded(*next));
    }
    if vouched + uploading > 0 {
        println!("kept by a lease: {vouched}, by an open upload: {uploading}");
    }
}
