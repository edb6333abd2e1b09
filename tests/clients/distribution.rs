//! distribution itself (registry:3): what clients have pushed to it, holdfast serves after an import.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::client::Client;
use crate::daemon::Daemon;
use crate::layout::{Layout, layer};
use crate::support::{Builder, Holdfast};

/// A running distribution, and room beside its folder for a store.
struct Distribution {
    folder: TempDir,
    address: SocketAddr,
    _daemon: Daemon,
}

impl Distribution {
    /// `None` if it is not installed, which is said.
    fn start() -> Option<Self> {
        Self::start_over(tempfile::tempdir().unwrap())
    }

    /// The same over what lies in a folder already.
    fn start_over(folder: TempDir) -> Option<Self> {
        let registry = Client::find("registry")?;
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let root = folder.path().join("old");
        let configuration = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '{address}'}}\n",
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

    fn source(&self) -> PathBuf {
        self.folder.path().join("old")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Imports what it has; all of it has to come.
    #[track_caller]
    fn import(&self) {
        let output = import(&self.source(), &self.root());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn import(source: &Path, root: &Path) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("import").arg(source).arg("--root").arg(root).output().unwrap()
}

#[test]
fn what_was_pushed_to_distribution_is_served_after_imports_while_it_goes_on() {
    let Some(crane) = Client::find("crane") else { return };
    let Some(old) = Distribution::start() else { return };
    let there = |name: &str| format!("{}/{name}", old.address);
    let index = Layout::of_index(crane.path("in"), "both", 2);
    crane.run(["push", index.folder(), &there("team/index:both")]);
    let append = |seed: u64, name: &str| {
        let tarball = crane.write("layer.tar", layer(300_000, seed));
        crane.run(["append", "--new_layer", &tarball, "--new_tag", &there(name)]);
    };
    append(1, "app:moves");
    append(2, "app:goes");
    append(3, "app:stays");
    old.import();

    append(4, "app:moves");
    append(5, "other:new");
    let goes = crane.run(["digest", &there("app:goes")]);
    crane.run(["delete", &there(&format!("app@{goes}"))]);
    old.import();

    let holdfast = Builder::default().start_in(old.folder.path());
    let here = |name: &str| format!("{}/{name}", holdfast.address);
    for name in ["team/index:both", "app:moves", "app:stays", "other:new"] {
        assert_eq!(crane.run(["digest", &here(name)]), crane.run(["digest", &there(name)]), "{name}");
        assert_eq!(crane.run(["manifest", &here(name)]), crane.run(["manifest", &there(name)]), "{name}");
        crane.run(["validate", "--remote", &here(name)]);
    }
    let mut tags: Vec<_> = crane.run(["ls", &here("app")]).lines().map(str::to_owned).collect();
    tags.sort();
    assert_eq!(tags, ["moves", "stays"]);
    crane.fail(["digest", &here(&format!("app@{goes}"))]);
}

#[test]
fn what_was_pushed_to_holdfast_distribution_serves_after_an_export() {
    let Some(crane) = Client::find("crane") else { return };
    let holdfast = Holdfast::start();
    let here = |name: &str| format!("{}/{name}", holdfast.address);
    let index = Layout::of_index(crane.path("in"), "both", 2);
    crane.run(["push", index.folder(), &here("team/index:both")]);
    for (seed, name) in [(1, "app:v1"), (2, "app:v2")] {
        let tarball = crane.write("layer.tar", layer(400_000, seed));
        crane.run(["append", "--new_layer", &tarball, "--new_tag", &here(name)]);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("export").arg(folder.path().join("old")).arg("--root").arg(holdfast.root());
    let output = command.args(["--format", "distribution"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let Some(distribution) = Distribution::start_over(folder) else { return };
    let there = |name: &str| format!("{}/{name}", distribution.address);
    for name in ["team/index:both", "app:v1", "app:v2"] {
        assert_eq!(crane.run(["manifest", &there(name)]), crane.run(["manifest", &here(name)]), "{name}");
        crane.run(["validate", "--remote", &there(name)]);
    }
    assert_eq!(crane.run(["ls", &there("app")]), "v1\nv2");
    assert_eq!(crane.run(["catalog", &distribution.address.to_string()]), "app\nteam/index");
    // It takes pushes as well, to what it has.
    let tarball = crane.write("layer.tar", layer(400_000, 3));
    crane.run(["append", "--base", &there("app:v2"), "--new_layer", &tarball, "--new_tag", &there("app:v3")]);
}
