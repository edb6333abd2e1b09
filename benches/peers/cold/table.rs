//! The table, in Markdown: a line for each registry and for what others do meanwhile; medians of the turns.

use std::time::Duration;

use holdfast::load::numbers::{self, bandwidth};
use holdfast::load::{Failure, Latencies};

use super::large::PULLERS;
use super::visitors::VISITORS;
use super::{Beside, Outcome, Turn};

pub(super) fn print_head() {
    println!(
        "\nsmall GETs beside cold pulls: how long a GET takes while others pull blobs of 256 MiB; {VISITORS} connections \
         ask for a manifest, {VISITORS} for a blob of 64 KiB, each every 2 ms\n\n\
         | registry | meanwhile | manifest by tag, p50 | p99 | 64 KiB, p50 | p99 | pulled meanwhile | of that from the disk |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
}

pub(super) fn print_rows(registry: &str, outcome: Result<&Outcome, &Failure>) {
    match outcome {
        Ok(outcome) => {
            for (beside, turns) in Beside::ALL.into_iter().zip(outcome) {
                println!("| {registry} | {} | {} |", name(beside), cells(turns).join(" | "));
            }
        }
        Err(failure) => println!("| {registry} | failed: {failure} |"),
    }
}

fn name(beside: Beside) -> String {
    match beside {
        Beside::Nothing => "nothing".to_owned(),
        Beside::HotPulls => format!("{PULLERS} pull what is in memory"),
        Beside::ColdPulls => format!("{PULLERS} pull what is on the disk alone"),
    }
}

fn cells(turns: &[Turn]) -> [String; 6] {
    let time = |kind: fn(&Turn) -> &Latencies, share| {
        numbers::time(Duration::from_secs_f64(median(turns, |turn| {
            kind(turn).percentile(share).as_secs_f64()
        })))
    };
    let rate = median(turns, |turn| turn.pulled.bytes as f64 / turn.pulled.elapsed.as_secs_f64());
    let cold = median(turns, |turn| turn.pulled.from_disk as f64 / turn.pulled.bytes as f64);
    let is_pulled = rate.is_finite();
    [
        time(|turn| &turn.manifests, 0.5),
        time(|turn| &turn.manifests, 0.99),
        time(|turn| &turn.blobs, 0.5),
        time(|turn| &turn.blobs, 0.99),
        if is_pulled { bandwidth(rate) } else { "–".to_owned() },
        if is_pulled { format!("{:.0} %", cold * 100.0) } else { "–".to_owned() },
    ]
}

fn median(turns: &[Turn], measure: impl Fn(&Turn) -> f64) -> f64 {
    crate::table::median(turns.iter().map(measure).collect())
}
