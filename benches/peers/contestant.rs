//! The registries that are compared.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use holdfast::load::Failure;

use crate::nginx;
use crate::place::Place;
use crate::rows::Row;
use crate::support::{Server, Way, certificate_in, holdfast_command, key_in};
use crate::zot;

/// A registry, or a server of files, and how it is started.
pub(crate) struct Contestant {
    pub(crate) name: String,
    command: String,
    prepare: Prepare,
    is_registry: bool,
    /// Whether its configuration for TLS is known here.
    speaks_tls: bool,
}

/// Writes a configuration into the folder, for this address.
type Prepare = fn(&Path, SocketAddr, Way) -> io::Result<()>;

impl Contestant {
    pub(crate) fn holdfast() -> Self {
        let holdfast = Self::registry("holdfast".to_owned(), holdfast_command());
        Self { prepare: add_tls_to_holdfast, speaks_tls: true, ..holdfast }
    }

    fn registry(name: String, command: String) -> Self {
        Self {
            name,
            command,
            prepare: write_distribution_configuration,
            is_registry: true,
            speaks_tls: false,
        }
    }

    /// distribution, where it is installed.
    pub(crate) fn distribution() -> Option<Self> {
        let found = ["registry", "docker-registry"].into_iter().find_map(|program| {
            let version = version(program, "--version")?;
            let command = format!("{program} serve {{folder}}/distribution.yml");
            let distribution = Self::registry(format!("distribution {version}"), command);
            Some(Self { speaks_tls: true, ..distribution })
        });
        if found.is_none() {
            println!("skipped: distribution (neither `registry` nor `docker-registry` is on the PATH)");
        }
        found
    }

    /// zot, where it is installed: as it comes, and so that it syncs what it writes.
    fn zots() -> Vec<Self> {
        match zot::version() {
            None => {
                println!("skipped: zot (it is not on the PATH)");
                Vec::new()
            }
            Some(version) => {
                let zot = |name, prepare| Self {
                    name,
                    command: zot::COMMAND.to_owned(),
                    prepare,
                    is_registry: true,
                    speaks_tls: false,
                };
                let synced = zot(format!("zot {version}, `commit`"), zot::prepare_with_commit);
                vec![zot(format!("zot {version}"), zot::prepare), synced]
            }
        }
    }

    /// nginx, where it is installed.
    fn nginx() -> Option<Self> {
        match version("nginx", "-v") {
            None => {
                println!("skipped: nginx (it is not on the PATH)");
                None
            }
            Some(version) => {
                let (name, command) = (version.replace('/', " "), nginx::COMMAND.to_owned());
                Some(Self { name, command, prepare: nginx::prepare, is_registry: false, speaks_tls: true })
            }
        }
    }

    /// Starts it over an empty folder.
    pub(crate) fn start(&self, way: Way) -> Result<Server, Failure> {
        let prepare = |folder: &Path, address| (self.prepare)(folder, address, way);
        Ok(Server::start_command_for(way, &self.command, &prepare)?)
    }

    /// Where a row can put things while this one runs.
    pub(crate) fn place<'a>(&self, server: &'a Server) -> Place<'a> {
        if self.is_registry { Place::Registry(server) } else { Place::Folder(server) }
    }

    pub(crate) fn is_registry(&self) -> bool {
        self.is_registry
    }

    /// Whether it can do what the row asks for.
    pub(crate) fn can_do(&self, row: &Row) -> bool {
        (self.is_registry || row.is_pull()) && (self.speaks_tls || !row.way.is_encrypted())
    }
}

/// holdfast, distribution, zot and nginx where they are installed, and the others that were named.
pub(crate) fn installed(others: &[(String, String)]) -> Vec<Contestant> {
    let mut contestants = vec![Contestant::holdfast()];
    contestants.extend(Contestant::distribution());
    contestants.extend(Contestant::zots());
    for (name, command) in others {
        match version(command.split_whitespace().next().unwrap_or_default(), "--version") {
            Some(_) => contestants.push(Contestant::registry(name.clone(), command.clone())),
            None => println!("skipped: {name} (its command cannot be run)"),
        }
    }
    contestants.extend(Contestant::nginx());
    contestants
}

/// The last word of what a program says when it is asked so for its version, if it can be run.
fn version(program: &str, question: &str) -> Option<String> {
    let output = Command::new(program).arg(question).output().ok()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let version = text.split_whitespace().last().unwrap_or_default();
    Some(version.trim_start_matches('v').trim_end_matches("+unknown").to_owned())
}

/// What distribution and holdfast have in common to speak TLS, as a line under `http`.
fn tls_line(folder: &Path, way: Way) -> String {
    let (certificate, key) = (certificate_in(folder), key_in(folder));
    let line = format!("  tls: {{certificate: {}, key: {}}}\n", certificate.display(), key.display());
    if way.is_encrypted() { line } else { String::new() }
}

fn add_tls_to_holdfast(folder: &Path, _: SocketAddr, way: Way) -> io::Result<()> {
    if way.is_encrypted() {
        let mut file = OpenOptions::new().append(true).open(folder.join("holdfast.yml"))?;
        write!(file, "http:\n{}", tls_line(folder, way))?;
    }
    Ok(())
}

/// Distribution as its image comes, but for the lines that it would log for each request.
fn write_distribution_configuration(folder: &Path, address: SocketAddr, way: Way) -> io::Result<()> {
    let text = format!(
        "version: 0.1\n\
         log:\n  level: error\n  accesslog:\n    disabled: true\n\
         storage:\n  cache:\n    blobdescriptor: inmemory\n  delete:\n    enabled: true\n  filesystem:\n    rootdirectory: {}\n\
         http:\n  addr: {address}\n{}",
        folder.join("data").display(),
        tls_line(folder, way)
    );
    std::fs::write(folder.join("distribution.yml"), text)
}
