//! The table, in Markdown: a line for what there is and who was asked, a column a question.

use holdfast::load::Failure;
use holdfast::load::numbers::{self, grouped};

use super::Answers;
use super::questions::QUESTIONS;
use crate::measure::Turn;
use crate::table::time;

pub(crate) fn print_head() {
    let names = QUESTIONS.map(|question| question.name).join(" | ");
    println!("\nrate, server CPU an operation, p50\n\n| what there is | connections | registry | {names} |");
    println!("| --- | --- | --- {}|", "| --- ".repeat(QUESTIONS.len()));
}

/// What a registry has come to; none says that it could not be filled in time.
pub(crate) fn print_row(
    row: &str,
    connections: usize,
    registry: &str,
    outcome: &Result<Option<Answers>, Failure>,
) {
    let cells = match outcome {
        Ok(Some(answers)) => {
            answers.each_ref().map(|answer| answer.as_ref().map_or("–".to_owned(), cell)).join(" | ")
        }
        Ok(None) => "skipped: filling it takes longer than `--fill`".to_owned(),
        Err(failure) => format!("failed: {failure}"),
    };
    println!("| {row} | {connections} | {registry} | {cells} |");
}

fn cell(turn: &Turn) -> String {
    let p50 = numbers::time(turn.done.latencies.percentile(0.5));
    format!("{}/s, {}, {p50}", grouped(turn.rate()), time(turn.cpu_an_operation()))
}
