//! `holdfast check`: proves that a store holds together, that of a running server or of a stopped one, and repairs what can be
//! repaired.

use std::io;
use std::process::ExitCode;

use clap::Args;
use tokio::sync::mpsc;

use super::gc::show_progress;
use super::pieces::registry_settings;
use super::stopped::{Stopped, StoppedError};
use crate::config::parse_size;
use crate::control::checking::{self, Event};
use crate::control::{self, AskError};
use crate::registry::{CheckReport, Registry};
use crate::store::{Fault, OpenError, Repair, Severity, Store, SurveyTally};

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    store: Stopped,
    /// Read every payload and compare it with its digest, and compare the archive with the database
    #[arg(long)]
    payloads: bool,
    /// Repair what can be repaired without losing anything: remove files that nothing names, mark payloads that are lost, so that
    /// they can be pushed again, end uploads that are, make anew what follows from other metadata
    #[arg(long)]
    repair: bool,
    /// How much of the payloads is read in a second at the most, such as 20MiB, 0 for no bound; left out, as storage.scrub.rate
    /// of a running server has it, and without a bound in a stopped store
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "payloads")]
    rate: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
enum CheckError {
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

/// Checks. Exit code 1 if anything is wrong in the end, or that could not be found out.
pub(super) fn run(arguments: &Check) -> ExitCode {
    match check(arguments) {
        Ok(report) => conclude(&report, arguments.repair),
        Err(error) => {
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(arguments: &Check) -> Result<CheckReport, CheckError> {
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    threads.map_err(CheckError::Threads)?.block_on(async {
        let (teller, told) = mpsc::channel(256);
        let (worked, shown) = tokio::join!(work(arguments, teller), show(told));
        worked.and(shown)
    })
}

/// Has the server do it, if there is one, and does it here otherwise.
async fn work(arguments: &Check, teller: mpsc::Sender<Event>) -> Result<(), CheckError> {
    let Check { payloads, repair, rate, .. } = *arguments;
    let wanted = checking::Check { payloads, repair, rate };
    let (config, options) = arguments.store.find_with_config()?;
    let root = &config.storage.root;
    if control::ask(&control::socket(root), "/check", &wanted, teller.clone()).await? {
        return Ok(());
    }
    // There is nobody to be held up.
    let wanted = checking::Check { rate: Some(rate.unwrap_or(0)), ..wanted };
    let registry = Registry::new(Store::open_at_rest(root, &options)?, registry_settings(&config));
    let mut told = checking::check(&registry, wanted);
    while let Some(event) = told.recv().await {
        // It is shown for as long as there is something to show.
        let _ = teller.send(event).await;
    }
    registry.close().await;
    Ok(())
}

/// Writes what happens: what was found to standard output, how far it is to a terminal.
async fn show(mut told: mpsc::Receiver<Event>) -> Result<CheckReport, CheckError> {
    while let Some(event) = told.recv().await {
        if !matches!(event, Event::Looked(_)) {
            show_progress("");
        }
        match event {
            Event::Looked(tally) => show_progress(&format!("looked at {}", describe(&tally))),
            Event::Found(fault) => print!("{}", line(&fault)),
            Event::Done(report) => return Ok(report),
            Event::Failed(error) => return Err(CheckError::Failed(error)),
        }
    }
    Err(CheckError::BrokenOff)
}

/// What was found, and what has become of it, in lines.
fn line(fault: &Fault) -> String {
    let Fault { severity, what, repair } = fault;
    let severity = match severity {
        Severity::Leftover => "left over, and harmless",
        Severity::Damaged => "damaged",
        Severity::Wrong => "wrong",
    };
    let repair = match repair {
        Repair::NotWanted => String::new(),
        Repair::Done(how) => format!("  repaired: {how}\n"),
        Repair::Impossible(why) => format!("  not repaired: {why}\n"),
    };
    format!("{severity}: {what}\n{repair}")
}

fn describe(tally: &SurveyTally) -> String {
    let SurveyTally { repositories, manifests, tags, blobs, payload_bytes, uploads, .. } = tally;
    format!(
        "{repositories} repositories, {manifests} manifests, {tags} tags, {blobs} blobs of {payload_bytes} bytes, \
         {uploads} uploads"
    )
}

/// Says what it came to.
fn conclude(report: &CheckReport, is_repairing: bool) -> ExitCode {
    let CheckReport { tally, damaged, wrong, repaired, .. } = report;
    println!("{}", describe(tally));
    if *repaired > 0 {
        println!("repaired: {repaired}");
    }
    match wrong + damaged {
        0 => {
            println!("the store holds together");
            ExitCode::SUCCESS
        }
        count => {
            let what_to_do = match is_repairing {
                true => "restore a backup, or push again what is named",
                false => {
                    "--repair repairs what can be; for the rest restore a backup, or push again what is named"
                }
            };
            eprintln!("holdfast: {count} things are wrong with this store; {what_to_do}");
            ExitCode::FAILURE
        }
    }
}
