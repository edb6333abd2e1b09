//! The table, in Markdown, a line for each registry in each row; the first one is what the others are compared with.

use std::time::Duration;

use holdfast::load::numbers::{self, bandwidth, grouped};

use crate::measure::{Outcome, Results, Turn};
use crate::rows::Row;

/// Operations that move more than this are counted in bytes.
const LARGE: f64 = 1e7;

pub(crate) fn print_head() {
    println!(
        "\n| work (connections) | registry | rate | holdfast's rate to it | server CPU an operation | server CPU s/GB \
         | p50 | p99 | peak RssAnon | peak RSS |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
}

pub(crate) fn print_row(row: &Row, results: &Results) {
    let first = results
        .first()
        .and_then(|(_, result)| result.as_ref().ok())
        .map(|outcome| median_of(outcome, Turn::rate));
    let work = row.label();
    for (name, result) in results {
        match result {
            Ok(outcome) => println!("| {work} | {name} | {} |", cells(outcome, first).join(" | ")),
            Err(error) => println!("| {work} | {name} | failed: {error} |"),
        }
    }
}

fn cells(outcome: &Outcome, first: Option<f64>) -> [String; 8] {
    let of = |measure: fn(&Turn) -> f64| median_of(outcome, measure);
    let bytes = of(bytes_an_operation);
    let (rate, cpu) = (of(Turn::rate), of(Turn::cpu_an_operation));
    let shown = if bytes > LARGE { bandwidth(rate * bytes) } else { format!("{}/s", grouped(rate)) };
    let ratio = first.map_or_else(String::new, |first| format!("{:.2}", first / rate));
    let cpu_a_gigabyte = if bytes > 0.0 { format!("{:.2}", cpu / bytes * 1e9) } else { "–".to_owned() };
    [
        shown,
        ratio,
        time(cpu),
        cpu_a_gigabyte,
        time(of(|turn| turn.done.latencies.percentile(0.5).as_secs_f64())),
        time(of(|turn| turn.done.latencies.percentile(0.99).as_secs_f64())),
        format!("{} MB", outcome.peak_anonymous / 1_000_000),
        format!("{} MB", outcome.peak_resident / 1_000_000),
    ]
}

fn bytes_an_operation(turn: &Turn) -> f64 {
    turn.done.bytes as f64 / turn.done.operations as f64
}

fn median_of(outcome: &Outcome, measure: fn(&Turn) -> f64) -> f64 {
    median(outcome.turns.iter().map(measure).collect())
}

/// The middle one; not a number if there are none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// In seconds.
pub(crate) fn time(seconds: f64) -> String {
    numbers::time(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
