//! `holdfast bench`: loads a registry, any registry, and checks every answer.

mod interrupt;
mod progress;
mod table;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};

use crate::config::{parse_duration, parse_size};
use crate::load::traffic::Traffic;
use crate::load::{Failure, Limit, Load, Plan, Reconnect, Stem, Target, TargetError, Trust, Watch, Work};
use crate::oci::RepositoryName;
use crate::server::open_files;

/// Loads a registry, this one or another, over HTTP or HTTPS, HTTP/1.1 or HTTP/2, and checks every answer.
///
/// What is pushed stays there. Every body that comes back is compared with its digest, which costs the client's processor
/// time. The exit code is 1 if any answer was wrong or missing, 2 if this command line was. Ctrl-C ends the load and
/// prints what it has come to.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// The registry: http://HOST:PORT or https://HOST:PORT
    #[arg(value_name = "URL")]
    target: Target,
    /// What is done
    #[arg(long, value_enum, default_value_t = Kind::Mixed)]
    work: Kind,
    /// The size of a blob or a layer: 32 bytes to 16GiB
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "64KiB")]
    size: usize,
    /// How many connections ask at the same time: 1 to 1024
    #[arg(long, value_name = "N", value_parser = connections, default_value = "8")]
    connections: usize,
    /// How long: 1s to 24h. What is under way then has 10 s to end
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    duration: Duration,
    /// The repository that is pushed to and pulled from
    #[arg(long, value_name = "NAME", default_value = "holdfast-bench")]
    repository: RepositoryName,
    /// Over HTTPS, whose certificates are taken: those that the certificates of this file have signed. That of the system is
    /// /etc/ssl/certs/ca-certificates.crt on many
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cacert: Option<PathBuf>,
    /// Over HTTPS, takes every certificate
    #[arg(long)]
    insecure: bool,
    /// Over HTTPS, whether each request comes on a connection of its own
    #[arg(long, value_enum, default_value_t = Handshakes::Kept)]
    handshakes: Handshakes,
    /// Speaks HTTP/2: over HTTPS as ALPN agrees on it, over HTTP with prior knowledge
    #[arg(long)]
    http2: bool,
    /// Logs in with each request: the first line of this file is NAME:PASSWORD, or a bearer token
    #[arg(long, value_name = "FILE")]
    login: Option<PathBuf>,
    /// `pull` compares only one of N bodies with its digest, and of the others the length, to leave the server more of the
    /// processor
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    verify_one_of: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// New blobs
    Push,
    /// Blobs that are there
    Pull,
    /// What CI does: one image pushed, of four layers of which three are there, for three images pulled
    Mixed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Handshakes {
    /// Connections are kept
    Kept,
    /// A new connection each, which resumes an earlier session
    Resumed,
    /// A new connection each, with a whole handshake
    Full,
}

impl From<Handshakes> for Reconnect {
    fn from(handshakes: Handshakes) -> Self {
        match handshakes {
            Handshakes::Kept => Self::Never,
            Handshakes::Resumed => Self::Resuming,
            Handshakes::Full => Self::Anew,
        }
    }
}

/// Why a registry cannot be spoken to as the command line says.
#[derive(Debug, thiserror::Error)]
enum WrongTarget {
    #[error(
        "over https somebody has to be trusted: name the file of the signers with --cacert, or use --insecure"
    )]
    NobodyTrusted,
    #[error("--cacert, --insecure and --handshakes are for https: write https:// in front of the host")]
    NotEncrypted,
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("{}: it cannot be logged in with: {reason}", file.display())]
    Login { file: PathBuf, reason: String },
}

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("what the load needs cannot be pushed to {host}: {failure}")]
    Preparation { host: String, failure: Failure },
    #[error("signals cannot be handled: {0}; the system is short of something: try again")]
    Signals(#[source] io::Error),
}

