//! What the settings and the files come to, in the terms of rustls.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ResolvesServerCert, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::files::{self, CERTIFICATE, CLIENT_CAS, Pair, TlsError};
use super::leaf::Leaf;
use super::{Settings, Source};

/// How many sessions are remembered for clients that resume them without a ticket.
const SESSIONS: usize = 4096;

/// What connections get, and what is to be said of it.
pub(super) struct Terms {
    pub(super) config: Arc<ServerConfig>,
    /// That of the files; those of ACME are told of when they come.
    certificate: Option<Leaf>,
}

impl Terms {
    /// Reads the files, and checks that they go together. The sessions of earlier terms cannot be resumed under these: a
    /// client whose signer was taken out must not come back by a ticket.
    pub(super) fn read(settings: &Settings) -> Result<Self, TlsError> {
        let provider = Arc::new(provider(&settings.cipher_suites));
        let (shown, certificate): (Arc<dyn ResolvesServerCert>, _) = match &settings.source {
            Source::Files(pair) => {
                let key = certified_key(pair, &provider)?;
                let leaf =
                    Leaf::parse(key.end_entity_cert()?).map_err(|error| unusable(pair, error.to_string()))?;
                (Arc::new(SingleCertAndKey::from(key)), Some(leaf))
            }
            Source::Acme(acme) => (acme.certificates(), None),
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions(settings.tls12))?;
        let builder = match settings.client_cas.as_slice() {
            [] => builder.with_no_client_auth(),
            _ => builder.with_client_cert_verifier(client_verifier(settings, provider)?),
        };
        let mut config = builder.with_cert_resolver(shown);
        config.alpn_protocols = alpn(settings.http2);
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Self { config: Arc::new(config), certificate })
    }

    /// Says which certificate this is, and warns where clients will not take it.
    pub(super) fn log(&self) {
        let Some(certificate) = &self.certificate else { return };
        let Leaf { subject, serial, expires, .. } = certificate;
        tracing::info!(subject, serial, expires, "the certificate that TLS is spoken with");
        match certificate.trouble() {
            None => {}
            Some(trouble) => {
                tracing::warn!(
                    subject,
                    serial,
                    expires,
                    "the certificate of http.tls {trouble}: clients will not take it; replace the file, which needs no restart"
                );
            }
        }
    }
}

/// The one crypto library of the house, with the cipher suites of these names, or with all. A list without a suite of
/// TLS 1.3 leaves TLS 1.3 alone, as it does in distribution.
fn provider(names: &[String]) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let is_named = |suite: &SupportedCipherSuite| names.contains(&name_of(suite));
    let names_tls13 = provider.cipher_suites.iter().any(|suite| suite.tls13().is_some() && is_named(suite));
    if !names.is_empty() {
        provider.cipher_suites.retain(|suite| match suite.tls13() {
            Some(_) if !names_tls13 => true,
            _ => is_named(suite),
        });
    }
    provider
}

/// The name of the IANA. For TLS 1.3 rustls has its own prefix.
fn name_of(suite: &SupportedCipherSuite) -> String {
    let name = format!("{:?}", suite.suite());
    name.strip_prefix("TLS13_").map_or(name.clone(), |rest| format!("TLS_{rest}"))
}

fn versions(tls12: bool) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];
    if tls12 { &BOTH } else { &NEWEST }
}

fn alpn(http2: bool) -> Vec<Vec<u8>> {
    let protocols: &[&[u8]] = if http2 { &[H2, HTTP_1_1] } else { &[HTTP_1_1] };
    protocols.iter().map(|protocol| protocol.to_vec()).collect()
}

/// RFC 9113, section 3.2.
pub(super) const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

fn certified_key(pair: &Pair, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = files::certificates(CERTIFICATE, &pair.certificate)?;
    let key = files::private_key(&pair.key)?;
    let path = pair.key.clone();
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|error| TlsError::Key { path, reason: error.to_string() })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { key: pair.key.clone(), certificate: pair.certificate.clone() })
        }
        Err(error) => Err(unusable(pair, error.to_string())),
    }
}

fn unusable(pair: &Pair, reason: String) -> TlsError {
    TlsError::Certificate { setting: CERTIFICATE, path: pair.certificate.clone(), reason }
}

fn client_verifier(
    settings: &Settings,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for path in &settings.client_cas {
        for certificate in files::certificates(CLIENT_CAS, path)? {
            roots.add(certificate).map_err(|error| TlsError::Certificate {
                setting: CLIENT_CAS,
                path: path.clone(),
                reason: error.to_string(),
            })?;
        }
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if settings.anonymous_clients { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| TlsError::ClientCas(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(wanted: &[&str]) -> Vec<String> {
        let wanted: Vec<_> = wanted.iter().map(|&name| name.to_owned()).collect();
        provider(&wanted).cipher_suites.iter().map(name_of).collect()
    }

    #[test]
    fn a_list_without_a_suite_of_tls_1_3_leaves_tls_1_3_alone() {
        let all = names(&[]);
        assert_eq!(all.len(), 9, "{all:?}");
        let old = names(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
        assert_eq!(old.len(), 4, "{old:?}");
        let new = names(&["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
        assert_eq!(new, ["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
    }

    #[test]
    fn every_cipher_suite_that_the_configuration_knows_is_spoken() {
        let mut spoken = names(&[]);
        let mut known = crate::config::CIPHER_SUITES.map(str::to_owned).to_vec();
        spoken.sort();
        known.sort();
        assert_eq!(spoken, known);
    }
}
