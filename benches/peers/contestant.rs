//! The registries that are compared.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::support::{Server, holdfast_command};

/// A registry and how it is started.
pub(crate) struct Contestant {
    pub(crate) name: String,
    command: String,
}

impl Contestant {
    /// Starts it over an empty folder.
    pub(crate) fn start(&self) -> io::Result<Server> {
        Server::start_command(&self.command, &write_distribution_configuration)
    }
}

/// holdfast, distribution where it is installed, and the others that were named.
pub(crate) fn installed(others: &[(String, String)]) -> Vec<Contestant> {
    let mut contestants = vec![Contestant { name: "holdfast".to_owned(), command: holdfast_command() }];
    match ["registry", "docker-registry"].into_iter().find_map(version) {
        Some((name, command)) => contestants.push(Contestant { name, command }),
        None => println!("skipped: distribution (neither `registry` nor `docker-registry` is on the PATH)"),
    }
    for (name, command) in others {
        match is_installed(command.split_whitespace().next().unwrap_or_default()) {
            true => contestants.push(Contestant { name: name.clone(), command: command.clone() }),
            false => println!("skipped: {name} (its command cannot be run)"),
        }
    }
    contestants
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Distribution's name with its version, and the command that serves it, if it can be run.
fn version(program: &str) -> Option<(String, String)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().last().unwrap_or_default().trim_end_matches("+unknown");
    Some((format!("distribution {version}"), format!("{program} serve {{folder}}/distribution.yml")))
}

/// Distribution as its image comes, but for the lines that it would log for each request.
fn write_distribution_configuration(folder: &Path, address: SocketAddr) -> io::Result<()> {
    let text = format!(
        "version: 0.1\n\
         log:\n  level: error\n  accesslog:\n    disabled: true\n\
         storage:\n  cache:\n    blobdescriptor: inmemory\n  delete:\n    enabled: true\n  filesystem:\n    rootdirectory: {}\n\
         http:\n  addr: {address}\n",
        folder.join("data").display()
    );
    std::fs::write(folder.join("distribution.yml"), text)
}
