//! A holdfast process of a test's own, started as the test says, and never outliving it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Far longer than anything that is promised, for slow machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a process is started.
pub(crate) struct Start {
    folder: TempDir,
    wrapper: Vec<String>,
    arguments: Vec<String>,
    environment: Vec<(String, PathBuf)>,
    unread: bool,
    root: Option<PathBuf>,
    /// What the process finds as its standard input.
    input: Option<OwnedFd>,
}

/// `holdfast serve`, on a free port of 127.0.0.1 unless another address is given.
pub(crate) fn serve() -> Start {
    Start {
        folder: tempfile::tempdir().unwrap(),
        wrapper: Vec::new(),
        arguments: Vec::new(),
        environment: Vec::new(),
        unread: false,
        root: None,
        input: None,
    }
}

impl Start {
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn at(self, address: &str) -> Self {
        self.with(&["--addr", address])
    }

    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// The text of the configuration file.
    pub(crate) fn configured(self, yaml: &str) -> Self {
        let file = self.folder.path().join("holdfast.yml");
        std::fs::write(&file, yaml).unwrap();
        self.with(&["--config", file.to_str().unwrap()])
    }

    pub(crate) fn environment(mut self, name: &str, value: &Path) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A command that starts the rest of its arguments as a command.
    pub(crate) fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Hands over sockets as systemd does: the first is this one, the others are copies of it.
    pub(crate) fn activated(mut self, socket: OwnedFd, count: usize) -> Self {
        self.input = Some(socket);
        let copies: String = (3..3 + count).map(|number| format!(" {number}<&0")).collect();
        let hand_over = format!("export LISTEN_PID=$$ LISTEN_FDS={count}; exec \"$@\"{copies} 0</dev/null");
        self.under(&["sh", "-c", &hand_over, "sh"])
    }

    /// After the start-up line nobody reads what it writes.
    pub(crate) fn unread(mut self) -> Self {
        self.unread = true;
        self
    }

    /// Another folder for the data than one of its own.
    pub(crate) fn over(mut self, root: &Path) -> Self {
        self.root = Some(root.to_owned());
        self
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(self) -> Process {
        let process = self.spawn();
        process.wait_for_log("listening on ");
        process
    }

    /// Starts it without waiting for anything.
    pub(crate) fn spawn(mut self) -> Process {
        let mut child = self.command().spawn().unwrap();
        let (last_of_log, last_of_output) = match self.unread {
            true => (Some("listening on "), Some("")),
            false => (None, None),
        };
        let log = follow(child.stderr.take().unwrap(), last_of_log);
        let output = follow(child.stdout.take().unwrap(), last_of_output);
        Process { child, log, output, folder: self.folder }
    }

    fn command(&mut self) -> Command {
        let mut words = self.wrapper.clone();
        words.push(env!("CARGO_BIN_EXE_holdfast").to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("serve").args(&self.arguments);
        if !self.arguments.iter().any(|argument| argument == "--addr" || argument == "--config") {
            command.args(["--addr", "127.0.0.1:0"]);
        }
        let own = self.folder.path().join("data");
        command.arg("--root").arg(self.root.as_ref().unwrap_or(&own));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("REGISTRY_") {
                command.env_remove(name);
            }
        }
        command
            .envs(self.environment.iter().cloned())
            .current_dir(self.folder.path())
            .stdin(self.input.take().map_or_else(Stdio::null, Stdio::from))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// A running process, or one that has ended.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    output: Arc<Mutex<String>>,
    folder: TempDir,
}

impl Process {
    pub(crate) fn id(&self) -> i32 {
        Pid::from_child(&self.child).as_raw_nonzero().get()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What came on standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What came on standard output so far.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// The address that the start-up line names.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address_after("listening on http://")
    }

    /// The address that stands in the log after these words.
    pub(crate) fn address_after(&self, words: &str) -> SocketAddr {
        let log = self.log();
        let (_, rest) = log.split_once(words).unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub(crate) fn wait_for_log(&self, words: &str) {
        wait_until(|| self.log().contains(words), || format!("{words:?} in the log:\n{}", self.log()));
    }

    pub(crate) fn wait_for_output(&self, words: &str) {
        wait_until(
            || self.output().contains(words),
            || format!("{words:?} in the output:\n{}", self.output()),
        );
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("it does not end; it logged:\n{}", self.log());
    }

    /// Stops it and waits for its end, which must be a good one.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "{status}; it logged:\n{}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end, or up to the first line that has these words; the pipe then stays open, unread.
fn follow(mut pipe: impl Read + Send + 'static, last: Option<&'static str>) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let copy = Arc::clone(&text);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(&mut pipe);
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
            copy.lock().unwrap().push_str(&line);
            if last.is_some_and(|words| line.contains(words)) {
                std::mem::forget(pipe);
                return;
            }
            line.clear();
        }
    });
    text
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn wait_until(so: impl Fn() -> bool, what: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain for {}", what());
        std::thread::sleep(Duration::from_millis(5));
    }
}
