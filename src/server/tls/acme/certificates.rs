//! Which certificate a client is shown.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Issued;
use crate::server::tls::files::TlsError;

/// The certificates of the hosts. A host that has none yet shows one that nobody has signed, so that probes that do not look at it
/// are answered; who asks for another host, or for none, is shown the first that there is.
#[derive(Debug)]
pub(in crate::server::tls) struct Certificates {
    hosts: Vec<String>,
    issued: RwLock<HashMap<String, Arc<Issued>>>,
    unsigned: Arc<CertifiedKey>,
}

impl Certificates {
    pub(super) fn new(hosts: &[String]) -> Result<Self, TlsError> {
        Ok(Self { hosts: hosts.to_vec(), issued: RwLock::default(), unsigned: Arc::new(unsigned(hosts)?) })
    }

    /// Shows this certificate from the next handshake on.
    pub(super) fn put(&self, host: &str, issued: Issued) {
        let mut all = self.issued.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(host.to_owned(), Arc::new(issued));
    }

    pub(super) fn of(&self, host: &str) -> Option<Arc<Issued>> {
        self.issued.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    fn shown(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let name = name.map(str::to_ascii_lowercase);
        let host = self.hosts.iter().find(|host| name.as_ref() == Some(host));
        let issued = match host {
            Some(host) => self.of(host),
            None => self.hosts.iter().find_map(|host| self.of(host)),
        };
        issued.map_or_else(|| Arc::clone(&self.unsigned), |issued| Arc::clone(&issued.key))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown(hello.server_name()))
    }
}

/// A certificate that no client takes, which says why.
fn unsigned(hosts: &[String]) -> Result<CertifiedKey, TlsError> {
    let made = || -> Result<_, rcgen::Error> {
        let mut parameters = CertificateParams::new(hosts)?;
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "no certificate yet: see the log of holdfast");
        let key = KeyPair::generate()?;
        Ok((parameters.self_signed(&key)?.der().clone(), key.serialize_der()))
    };
    let (certificate, key) = made()?;
    let key = any_supported_type(&PrivateKeyDer::Pkcs8(key.into()))?;
    Ok(CertifiedKey::new(vec![certificate], key))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use super::*;

    fn issued(host: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([host.to_owned()]).unwrap().self_signed(&key).unwrap();
        Issued::from_pem(format!("{}{}", key.serialize_pem(), certificate.pem()).as_bytes()).unwrap()
    }

    #[test]
    fn a_client_is_shown_the_certificate_of_the_host_that_it_asks_for() {
        let hosts = ["a.example.com", "b.example.com"].map(str::to_owned);
        let certificates = Certificates::new(&hosts).unwrap();
        let shown = |name: Option<&str>| certificates.shown(name).cert[0].clone();
        let unsigned = shown(None);
        assert_eq!(shown(Some("a.example.com")), unsigned);

        certificates.put("b.example.com", issued("b.example.com"));
        let b = shown(Some("B.example.com"));
        assert_ne!(b, unsigned);
        assert_eq!(shown(Some("a.example.com")), unsigned);
        assert_eq!((shown(None), shown(Some("c.example.com"))), (b.clone(), b.clone()));

        certificates.put("a.example.com", issued("a.example.com"));
        let a = shown(Some("a.example.com"));
        assert!(a != b && a != unsigned);
        assert_eq!((shown(Some("b.example.com")), shown(None)), (b, a));
    }
}
