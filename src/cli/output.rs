//! What commands print: tables for people, JSON for machines.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// How wide a column is that numbers may come to, so that most of them find room. In characters.
const WIDTH_OF_SIZES: usize = 10;

/// A table that is printed a page at a time. Columns are as wide as what they have had to hold so far.
pub(super) struct Table<const N: usize> {
    columns: [(&'static str, Side); N],
    widths: [usize; N],
    rows: Vec<[String; N]>,
    is_begun: bool,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [(&'static str, Side); N]) -> Self {
        let widths = columns.map(|(heading, side)| match side {
            Side::Left => heading.len(),
            Side::Right => heading.len().max(WIDTH_OF_SIZES),
        });
        Self { columns, widths, rows: Vec::new(), is_begun: false }
    }

    /// Adds a row to the page.
    pub(super) fn row(&mut self, row: [String; N]) {
        for (width, text) in self.widths.iter_mut().zip(&row) {
            *width = (*width).max(text.chars().count());
        }
        self.rows.push(row);
    }

    /// Prints the page, the headings before the first one.
    pub(super) fn print(&mut self) -> io::Result<()> {
        let mut text = String::new();
        if !self.is_begun && !self.rows.is_empty() {
            self.is_begun = true;
            let headings = self.line(&self.columns.map(|(heading, _)| heading.to_owned()));
            text.push_str(&emphasised(headings.trim_end()));
            text.push('\n');
        }
        for row in &self.rows {
            text.push_str(self.line(row).trim_end());
            text.push('\n');
        }
        self.rows.clear();
        print(&text)
    }

    fn line(&self, row: &[String; N]) -> String {
        let mut line = String::new();
        for ((text, width), (_, side)) in row.iter().zip(self.widths).zip(self.columns) {
            match side {
                Side::Left => line.push_str(&format!("{text:<width$}  ")),
                Side::Right => line.push_str(&format!("{text:>width$}  ")),
            }
        }
        line
    }
}

/// Prints values, a line of JSON each.
pub(super) fn print_lines(values: &[impl Serialize]) -> io::Result<()> {
    let mut text = String::new();
    for value in values {
        text.push_str(&serde_json::to_string(value)?);
        text.push('\n');
    }
    print(&text)
}

/// Prints a value as JSON that people can read as well.
pub(super) fn print_json(value: &impl Serialize) -> io::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Prints names and values, below one another.
pub(super) fn print_facts(facts: &[(&str, String)]) -> io::Result<()> {
    let width = facts.iter().map(|(name, _)| name.len() + 1).max().unwrap_or_default();
    let line = |(name, value): &(&str, String)| format!("{:<width$}  {value}\n", format!("{name}:"));
    print(&facts.iter().map(line).collect::<String>())
}

pub(super) fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Prints what work has found. Without anybody who reads it to its end the work goes on.
pub(super) fn tell(text: &str) -> io::Result<()> {
    match print(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Whether somebody has asked for plain letters (<https://no-color.org>).
pub(super) fn is_plain() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// In bold letters, for a person at a terminal who has not asked for plain ones.
pub(super) fn emphasised(text: &str) -> String {
    match io::stdout().is_terminal() && !is_plain() {
        true => format!("\x1b[1m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

/// A number of bytes, for people: in the largest unit of which there is at least one, to a tenth.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, scale)| bytes >= *scale) {
        Some((unit, scale)) => format!("{}.{} {unit}", bytes / scale, bytes % scale * 10 / scale),
        None => format!("{bytes} B"),
    }
}

/// A moment, given as RFC 3339 writes it, for people: to the second.
pub(super) fn moment(text: &str) -> String {
    text.get(..19).unwrap_or(text).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_largest_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn columns_are_as_wide_as_what_they_hold() {
        let mut table = Table::new([("NAME", Side::Left), ("SIZE", Side::Right)]);
        table.row(["a-long-name".to_owned(), "1 B".to_owned()]);
        assert_eq!(table.line(&["x".to_owned(), "10 B".to_owned()]), "x                  10 B  ");
    }
}
