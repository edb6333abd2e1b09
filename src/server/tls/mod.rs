//! TLS: what is spoken, with which certificate, and to whom.
//!
//! [`Tls`] holds what is in force, made of the files that the settings name. `reload` puts what they have become in its
//! place; connections keep what they began with. [`acme`] orders certificates where no files are named. Nothing here knows what is
//! said over a connection.

pub mod acme;
mod client;
mod files;
mod handshake;
mod leaf;
mod reload;
mod terms;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use tokio::sync::Notify;

pub use files::{Pair, TlsError};
pub(super) use handshake::Secured;

use acme::Acme;
use files::Stamps;
use terms::Terms;

/// What is spoken. Everything but the contents of the files stays as it is while a server runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the certificates come from.
    pub source: Source,
    /// `http.tls.clientcas`. Where there are any, certificates of clients are verified.
    pub client_cas: Vec<PathBuf>,
    /// Whether a client without a certificate is served where there are `client_cas`.
    pub anonymous_clients: bool,
    /// Whether TLS 1.2 is spoken beside TLS 1.3.
    pub tls12: bool,
    /// `http.tls.ciphersuites`, under the names of the IANA; empty for all that there are.
    pub cipher_suites: Vec<String>,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    pub http2: bool,
}

/// Where certificates and their keys come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// From files, which somebody else renews.
    Files(Pair),
    /// From an ACME server, such as Let's Encrypt.
    Acme(Arc<Acme>),
}

/// The TLS of a listener.
#[derive(Debug)]
pub struct Tls {
    settings: Settings,
    in_force: RwLock<Arc<ServerConfig>>,
    /// The files as they were when they were read first.
    stamps: Stamps,
    /// Somebody wants the files to be read again, whether they have changed or not.
    wanted: Notify,
}

impl Tls {
    /// Reads the files and checks them. What is in force is logged.
    pub fn load(settings: Settings) -> Result<Self, TlsError> {
        let stamps = Stamps::of(&settings);
        let terms = Terms::read(&settings)?;
        terms.log();
        let in_force = RwLock::new(terms.config);
        Ok(Self { settings, in_force, stamps, wanted: Notify::new() })
    }

    /// What the next connection gets.
    fn in_force(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }
}
