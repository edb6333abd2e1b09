//! Certificates by ACME (RFC 8555), from Let's Encrypt or another server that speaks it: one for each host, ordered when there is
//! none, renewed well before it expires, kept in a folder over restarts.
//!
//! The server proves that a host is its own by TLS-ALPN-01 (RFC 8737): it is asked on its own port 443, in a handshake that
//! `challenges` answers. What goes wrong is logged and tried again; whatever certificate there is goes on meanwhile.

mod account;
mod cache;
mod calls;
mod certificates;
mod challenges;
mod error;
mod issued;
mod order;
mod renewal;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::ClientHello;
use tokio::sync::Notify;

use super::files::TlsError;
use crate::outgoing::Outgoing;
use cache::Cache;
use challenges::Challenges;
use issued::Issued;

pub(super) use certificates::Certificates;

/// What is ordered, and from whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `http.tls.letsencrypt.cachefile`: the folder of the account and the certificates.
    pub folder: PathBuf,
    /// `http.tls.letsencrypt.email`: where the ACME server may write to.
    pub email: Option<String>,
    /// `http.tls.letsencrypt.hosts`: at least one, in lower case.
    pub hosts: Vec<String>,
    /// `http.tls.letsencrypt.directoryurl`
    pub directory: String,
}

/// Orders certificates and keeps them.
#[derive(Debug)]
pub struct Acme {
    settings: Settings,
    outgoing: Outgoing,
    cache: Cache,
    certificates: Arc<Certificates>,
    challenges: Challenges,
    /// Somebody wants orders that have failed to be tried again at once.
    wanted: Notify,
}

impl Acme {
    /// Opens the folder, makes it where there is none, and reads the certificates in it. Nothing is ordered yet.
    pub fn open(settings: Settings, outgoing: Outgoing) -> Result<Self, TlsError> {
        let cache = Cache::open(&settings.folder)?;
        let certificates = Arc::new(Certificates::new(&settings.hosts)?);
        for host in &settings.hosts {
            match cache.certificate(host) {
                Ok(None) => {}
                Ok(Some(issued)) => {
                    issued.log(host);
                    certificates.put(host, issued);
                }
                Err(problem) => tracing::warn!(host, "{problem}: another certificate is ordered"),
            }
        }
        let (challenges, wanted) = (Challenges::default(), Notify::new());
        Ok(Self { settings, outgoing, cache, certificates, challenges, wanted })
    }

    /// What is shown to clients, and always the latest.
    pub(super) fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.certificates)
    }

    /// What a handshake is answered with in which the ACME server asks whether a host is ours.
    pub(super) fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        self.challenges.answer(hello)
    }

    /// Has what could not be ordered tried again at once.
    pub(super) fn try_again(&self) {
        self.wanted.notify_one();
    }
}
