//! distribution itself, as the old server that people come from: registry:3, and registry:2 as Debian's `docker-registry`.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::client::Client;
use crate::daemon::Daemon;
use crate::support::Registry;

/// A running distribution, and room beside its folder for a store.
pub(crate) struct Distribution {
    folder: TempDir,
    pub(crate) address: SocketAddr,
    _daemon: Daemon,
}

impl Distribution {
    /// The program of this name; `None` if it is not installed, which is said.
    pub(crate) fn start(program: &str) -> Option<Self> {
        Self::start_over(program, tempfile::tempdir().unwrap())
    }

    /// The same over what lies in a folder already.
    pub(crate) fn start_over(program: &str, folder: TempDir) -> Option<Self> {
        let registry = Client::find(program)?;
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let root = folder.path().join("old");
        let configuration = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '{address}', relativeurls: true}}\n",
            root.display()
        );
        let file = folder.path().join("config.yml");
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new(registry.program());
        command.arg("serve").arg(file);
        let is_ready = || TcpStream::connect(address).is_ok();
        let daemon = Daemon::start(&mut command, &folder.path().join("log"), is_ready);
        Some(Self { folder, address, _daemon: daemon })
    }

    /// What it serves, for tests that ask without a client.
    pub(crate) fn registry(&self) -> Registry {
        Registry { address: self.address, configured_headers: Vec::new(), authorization: None, tls: None }
    }

    /// The folder that a store may be made in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that it keeps everything in.
    pub(crate) fn source(&self) -> PathBuf {
        self.folder.path().join("old")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Imports what it has; all of it has to come.
    #[track_caller]
    pub(crate) fn import(&self) {
        let output = import(&self.source(), &self.root());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn import(source: &Path, root: &Path) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("import").arg(source).arg("--root").arg(root).output().unwrap()
}
