//! A registry in a process of its own, over a folder that goes away with it.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::load::{Connection, Reconnect, Request, Target, Trust};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::certificate;

/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The command that serves holdfast as it was built for this benchmark, without a line for each request, as its peers
/// are run.
pub fn holdfast_command() -> String {
    format!(
        "{} serve --config {{folder}}/holdfast.yml --addr 127.0.0.1:{{port}} --root {{root}}",
        env!("CARGO_BIN_EXE_holdfast")
    )
}

const CONFIGURATION: &str = "log:\n  level: warn\n  accesslog:\n    disabled: true\n";

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Plain,
    Encrypted(Reconnect),
    /// Encrypted, over HTTP/2.
    Http2,
}

impl Way {
    pub fn is_encrypted(self) -> bool {
        self != Self::Plain
    }

    fn target(self, address: SocketAddr, folder: &Path) -> io::Result<Target> {
        let target = Target::from(address);
        let certificate = certificate::certificate_in(folder);
        let encrypted = |reconnect| {
            target.clone().encrypted(Trust::Signers(&certificate), reconnect).map_err(io::Error::other)
        };
        match self {
            Self::Plain => Ok(target),
            Self::Encrypted(reconnect) => encrypted(reconnect),
            Self::Http2 => Ok(encrypted(Reconnect::Never)?.over_http2()),
        }
    }
}

/// A running registry.
pub struct Server {
    child: Child,
    /// What it is started with.
    words: Vec<String>,
    pub target: Target,
    /// Where the load's files may lie too: on the disk that is measured.
    folder: Arc<TempDir>,
}

impl Server {
    /// holdfast.
    pub fn start() -> Self {
        Self::start_command(&holdfast_command(), &|_, _| Ok(())).unwrap()
    }

    /// Any registry. In its command `{port}`, `{root}` and `{folder}` stand for what they say: the port, the folder of the
    /// data, and one beside it for files such as those that `prepare` writes.
    pub fn start_command(
        command: &str,
        prepare: &dyn Fn(&Path, SocketAddr) -> io::Result<()>,
    ) -> io::Result<Self> {
        Self::start_command_for(Way::Plain, command, prepare)
    }

    /// Any registry that is to be spoken to like this. Its folder has a certificate.
    pub fn start_command_for(
        way: Way,
        command: &str,
        prepare: &dyn Fn(&Path, SocketAddr) -> io::Result<()>,
    ) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("holdfast-bench-").tempdir()?;
        let root = folder.path().join("data");
        std::fs::create_dir(&root)?;
        std::fs::write(folder.path().join("holdfast.yml"), CONFIGURATION)?;
        certificate::write(folder.path())?;
        let address = free_address()?;
        prepare(folder.path(), address)?;
        let fill_in = |word: &str| {
            word.replace("{port}", &address.port().to_string())
                .replace("{root}", &root.to_string_lossy())
                .replace("{folder}", &folder.path().to_string_lossy())
        };
        let words: Vec<_> = command.split_whitespace().map(fill_in).collect();
        let child = spawn(&words, folder.path())?;
        let target = way.target(address, folder.path())?;
        let mut server = Self { child, words, target, folder: Arc::new(folder) };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// Stops it and starts it again over the same data.
    pub fn restart(&mut self) -> io::Result<()> {
        self.restart_after(Signal::TERM)
    }

    /// Ends it by a signal, and starts it again over the same data.
    pub fn restart_after(&mut self, signal: Signal) -> io::Result<()> {
        self.end(signal);
        self.child = spawn(&self.words, self.folder.path())?;
        self.wait_until_it_answers()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder of its data.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What everything of it lies in; it stays for as long as somebody has it.
    pub fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    pub fn connect(&self) -> Connection {
        Connection::open(&self.target).unwrap()
    }

    fn wait_until_it_answers(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let ask = |target| Connection::open(target)?.ask(&Request::new("GET", "/v2/"), 200);
        while ask(&self.target).is_err() {
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.path().join("log"))?;
                return Err(io::Error::other(format!("it does not answer; its log says:\n{log}")));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn end(&mut self, signal: Signal) {
        let _already_ended = kill_process(Pid::from_child(&self.child), signal);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(2));
        }
        let _already_ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(Signal::TERM);
    }
}

fn spawn(words: &[String], folder: &Path) -> io::Result<Child> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let log = File::create(folder.join("log"))?;
    Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()
}

/// An address that nobody listens on at the moment.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
