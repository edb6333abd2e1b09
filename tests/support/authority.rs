//! Certificates for tests: an authority of a test's own, what it signs, and clients that trust it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;

/// Whoever trusts it trusts what it has signed. Its files go away with it.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// The files of a certificate and of its private key.
#[derive(Clone, Debug)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut parameters = named(&format!("authority {number} of the tests"));
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// A folder for a test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file of its own certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A new certificate for this machine, for servers and clients, with its common name also that of its files.
    pub fn issue(&self, common_name: &str) -> Pair {
        self.issue_changed(common_name, |_| ())
    }

    /// Like [`Authority::issue`], with something else about it.
    pub fn issue_changed(&self, common_name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        self.sign(common_name, &KeyPair::generate().unwrap(), change)
    }

    /// Like [`Authority::issue`], for a key that is there.
    pub fn issue_with(&self, common_name: &str, key: &KeyPair) -> Pair {
        self.sign(common_name, key, |_| ())
    }

    fn sign(&self, common_name: &str, key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut parameters = named(common_name);
        let names = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        parameters.subject_alt_names = names.subject_alt_names;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut parameters);
        let certificate = parameters.signed_by(key, &self.issuer).unwrap();
        let at = |ending: &str| self.folder.path().join(format!("{common_name}.{ending}"));
        let pair = Pair { certificate: at("pem"), key: at("key") };
        std::fs::write(&pair.certificate, certificate.pem()).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }

    /// A client that trusts this authority and has no certificate.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client_of(&[&rustls::version::TLS13, &rustls::version::TLS12], None)
    }

    /// A client that trusts this authority, speaks these versions, and shows this certificate.
    pub fn client_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        pair: Option<&Pair>,
    ) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        Arc::new(match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let certificate = CertificateDer::from_pem_file(&pair.certificate).unwrap();
                let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        })
    }
}

impl Pair {
    /// Puts another pair's contents into these files, each in one go, as a renewal does.
    pub fn become_like(&self, other: &Pair) {
        for (own, other) in [(&self.key, &other.key), (&self.certificate, &other.certificate)] {
            let new = own.with_extension("new");
            std::fs::copy(other, &new).unwrap();
            std::fs::rename(new, own).unwrap();
        }
    }

    /// The certificate itself.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.certificate).unwrap()
    }
}

fn named(common_name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters
}
