//! A holdfast process of the test's own: the real binary, on a free port, over a folder that goes away with the test.
//!
//! When it goes out of scope it is asked to stop (SIGTERM), must end in time and well, and the store that it leaves must
//! pass `holdfast check`. When the test is failing already, what those find is printed beside the failure.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::Registry;

/// How long a start or a stop may take before the test gives up; far beyond what is promised, for slow machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a test's holdfast is started.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    address: Option<SocketAddr>,
    configuration: Option<String>,
    environment: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

impl Builder {
    /// Where it listens; without it on a free port of 127.0.0.1.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The text of the configuration file; without it there is no file.
    pub fn configuration(mut self, yaml: &str) -> Self {
        self.configuration = Some(yaml.to_owned());
        self
    }

    /// Sets a variable of the process' environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A header that the configuration puts on every response, to be looked for on each.
    pub fn expecting_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it over an empty folder.
    pub fn start(self) -> Holdfast {
        let temporary = temporary_folder();
        let folder = temporary.path().to_owned();
        let mut holdfast = self.start_in(&folder);
        holdfast.temporary = Some(temporary);
        holdfast
    }

    /// Starts it over a folder of the test's own, for its data and its configuration file.
    pub fn start_in(self, folder: &Path) -> Holdfast {
        let process = Process::start(&self, folder);
        let registry = Registry {
            address: process.address,
            configured_headers: self.headers.clone(),
            authorization: None,
            tls: None,
        };
        Holdfast {
            registry,
            process: Some(process),
            folder: folder.to_owned(),
            builder: self,
            temporary: None,
        }
    }
}

/// A running holdfast over a folder of its own.
pub struct Holdfast {
    registry: Registry,
    process: Option<Process>,
    folder: PathBuf,
    builder: Builder,
    /// The folder, if it goes away with the test.
    temporary: Option<TempDir>,
}

impl Holdfast {
    /// Starts it as it comes: no configuration file, every setting at its default.
    pub fn start() -> Self {
        Builder::default().start()
    }

    /// Starts it with a configuration file.
    pub fn configured(yaml: &str) -> Self {
        Builder::default().configuration(yaml).start()
    }

    /// The folder that holds the store.
    pub fn root(&self) -> PathBuf {
        root_in(&self.folder)
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.process.as_ref().map(|process| process.log.lock().unwrap().clone()).unwrap_or_default()
    }

    /// How much memory it has of its own, in bytes: what it allocated, without the files that it has mapped.
    pub fn own_memory(&self) -> u64 {
        let pid = self.process.as_ref().unwrap().child.id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Asks it to stop (SIGTERM) and waits until it has, which must go well; then checks the store.
    #[track_caller]
    pub fn stop(&mut self) {
        if let Err(complaint) = self.stop_and_check() {
            panic!("{complaint}");
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.as_ref().unwrap().signal(signal);
    }

    /// Gives its configuration another text, which it reads when it starts again or is told to.
    pub fn write_configuration(&mut self, yaml: &str) {
        self.builder.configuration = Some(yaml.to_owned());
        std::fs::write(self.folder.join("holdfast.yml"), yaml).unwrap();
    }

    /// Has it read its configuration again (SIGHUP), whose text is another one now.
    pub fn reconfigure(&self, yaml: &str) {
        std::fs::write(self.folder.join("holdfast.yml"), yaml).unwrap();
        self.process.as_ref().unwrap().signal(Signal::HUP);
    }

    /// Asks it to stop (SIGTERM) without waiting.
    pub fn ask_to_stop(&self) {
        self.process.as_ref().unwrap().signal(Signal::TERM);
    }

    /// Asks it to stop (SIGTERM) and has another one, over the same folder and on the same port, take its place: the other one
    /// is started at once, and waits until the first has ended, which must go well.
    #[track_caller]
    pub fn roll(&mut self) {
        let old = self.process.take().unwrap();
        old.signal(Signal::TERM);
        self.builder.address = Some(self.registry.address);
        self.start_again();
        if let Err(complaint) = old.stop() {
            panic!("{complaint}");
        }
    }

    /// Ends it as a crash would (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.child.kill().unwrap();
            process.child.wait().unwrap();
        }
    }

    /// Starts it again over the same folder, after [`Holdfast::stop`] or [`Holdfast::kill`]. Its port is another one.
    #[track_caller]
    pub fn start_again(&mut self) {
        if let Err(complaint) = self.try_to_start_again() {
            panic!("{complaint}");
        }
    }

    /// Like [`Holdfast::start_again`] where it may refuse to; what it says then.
    pub fn try_to_start_again(&mut self) -> Result<(), String> {
        assert!(self.process.is_none(), "it is still running");
        let process = Process::try_to_start(&self.builder, &self.folder)?;
        self.registry.address = process.address;
        self.process = Some(process);
        Ok(())
    }

