//! Running a client: where it is installed, with a home of its own, bounded in time, and with all it said in a failure.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) use crate::support::skip;

/// How many seconds one call of a client may take; far beyond what any needs, for slow machines.
const PATIENCE: &str = "180";

/// The variables that tell programs where their user's own files are, and the places that they get in the client's folder.
const HOMES: [(&str, &str); 6] = [
    ("HOME", "HOME"),
    ("XDG_CONFIG_HOME", "HOME/.config"),
    ("XDG_CACHE_HOME", "HOME/.cache"),
    ("XDG_DATA_HOME", "HOME/.local/share"),
    ("XDG_RUNTIME_DIR", "RUN"),
    ("TMPDIR", "TMP"),
];

/// A client that is installed. Whatever it keeps (configuration, caches, images) lies in a folder that goes away with it.
pub(crate) struct Client {
    program: PathBuf,
    /// Arguments that go before those of each call.
    always: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
    folder: TempDir,
}

impl Client {
    /// The client of this name, or `None` if it is not installed, which is said.
    ///
    /// # Panics
    ///
    /// If it is not installed although `HOLDFAST_REQUIRE_CLIENTS` names it.
    pub(crate) fn find(name: &str) -> Option<Self> {
        installed(name).first().map(Self::at)
    }

    /// The client that this program is.
    pub(crate) fn at(program: impl AsRef<Path>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = HOMES.map(|(name, place)| (name, folder.path().join(place)));
        for (_, path) in &environment {
            std::fs::create_dir_all(path).unwrap();
        }
        let program = program.as_ref().to_owned();
        Self { program, always: Vec::new(), environment: environment.into(), folder }
    }

    /// Puts these arguments before those of every call.
    pub(crate) fn always<Argument: Into<String>>(
        mut self,
        arguments: impl IntoIterator<Item = Argument>,
    ) -> Self {
        self.always.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the client's environment to a path.
    pub(crate) fn environment(mut self, name: &'static str, path: PathBuf) -> Self {
        self.environment.push((name, path));
        self
    }

    /// Where it is installed.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// A folder for the test's own files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in [`Client::folder`], as an argument.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file into [`Client::folder`].
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs the client, which must succeed, and gives its standard output without the newline at its end.
    #[track_caller]
    pub(crate) fn run<Argument: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = Argument>,
    ) -> String {
        match self.attempt(arguments) {
            Ok(output) => output,
            Err(failure) => panic!("{failure}"),
        }
    }

    /// Runs the client, and gives its standard output without the newline at its end, or all that is to be said of its
    /// failure.
    pub(crate) fn attempt<Argument: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = Argument>,
    ) -> Result<String, String> {
        let (command, output) = self.call(arguments);
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap().trim_end().to_owned()),
            false => Err(format!("{command:?} failed: {}", both(&output))),
        }
    }

    /// Whether this call of the client succeeds.
    pub(crate) fn succeeds<Argument: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = Argument>,
    ) -> bool {
        self.call(arguments).1.status.success()
    }

    /// Runs the client, which must fail.
    #[track_caller]
    pub(crate) fn fail<Argument: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = Argument>) {
        let (command, output) = self.call(arguments);
        assert!(!output.status.success(), "{command:?} should have failed: {}", both(&output));
    }

    /// Runs the client with `input` on its standard input, like [`Client::run`] otherwise.
    #[track_caller]
    pub(crate) fn feed<Argument: AsRef<OsStr>>(
        &self,
        input: &[u8],
        arguments: impl IntoIterator<Item = Argument>,
    ) -> String {
        let file = self.write("standard-input", input);
        let mut command = self.command(arguments);
        let output = command.stdin(File::open(file).unwrap()).output().unwrap();
        assert!(output.status.success(), "{command:?} failed: {}", both(&output));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn call<Argument: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = Argument>,
    ) -> (Command, Output) {
        let mut command = self.command(arguments);
        let output = command.output().unwrap();
        (command, output)
    }

    fn command<Argument: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = Argument>) -> Command {
        let mut command = Command::new("timeout");
        command
            .arg(PATIENCE)
            .arg(&self.program)
            .args(&self.always)
            .args(arguments)
            .envs(self.environment.iter().map(|(name, path)| (name, path)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }
}

fn both(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The programs of this name on the PATH, the first of them first. None is said, or fails as in [`Client::find`].
pub(crate) fn installed(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).map(|folder| folder.join(name));
    let mut found: Vec<PathBuf> = Vec::new();
    for place in places.filter(|place| place.is_file()) {
        if !found.iter().any(|other| is_same_file(other, &place)) {
            found.push(place);
        }
    }
    if found.is_empty() {
        skip(name, "it is not installed");
    }
    found
}

/// Whether one is a link to the other, as in systems where `/bin` is `/usr/bin`.
fn is_same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok() == other.canonicalize().ok()
}
