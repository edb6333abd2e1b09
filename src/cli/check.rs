//! `holdfast check`: proves that a store holds together, that of a running server or of a stopped one, and repairs what can be
//! repaired.

use std::process::ExitCode;

use clap::Args;
use tokio::sync::mpsc;

use super::pieces::registry_settings;
use super::progress;
use super::stopped::Stopped;
use super::tool::{ToolError, listen};
use crate::config::parse_size;
use crate::control;
use crate::registry::{CheckReport, Registry};
use crate::store::{Fault, Repair, Severity, Store, SurveyNews, SurveyTally};

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

/// Checks. Exit code 1 if anything is wrong in the end, or that could not be found out.
pub(super) fn run(arguments: &Check) -> ExitCode {
    match check(arguments) {
        Ok(report) => conclude(&report, arguments.repair),
        Err(error) => error.exit(),
    }
}

fn check(arguments: &Check) -> Result<CheckReport, ToolError> {
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let checked = threads.map_err(ToolError::Threads)?.block_on(work(arguments));
    progress::show("");
    checked
}

/// Has the server do it, if there is one, and does it here otherwise, in a store that is left as it was but for what is repaired:
/// unlike other tools, which open it as a server does.
async fn work(arguments: &Check) -> Result<CheckReport, ToolError> {
    let Check { payloads, repair, rate, .. } = *arguments;
    let wanted = control::Check { payloads, repair, rate };
    let (config, options) = arguments.store.find_with_config()?;
    let root = &config.storage.root;
    let (teller, told) = mpsc::channel(256);
    let (socket, mut show) = (control::socket(root), show);
    let asked = control::ask(&socket, "/check", &wanted, teller);
    let (is_done, report) = tokio::join!(asked, listen(told, &mut show));
    if is_done? {
        return report;
    }
    // There is nobody to be held up.
    let wanted = control::Check { rate: Some(rate.unwrap_or(0)), ..wanted };
    let registry = Registry::new(Store::open_at_rest(root, &options)?, registry_settings(&config));
    let report = listen(control::check(registry.clone(), wanted), &mut show).await;
    registry.close().await;
    report
}

/// Writes what was found to standard output, how far it is to a terminal.
fn show(news: SurveyNews) {
    match news {
        SurveyNews::Looked(tally) => progress::show(&format!("looked at {}", describe(&tally))),
        SurveyNews::Found(fault) => {
            progress::show("");
            print!("{}", line(&fault));
        }
    }
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