/// The `Authorization` of whoever's name and password, or token, a file has.
fn authorization(file: &Path) -> Result<String, WrongTarget> {
    let wrong = |reason| WrongTarget::Login { file: file.to_owned(), reason };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    match line {
        "" => Err(wrong("its first line is empty".to_owned())),
        _ if line.contains(':') => Ok(format!("Basic {}", STANDARD.encode(line))),
        token => Ok(format!("Bearer {token}")),
    }
}

/// Runs the load and prints what it has come to. Exit code 1 if anything went wrong.
pub(super) fn run(arguments: &Bench) -> ExitCode {
    let target = match arguments.target() {
        Ok(target) => target,
        Err(error) => {
            eprintln!("holdfast: {error}");
            return ExitCode::from(2);
        }
    };
    let load = match bench(arguments, &target) {
        Ok(load) => load,
        Err(error) => {
            eprintln!("holdfast: {error}");
            return ExitCode::FAILURE;
        }
    };
    let is_printed = table::print(&load);
    if let Err(error) = &is_printed {
        eprintln!("holdfast: the table cannot be printed: {error}");
    }
    match load.failures.total() {
        0 if is_printed.is_ok() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn bench(arguments: &Bench, target: &Target) -> Result<Load, BenchError> {
    open_files::raise_limit();
    let watch = Watch::default();
    interrupt::stop_at_signals(watch.stop.clone()).map_err(BenchError::Signals)?;
    match prepare(arguments, target, &watch) {
        Ok(work) => Ok(progress::run(&arguments.plan(target), &watch, &*work)),
        Err(Failure::Stopped) => Ok(Load::default()),
        Err(failure) => Err(BenchError::Preparation { host: target.host().to_owned(), failure }),
    }
}

fn prepare(arguments: &Bench, target: &Target, watch: &Watch) -> Result<Box<dyn Work>, Failure> {
    let traffic = Traffic {
        repository: arguments.repository.to_string(),
        size: arguments.size,
        verified: arguments.verify_one_of,
    };
    Ok(match arguments.work {
        Kind::Push => Box::new(traffic.push()),
        Kind::Pull => Box::new(traffic.pull(target, &watch.stop)?),
        Kind::Mixed => Box::new(traffic.mixed(target, &watch.stop)?),
    })
}

impl Bench {
    /// The registry, and how it is spoken to.
    fn target(&self) -> Result<Target, WrongTarget> {
        let mut target = self.encrypted_target()?;
        if self.http2 {
            target = target.over_http2();
        }
        match &self.login {
            Some(file) => Ok(target.with_authorization(authorization(file)?)),
            None => Ok(target),
        }
    }

    fn encrypted_target(&self) -> Result<Target, WrongTarget> {
        let trust = match &self.cacert {
            Some(file) => Some(Trust::Signers(file)),
            None => self.insecure.then_some(Trust::Anybody),
        };
        match (self.target.is_encrypted(), trust) {
            (true, Some(trust)) => Ok(self.target.clone().encrypted(trust, self.handshakes.into())?),
            (true, None) => Err(WrongTarget::NobodyTrusted),
            (false, None) if self.handshakes == Handshakes::Kept => Ok(self.target.clone()),
            (false, _) => Err(WrongTarget::NotEncrypted),
        }
    }

    fn plan<'a>(&self, target: &'a Target) -> Plan<'a> {
        let limit = Limit { operations: u64::MAX, time: self.duration };
        Plan { target, connections: self.connections, limit }
    }
}

fn size(text: &str) -> Result<usize, String> {
    const LARGEST: usize = 16 << 30;
    let size = usize::try_from(parse_size(text)?).ok();
    size.filter(|size| (Stem::SMALLEST..=LARGEST).contains(size))
        .ok_or_else(|| "a size is 32 bytes to 16GiB".to_owned())
}

fn connections(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1024).contains(number));
    number.ok_or_else(|| "there are 1 to 1024 connections".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    Some(parse_duration(text)?)
        .filter(|duration| (Duration::from_secs(1)..=LONGEST).contains(duration))
        .ok_or_else(|| "a load lasts 1s to 24h".to_owned())
}
