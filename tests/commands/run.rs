//! Runs of the binary.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
    pub(crate) complained: String,
}

impl Run {
    /// It went well; what it said.
    #[track_caller]
    pub(crate) fn expect(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.said
    }

    /// It failed with this exit code; what it complained of.
    #[track_caller]
    pub(crate) fn expect_failure(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.complained
    }
}

/// The binary, with none of the environment's own settings.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("REGISTRY_") {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn holdfast() -> Command {
    command(env!("CARGO_BIN_EXE_holdfast"))
}

/// Runs a command to its end, with this on its standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that has refused already no longer listens.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), said: text(output.stdout), complained: text(output.stderr) }
}

pub(crate) fn run(arguments: &[&str]) -> Run {
    run_with_input(holdfast().args(arguments), b"")
}

/// Runs a command over a store, in whose folder a server may be running.
pub(crate) fn run_at(root: &Path, arguments: &[&str]) -> Run {
    run_with_input(holdfast().args(arguments).arg("--root").arg(root), b"")
}
