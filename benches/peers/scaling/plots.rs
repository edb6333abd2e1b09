//! What the tables say, as plots: a panel for each question.

use std::fs;
use std::io;
use std::path::Path;

use super::Answers;
use super::questions::QUESTIONS;
use super::svg::{Line, Panel, draw};
use crate::measure::Turn;

/// A row of the table.
pub(crate) struct Measured {
    /// The line that it is a point of.
    pub(crate) line: String,
    /// How much there is, or how many ask.
    pub(crate) x: u64,
    pub(crate) answers: Answers,
}

/// `costs.svg` has the server's processor time an operation over what there is, `connections.svg` the operations in a second
/// over the connections. What was not measured is not written.
pub(crate) fn write(folder: &Path, sizes: &[Measured], connections: &[Measured]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    if !sizes.is_empty() {
        let panels = panels(sizes, |turn| turn.cpu_an_operation() * 1e6);
        let title = "Server CPU for an operation, in µs, over how much there is";
        fs::write(folder.join("costs.svg"), draw(title, &panels))?;
    }
    if !connections.is_empty() {
        let title = "Operations in a second, over how many connections ask";
        fs::write(folder.join("connections.svg"), draw(title, &panels(connections, Turn::rate)))?;
    }
    Ok(())
}

fn panels(measured: &[Measured], figure: fn(&Turn) -> f64) -> Vec<Panel> {
    let panel = |index: usize| {
        let mut lines: Vec<Line> = Vec::new();
        for row in measured {
            let Some(turn) = row.answers.get(index).and_then(Option::as_ref) else {
                continue;
            };
            let point = (row.x, figure(turn));
            match lines.iter_mut().find(|line| line.name == row.line) {
                Some(line) => line.points.push(point),
                None => lines.push(Line { name: row.line.clone(), points: vec![point] }),
            }
        }
        Panel { title: QUESTIONS[index].name, lines }
    };
    (0..QUESTIONS.len()).map(panel).collect()
}
