//! Certificates and keys in files: reading them, noticing that they have changed, and saying what is wrong with one.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use super::{Settings, Source};
use crate::files::Stamp;

pub(super) const CERTIFICATE: &str = "http.tls.certificate";
pub(super) const KEY: &str = "http.tls.key";
pub(super) const CLIENT_CAS: &str = "http.tls.clientcas";

/// A certificate and its key, in files.
#[derive(Debug, Clone)]
pub struct Pair {
    /// `http.tls.certificate`
    pub certificate: PathBuf,
    /// `http.tls.key`
    pub key: PathBuf,
}

/// Why TLS cannot be spoken. The messages name the setting and the file, and say what to do; none holds key material.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("{setting}: {} cannot be read: {source}; {advice}", path.display())]
    Unreadable { setting: &'static str, path: PathBuf, source: io::Error, advice: String },
    #[error("{setting}: {} is no valid PEM ({reason}): write the file anew", path.display())]
    Malformed { setting: &'static str, path: PathBuf, reason: String },
    #[error(
        "{setting}: there is no certificate in {}: it has to be PEM, and to begin with -----BEGIN CERTIFICATE-----",
        path.display()
    )]
    NoCertificate { setting: &'static str, path: PathBuf },
    #[error("{setting}: a certificate in {} cannot be used ({reason}): have it issued anew", path.display())]
    Certificate { setting: &'static str, path: PathBuf, reason: String },
    #[error(
        "{KEY}: there is no private key in {}: it has to be PEM, in PKCS#8 (-----BEGIN PRIVATE KEY-----), PKCS#1 or SEC1",
        path.display()
    )]
    NoKey { path: PathBuf },
    #[error(
        "{KEY}: the private key in {} has a passphrase: take it off with `openssl pkey`, and let nobody else read the file",
        path.display()
    )]
    Encrypted { path: PathBuf },
    #[error(
        "{KEY}: the private key in {} cannot be used ({reason}): use RSA from 2048 bits on, ECDSA or Ed25519",
        path.display()
    )]
    Key { path: PathBuf, reason: String },
    #[error(
        "{KEY}: the private key in {} does not fit the certificate in {}: name the two that belong together; the file of the \
         certificate has the server's own first, then those that lead to its root",
        key.display(), certificate.display()
    )]
    Mismatch { key: PathBuf, certificate: PathBuf },
    #[error(
        "http.tls.letsencrypt.cachefile: {} cannot be used: {source}; it is a folder, as in distribution, that the registry's user \
         may write and nobody else read",
        folder.display()
    )]
    Cache { folder: PathBuf, source: io::Error },
    #[error("http.tls.letsencrypt.hosts: no certificate can be made for these names: {0}")]
    Names(#[from] rcgen::Error),
    #[error("{CLIENT_CAS}: clients cannot be verified with these certificates: {0}")]
    ClientCas(String),
    #[error("http.tls: TLS cannot be spoken like this: {0}")]
    Refused(#[from] rustls::Error),
}

/// The certificates in a file, at least one.
pub(super) fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(setting, path)?;
    let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    match certificates.map_err(|error| malformed(setting, path, &error))? {
        none if none.is_empty() => Err(TlsError::NoCertificate { setting, path: path.to_owned() }),
        certificates => Ok(certificates),
    }
}

/// The first private key in a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(KEY, path)?;
    if is_encrypted(&bytes) {
        return Err(TlsError::Encrypted { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey { path: path.to_owned() },
        error => malformed(KEY, path, &error),
    })
}

/// PKCS#8 says so in its first line, the older forms in a header beneath it.
fn is_encrypted(bytes: &[u8]) -> bool {
    const MARKS: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];
    MARKS.iter().any(|mark| bytes.windows(mark.len()).any(|window| window == *mark))
}

fn malformed(setting: &'static str, path: &Path, error: &pem::Error) -> TlsError {
    // Its longer form prints bytes of the file.
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => "a section does not end",
        pem::Error::IllegalSectionStart { .. } => "a line that begins a section is malformed",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "it cannot be taken apart",
    };
    TlsError::Malformed { setting, path: path.to_owned(), reason: reason.to_owned() }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| {
        let advice = match source.kind() {
            ErrorKind::PermissionDenied => {
                let user = rustix::process::geteuid().as_raw();
                format!(
                    "the registry runs as user {user}, who needs to read the file and to enter its folders"
                )
            }
            ErrorKind::NotFound => {
                "correct the path; a relative one starts where the registry was started".to_owned()
            }
            _ => "name a file in PEM".to_owned(),
        };
        TlsError::Unreadable { setting, path: path.to_owned(), source, advice }
    })
}

/// What tells that files have changed; none of a file that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamps(Vec<Option<Stamp>>);

impl Stamps {
    /// Of all files that the settings name.
    pub(super) fn of(settings: &Settings) -> Self {
        let pair = match &settings.source {
            Source::Files(Pair { certificate, key }) => vec![certificate, key],
            Source::Acme(_) => vec![],
        };
        Self(pair.into_iter().chain(&settings.client_cas).map(|path| Stamp::of(path)).collect())
    }
}
