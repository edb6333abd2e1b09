//! What a load has come to, as a table on standard output.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use crate::load::numbers::{bandwidth, count, grouped, time};
use crate::load::{Load, Tally};

/// A cell's width; the first column is as wide as the longest name of a kind.
const WIDTH: usize = 11;

/// Prints a line for each kind of operation, and one for each kind of failure.
pub(super) fn print(load: &Load) -> io::Result<()> {
    let mut text = String::new();
    // Writing into a text cannot fail.
    let _ = write(load, &mut text);
    io::stdout().lock().write_all(text.as_bytes())
}

fn write(load: &Load, text: &mut String) -> fmt::Result {
    let seconds = load.elapsed.as_secs_f64();
    write_line(text, "", &["operations", "rate", "bytes", "p50", "p90", "p99", "max"].map(str::to_owned))?;
    for (kind, tally) in &load.tallies {
        write_line(text, kind, &cells(tally, seconds))?;
    }
    if load.tallies.len() > 1 {
        write_line(text, "together", &cells(&load.total(), seconds))?;
    }
    writeln!(text, "{seconds:.1} s, {} failed", count(load.failures.total()))?;
    for (class, number, first) in load.failures.iter() {
        writeln!(text, "{:>WIDTH$} {class}; the first: {first}", count(number))?;
    }
    Ok(())
}

fn write_line(text: &mut String, name: &str, cells: &[String]) -> fmt::Result {
    write!(text, "{name:WIDTH$}")?;
    cells.iter().try_for_each(|cell| write!(text, " {cell:>WIDTH$}"))?;
    writeln!(text)
}

fn cells(tally: &Tally, seconds: f64) -> [String; 7] {
    let latency = |share| time(tally.latencies.percentile(share));
    [
        count(tally.operations),
        format!("{}/s", grouped(tally.operations as f64 / seconds)),
        bandwidth(tally.bytes as f64 / seconds),
        latency(0.5),
        latency(0.9),
        latency(0.99),
        time(tally.latencies.longest()),
    ]
}
