//! `holdfast check`: proves that a store holds together, that of a running server or of a stopped one, and repairs what can be
//! repaired.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::output;
use super::progress::{self, Progress, Unit};
use super::stopped::Stopped;
use super::tool::{Tool, ToolError};
use crate::config::parse_size;
use crate::control::{self, Events};
use crate::registry::{CheckReport, Registry};
use crate::store::{Fault, Repair, Severity, SurveyNews, SurveyTally, Tally};

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
    let mut progress = Progress::begin(if payloads { Unit::Bytes } else { Unit::Things });
    let tool = Tool { path: "/check", wanted, begin: begin_in_a_stopped_store, is_at_rest: true };
    let checked = tool.run(store, |news| show(&mut progress, &news)).and_then(|report| {
        output::tell(&summary(&report)).map_err(ToolError::Output)?;
        Ok(report.wrong + report.damaged)
    });
    checked.map_or_else(ToolError::exit, |count| conclude(count, repair))
}

/// There is nobody to be held up.
fn begin_in_a_stopped_store(
    registry: Arc<Registry>,
    wanted: control::Check,
) -> Events<SurveyNews, CheckReport> {
    control::check(registry, control::Check { rate: Some(wanted.rate.unwrap_or(0)), ..wanted })
}

/// Writes what was found to standard output, how far it is to a terminal.
fn show(progress: &mut Progress, news: &SurveyNews) -> io::Result<()> {
    match news {
        SurveyNews::Ahead(Tally { payloads, bytes }) => {
            progress.expect(if progress.unit() == Unit::Bytes { *bytes } else { *payloads });
            Ok(())
        }
        SurveyNews::Looked(tally) => {
            let SurveyTally { manifests, blobs, read_bytes, .. } = tally;
            let what = format!("looked at {manifests} manifests, {blobs} blobs");
            progress.show(&what, if progress.unit() == Unit::Bytes { *read_bytes } else { *blobs });
            Ok(())
        }
        SurveyNews::Found(fault) => {
            progress::show("");
            output::tell(&line(fault))
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

fn summary(report: &CheckReport) -> String {
    let CheckReport { tally, damaged, wrong, repaired, .. } = report;
    let mut text = format!("{}\n", describe(tally));
    if *repaired > 0 {
        text.push_str(&format!("repaired: {repaired}\n"));
    }
    if wrong + damaged == 0 {
        text.push_str("the store holds together\n");
    }
    text
}

/// Says what to do where so many things are wrong.
fn conclude(count: u64, is_repairing: bool) -> ExitCode {
    if count == 0 {
        return ExitCode::SUCCESS;
    }
    let what_to_do = match is_repairing {
        true => "restore a backup, or push again what is named",
        false => "--repair repairs what can be; for the rest restore a backup, or push again what is named",
    };
    eprintln!("holdfast: {count} things are wrong with this store; {what_to_do}");
    ExitCode::FAILURE
}
