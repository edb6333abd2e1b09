//! The command line.

use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str = "\
cargo bench --bench peers -- [--rounds N] [--seconds N] [--only TEXT]… [NAME=COMMAND]…
cargo bench --bench peers -- --scaling [--million] [--fill N] [--plots FOLDER] [--seconds N]
    [--only TEXT]…

--rounds N      turns of each registry in each row (3)
--seconds N     the longest that a turn lasts (2)
--only TEXT     only rows whose names contain it
--scaling       how costs grow with tags, repositories, blobs and connections
--million       up to 1,000,000 of them instead of 100,000
--fill N        the longest that filling a registry for a row may take, in seconds (120)
--plots FOLDER  writes what the scaling part measures there as costs.svg and connections.svg
NAME=COMMAND    another registry; in its command {port} and {root} stand for where it is to listen and to keep its data,
                {folder} for a folder beside the latter";

/// What was asked for.
pub(crate) struct Arguments {
    pub(crate) rounds: usize,
    pub(crate) turn: Duration,
    pub(crate) is_scaling: bool,
    pub(crate) has_million: bool,
    /// The longest that filling a registry for a row of the scaling part may take.
    pub(crate) fill: Duration,
    /// Where the plots of the scaling part go.
    pub(crate) plots: Option<PathBuf>,
    only: Vec<String>,
    /// Names and commands.
    pub(crate) others: Vec<(String, String)>,
}

impl Arguments {
    /// Reads the process' own; the error is a text for people.
    pub(crate) fn read() -> Result<Self, String> {
        let mut read = Self {
            rounds: 3,
            turn: Duration::from_secs(2),
            is_scaling: false,
            has_million: false,
            fill: Duration::from_secs(120),
            plots: None,
            only: Vec::new(),
            others: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| USAGE.to_owned());
            match argument.as_str() {
                // cargo says so.
                "--bench" => {}
                "--rounds" => read.rounds = number(&value()?)?,
                "--seconds" => read.turn = seconds(&value()?)?,
                "--fill" => read.fill = seconds(&value()?)?,
                "--plots" => read.plots = Some(value()?.into()),
                "--scaling" => read.is_scaling = true,
                "--million" => read.has_million = true,
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

fn seconds(text: &str) -> Result<Duration, String> {
    number(text).map(|seconds| Duration::from_secs(seconds as u64))
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| USAGE.to_owned())
}
