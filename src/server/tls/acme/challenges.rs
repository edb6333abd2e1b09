//! How it is proved that a host is ours: RFC 8737. While an order is under way, a handshake that offers `acme-tls/1` alone is
//! answered with a certificate that nobody has signed and that holds the proof. No client certificate is asked for there, and
//! nothing is said over such a connection.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{self, sign::any_supported_type};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::error::AcmeError;

/// The protocol under which a proof is asked for.
const ACME_TLS: &[u8] = b"acme-tls/1";

/// The proofs that may be asked for at this moment, by host.
#[derive(Debug, Default)]
pub(super) struct Challenges(RwLock<HashMap<String, Arc<ServerConfig>>>);

impl Challenges {
    /// Has a host proved by this digest of the key authorization, until it is taken back.
    pub(super) fn put(&self, host: &str, digest: &[u8]) -> Result<(), AcmeError> {
        let proof = proof(host, digest)?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), Arc::new(proof));
        Ok(())
    }

    pub(super) fn take_back(&self, host: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(host);
    }

    /// What to answer with, if this is such a handshake.
    pub(super) fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut offered = hello.alpn()?;
        if offered.next() != Some(ACME_TLS) || offered.next().is_some() {
            return None;
        }
        let host = hello.server_name()?.to_ascii_lowercase();
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&host).cloned()
    }
}

fn proof(host: &str, digest: &[u8]) -> Result<ServerConfig, AcmeError> {
    let mut parameters = CertificateParams::new([host.to_owned()])?;
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?.der().clone();
    let unusable = |error: rustls::Error| AcmeError::Unusable(error.to_string());
    let key = any_supported_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into())).map_err(unusable)?;
    let shown = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(config)
}
