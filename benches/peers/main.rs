//! holdfast beside other registries: the same load on each in turn, in one run on one machine.
//!
//! `cargo bench --bench peers -- [OPTIONS] [NAME=COMMAND…]`. Each row starts every registry over an empty folder, puts in
//! what the row needs, and then measures one after the other, in a different order each round, with what was written
//! synced and the page cache as the row wants it before each turn. Medians are printed. What follows them is whether cold
//! pulls stall others; with `--scaling` it is another table, of how costs grow. See `docs/PERFORMANCE.md`.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

mod arguments;
mod cold;
mod contestant;
mod measure;
mod nginx;
mod page_cache;
mod place;
mod rows;
mod scaling;
mod table;
mod zot;

use std::process::ExitCode;

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if arguments.is_scaling {
        return if scaling::run(&arguments) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let contestants = contestant::installed(&arguments.others);
    let mut has_failed = false;
    table::print_head();
    for row in rows::all().iter().filter(|row| arguments.wants(&row.label())) {
        let results = measure::measure(row, &contestants, &arguments);
        has_failed |= results.iter().any(|(_, result)| result.is_err());
        table::print_row(row, &results);
    }
    has_failed |= !cold::run(&contestants, &arguments);
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
