//! `holdfast healthcheck`: whether a running registry is well, for those who only look at an exit code.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::{StatusCode, Url};

use super::serve::address;
use crate::config::{self, Config, Flags, Http, Sources, parse_duration, process_environment};
use crate::outgoing::{OutgoingError, ask_directly};
use crate::server::{Address, AddressError};

/// Asks a running registry whether it is well: its debug listener, where it has one, else its main one
#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    /// What is asked, such as https://127.0.0.1:5000/ or http://127.0.0.1:5001/debug/health; without it the registry that has this
    /// machine's configuration
    #[arg(value_name = "URL", conflicts_with = "config")]
    url: Option<String>,
    /// The configuration file of the registry; without it, as for serve, the environment counts
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long the answer may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
enum HealthcheckError {
    #[error(transparent)]
    Configuration(#[from] config::Errors),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("{0:?} is no URL: write it like http://127.0.0.1:5001/debug/health")]
    Url(String),
    #[error("port 0 is another one with each start: name the URL")]
    AnyPort,
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    #[error("{url} answers {status}{}", hint(*status))]
    Unwell { url: Url, status: StatusCode },
    #[error("threads cannot be started: {0}; the system is short of something: try again")]
    Threads(#[source] std::io::Error),
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            ": it stops, or a health check fails; /debug/health on the debug listener says which"
        }
        _ => "",
    }
}

/// Where a registry is asked.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    url: Url,
    socket: Option<PathBuf>,
}

pub(super) fn run(arguments: &Healthcheck) -> ExitCode {
    match ask(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ask(arguments: &Healthcheck) -> Result<(), HealthcheckError> {
    let Target { url, socket } = match &arguments.url {
        Some(text) => Target { url: parse(text)?, socket: None },
        None => target(&load(arguments)?.http)?,
    };
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let threads = threads.map_err(HealthcheckError::Threads)?;
    let status = threads.block_on(ask_directly(&url, socket.as_deref(), arguments.timeout))?;
    // Whoever asks for a login serves.
    match status.is_success() || status == StatusCode::UNAUTHORIZED {
        true => Ok(()),
        false => Err(HealthcheckError::Unwell { url, status }),
    }
}

fn load(arguments: &Healthcheck) -> Result<Config, config::Errors> {
    let (file, environment) = (arguments.config.clone(), process_environment());
    Ok(Config::load(Sources { file, environment, flags: Flags::default() })?.config)
}

fn parse(text: &str) -> Result<Url, HealthcheckError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| HealthcheckError::Url(text.to_owned()))
}

/// Where a registry of this configuration is asked. The debug listener knows which check fails, and asks nobody for a certificate.
fn target(http: &Http) -> Result<Target, HealthcheckError> {
    let scheme = if http.tls.is_some() { "https" } else { "http" };
    match &http.debug.addr {
        Some(debug) => at(&Address::parse(debug)?, "http", "/debug/health"),
        None => at(&address(http)?, scheme, "/"),
    }
}

fn at(address: &Address, scheme: &str, path: &str) -> Result<Target, HealthcheckError> {
    let (host, port) = match address {
        Address::Unix { path: socket, .. } => {
            return Ok(Target {
                url: parse(&format!("{scheme}://localhost{path}"))?,
                socket: Some(socket.clone()),
            });
        }
        Address::Everywhere { port } => ("127.0.0.1".to_owned(), *port),
        Address::Host { host, port } => (reachable(host), *port),
    };
    match port {
        0 => Err(HealthcheckError::AnyPort),
        port => Ok(Target { url: parse(&format!("{scheme}://{host}:{port}{path}"))?, socket: None }),
    }
}

/// A host as it stands in a URL. Who listens on every address is asked on loopback.
fn reachable(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => format!("[{}]", Ipv6Addr::LOCALHOST),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(yaml: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yml");
        std::fs::write(&file, yaml).expect("a file");
        let sources = Sources { file: Some(file), environment: Vec::new(), flags: Flags::default() };
        let config = Config::load(sources).expect("a configuration").config;
        match target(&config.http) {
            Ok(Target { url, socket: None }) => url.to_string(),
            Ok(Target { url, socket: Some(socket) }) => format!("{} {url}", socket.display()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_configuration_says_where_its_registry_is_asked() {
        assert_eq!(asked("http: {addr: ':5000'}\n"), "http://127.0.0.1:5000/");
        assert_eq!(asked("http: {addr: '0.0.0.0:5000'}\n"), "http://127.0.0.1:5000/");
        assert_eq!(
            asked("http: {addr: '[::1]:5000', tls: {certificate: /c, key: /k}}\n"),
            "https://[::1]:5000/"
        );
        assert_eq!(
            asked("http: {addr: ':5000', debug: {addr: ':5001'}}\n"),
            "http://127.0.0.1:5001/debug/health"
        );
        assert_eq!(asked("http: {addr: /run/h.sock, net: unix}\n"), "/run/h.sock http://localhost/");
        assert!(asked("http: {addr: ':0'}\n").contains("name the URL"));
    }
}
