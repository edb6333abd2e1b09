//! zot, once as it comes and once with `commit`, without which it syncs nothing.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::Way;

pub(crate) const COMMAND: &str = "zot serve {folder}/zot.json";

/// Its version, if it is on the PATH. It tells it as a line of its log, in the field for the commit that it was built from.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("zot").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let told = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut versions = told.filter_map(|line| line["commit"].as_str().map(str::to_owned));
    Some(versions.find(|version| !version.is_empty()).unwrap_or_else(|| "of unknown version".to_owned()))
}

pub(crate) fn prepare(folder: &Path, address: SocketAddr, _: Way) -> io::Result<()> {
    write_configuration(folder, address, false)
}

pub(crate) fn prepare_with_commit(folder: &Path, address: SocketAddr, _: Way) -> io::Result<()> {
    write_configuration(folder, address, true)
}

/// As it comes, but for the lines that it would log for each request.
fn write_configuration(folder: &Path, address: SocketAddr, syncs: bool) -> io::Result<()> {
    let configuration = json!({
        "distSpecVersion": "1.1.1",
        "storage": { "rootDirectory": folder.join("data"), "commit": syncs },
        "http": { "address": address.ip(), "port": address.port().to_string() },
        "log": { "level": "error" },
    });
    fs::write(folder.join("zot.json"), configuration.to_string())
}
