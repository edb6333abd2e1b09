//! `holdfast check`: proves that a store holds together, that of a running server or of a stopped one, and repairs what can be
//! repaired.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::progress;
use super::stopped::Stopped;
use super::tool::Tool;
use crate::config::parse_size;
use crate::control::{self, Events};
use crate::registry::{CheckReport, Registry};
use crate::store::{Fault, Repair, Severity, SurveyNews, SurveyTally};

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
    let &Check { ref store, payloads, repair, rate } = arguments;
    let wanted = control::Check { payloads, repair, rate };
    let tool = Tool { path: "/check", wanted, begin: begin_in_a_stopped_store, is_at_rest: true };
    match tool.run(store, |news| show(&news)) {
        Ok(report) => conclude(&report, repair),
        Err(error) => error.exit(),
    }
}

/// There is nobody to be held up.
fn begin_in_a_stopped_store(
    registry: Arc<Registry>,
    wanted: control::Check,
) -> Events<SurveyNews, CheckReport> {
    control::check(registry, control::Check { rate: Some(wanted.rate.unwrap_or(0)), ..wanted })
}

/// Writes what was found to standard output, how far it is to a terminal.
fn show(news: &SurveyNews) {
    match news {
        SurveyNews::Looked(tally) => progress::show(&format!("looked at {}", describe(tally))),
        SurveyNews::Found(fault) => {
            progress::show("");
            print!("{}", line(fault));
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
