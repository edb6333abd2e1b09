//! The table, in Markdown, a line for each registry in each row; the first one is what the others are compared with.

use std::time::Duration;

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
    let first =
        results.first().and_then(|(_, result)| result.as_ref().ok()).map(|outcome| median(outcome, rate));
    for (name, result) in results {
        let work = format!("{} ({})", row.name, row.connections);
        match result {
            Ok(outcome) => println!("| {work} | {name} | {} |", cells(outcome, first).join(" | ")),
            Err(error) => println!("| {work} | {name} | failed: {error} |"),
        }
    }
}

fn cells(outcome: &Outcome, first: Option<f64>) -> [String; 8] {
    let of = |measure: fn(&Turn) -> f64| median(outcome, measure);
    let bytes = of(bytes_an_operation);
    let (rate, cpu) = (of(rate), of(cpu_an_operation));
    let shown = if bytes > LARGE { bandwidth(rate * bytes) } else { format!("{}/s", grouped(rate)) };
    let ratio = first.map_or_else(String::new, |first| format!("{:.2}", first / rate));
    let cpu_a_gigabyte = if bytes > 0.0 { format!("{:.2}", cpu / bytes * 1e9) } else { "–".to_owned() };
    [
        shown,
        ratio,
        time(cpu),
        cpu_a_gigabyte,
        time(of(|turn| turn.load.percentile(0.5).as_secs_f64())),
        time(of(|turn| turn.load.percentile(0.99).as_secs_f64())),
        format!("{} MB", outcome.peak_anonymous / 1_000_000),
        format!("{} MB", outcome.peak_resident / 1_000_000),
    ]
}

/// Operations in a second.
fn rate(turn: &Turn) -> f64 {
    turn.load.operations as f64 / turn.load.elapsed.as_secs_f64()
}

fn bytes_an_operation(turn: &Turn) -> f64 {
    turn.load.bytes as f64 / turn.load.operations as f64
}

/// In seconds.
fn cpu_an_operation(turn: &Turn) -> f64 {
    turn.cpu.as_secs_f64() / turn.load.operations as f64
}

fn median(outcome: &Outcome, measure: fn(&Turn) -> f64) -> f64 {
    let mut values: Vec<_> = outcome.turns.iter().map(measure).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn time(seconds: f64) -> String {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    match duration.as_micros() {
        0..1_000 => format!("{:.0} µs", seconds * 1e6),
        1_000..1_000_000 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

fn bandwidth(bytes_a_second: f64) -> String {
    match bytes_a_second {
        rate if rate >= 1e9 => format!("{:.2} GB/s", rate / 1e9),
        rate => format!("{:.0} MB/s", rate / 1e6),
    }
}

/// `12,345`; with a decimal below 100.
fn grouped(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}
