//! The command and what comes of it.

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

/// `holdfast bench` with these arguments, short where they do not say otherwise.
pub(crate) fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("bench").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it for a second on two connections to this address.
pub(crate) fn run(arguments: &[&str], address: SocketAddr) -> Outcome {
    let url = format!("http://{address}");
    let short = ["--duration", "1s", "--connections", "2", &url];
    Outcome::of(&bench(&[arguments, &short].concat()).output().unwrap())
}

/// What a run has come to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Outcome {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            output: String::from_utf8(output.stdout.clone()).unwrap(),
            errors: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// The cells of the line that begins with this name, without it.
    pub(crate) fn line(&self, name: &str) -> Vec<&str> {
        let line = self.output.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name:?} is missing in {self:?}")).split_whitespace().collect()
    }
}