    /// How it has ended of its own accord, if it has.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(|process| process.child.try_wait().unwrap())
    }

    /// Checks the store of a registry that does not run, every byte of it.
    #[track_caller]
    pub fn check_payloads(&self) {
        assert!(self.process.is_none(), "it is still running");
        if let Err(complaint) = check(&self.root(), &["--payloads"]) {
            panic!("{complaint}");
        }
    }

    fn stop_and_check(&mut self) -> Result<(), String> {
        if let Some(process) = self.process.take() {
            process.stop()?;
        }
        check(&self.root(), &[])
    }
}

impl Deref for Holdfast {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        &self.registry
    }
}

impl Drop for Holdfast {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        let log = if failing { self.log() } else { String::new() };
        let outcome = self.stop_and_check();
        if failing {
            eprintln!("holdfast logged:\n{log}");
        }
        match outcome {
            Ok(()) => {}
            Err(complaint) if failing => eprintln!("after the failure: {complaint}"),
            Err(complaint) => panic!("{complaint}"),
        }
    }
}

struct Process {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Process {
    fn start(builder: &Builder, folder: &Path) -> Self {
        Self::try_to_start(builder, folder).unwrap_or_else(|complaint| panic!("{complaint}"))
    }

    fn try_to_start(builder: &Builder, folder: &Path) -> Result<Self, String> {
        let mut child = serve(builder, folder).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, receiver) = channel();
        let stderr = child.stderr.take().unwrap();
        let copy = Arc::clone(&log);
        std::thread::spawn(move || follow_log(stderr, &copy, &sender));
        if let Some(address) = wait_for_address(&receiver) {
            return Ok(Self { child, address, log });
        }
        let _already_ended = child.kill();
        let status = child.wait().unwrap();
        Err(format!("holdfast did not start ({status}):\n{}", log.lock().unwrap()))
    }

    fn signal(&self, signal: Signal) {
        let _already_ended = kill_process(Pid::from_child(&self.child), signal);
    }

    fn stop(mut self) -> Result<(), String> {
        self.signal(Signal::TERM);
        let complaint = match self.wait() {
            Some(status) if status.success() => return Ok(()),
            Some(status) => format!("holdfast ended with {status}"),
            None => {
                let _already_ended = self.child.kill();
                let _status = self.child.wait();
                format!("holdfast did not end within {PATIENCE:?} of SIGTERM")
            }
        };
        Err(format!("{complaint}; it logged:\n{}", self.log.lock().unwrap()))
    }

    fn wait(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }
}

/// `holdfast serve` as the builder wants it, with none of the environment's own settings.
fn serve(builder: &Builder, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let address = builder.address.map_or_else(|| "127.0.0.1:0".to_owned(), |address| address.to_string());
    command.args(["serve", "--addr", &address, "--root"]).arg(root_in(folder));
    if let Some(yaml) = &builder.configuration {
        let file = folder.join("holdfast.yml");
        // A file that is right already is left alone: on a full disk it could not be written again.
        if std::fs::read_to_string(&file).ok().as_ref() != Some(yaml) {
            std::fs::write(&file, yaml).unwrap();
        }
        command.arg("--config").arg(file);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("REGISTRY_") {
            command.env_remove(name);
        }
    }
    command.envs(builder.environment.iter().cloned());
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// A folder that goes away with the test: in memory where there is room, because hundreds of stores are made and synced by
/// a run of the suite; where `TMPDIR` says, if it is set.
fn temporary_folder() -> TempDir {
    const ROOM: u64 = 2 << 30;
    let memory = Path::new("/dev/shm");
    let has_room = rustix::fs::statvfs(memory).is_ok_and(|fs| fs.f_bavail * fs.f_frsize >= ROOM);
    match tempfile::tempdir_in(memory) {
        Ok(folder) if has_room && std::env::var_os("TMPDIR").is_none() => folder,
        _ => tempfile::tempdir().unwrap(),
    }
}

fn root_in(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Copies the log as it comes; sends the address once the line that states it has come.
fn follow_log(stderr: ChildStderr, log: &Mutex<String>, sender: &Sender<SocketAddr>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some(address) = address_in(&line) {
            let _nobody_waits_any_more = sender.send(address);
        }
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}

/// The address in the line that states it.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (scheme, rest) = line.split_once("listening on ")?.1.split_once("://")?;
    ["http", "https"].contains(&scheme).then_some(rest)?.split_whitespace().next()?.parse().ok()
}

/// Waits until the log names an address that takes connections; `None` when the process ends or never does.
fn wait_for_address(receiver: &Receiver<SocketAddr>) -> Option<SocketAddr> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let address = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
        if std::net::TcpStream::connect(address).is_ok() {
            return Some(address);
        }
    }
}

/// Runs `holdfast check` over a store that nobody serves.
fn check(root: &Path, options: &[&str]) -> Result<(), String> {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["check", "--root"])
        .arg(root)
        .args(options)
        .output()
        .map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(format!("holdfast check found ({}):\n{}", output.status, String::from_utf8_lossy(&text)))
}
