//! The command line.

use std::time::Duration;

const USAGE: &str = "\
cargo bench --bench peers -- [--rounds N] [--seconds N] [--only TEXT]… [NAME=COMMAND]…

--rounds N      turns of each registry in each row (3)
--seconds N     the longest that a turn lasts (2)
--only TEXT     only rows whose names contain it
NAME=COMMAND    another registry; in its command {port} and {root} stand for where it is to listen and to keep its data,
                {folder} for a folder beside the latter";

/// What was asked for.
pub(crate) struct Arguments {
    pub(crate) rounds: usize,
    pub(crate) turn: Duration,
    only: Vec<String>,
    /// Names and commands.
    pub(crate) others: Vec<(String, String)>,
}

impl Arguments {
    /// Reads the process' own; the error is a text for people.
    pub(crate) fn read() -> Result<Self, String> {
        let mut read = Self { rounds: 3, turn: Duration::from_secs(2), only: Vec::new(), others: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| USAGE.to_owned());
            match argument.as_str() {
                // cargo says so.
                "--bench" => {}
                "--rounds" => read.rounds = number(&value()?)?,
                "--seconds" => read.turn = Duration::from_secs(number(&value()?)? as u64),
                "--only" => read.only.push(value()?),
                other => {
                    let (name, command) = other.split_once('=').ok_or(USAGE)?;
                    read.others.push((name.to_owned(), command.to_owned()));
                }
            }
        }
        Ok(read)
    }

    /// Whether this row is wanted.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| row.contains(text.as_str()))
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| USAGE.to_owned())
}
