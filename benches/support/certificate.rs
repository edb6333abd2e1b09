//! The certificate that all servers of one benchmark have, in files that their configurations name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

/// On P-256, as most certificates that are issued today.
static CERTIFICATE: LazyLock<CertifiedKey<KeyPair>> =
    LazyLock::new(|| generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap());

/// The file of the certificate, in a server's folder.
pub fn certificate_in(folder: &Path) -> PathBuf {
    folder.join("certificate.pem")
}

/// The file of its private key.
pub fn key_in(folder: &Path) -> PathBuf {
    folder.join("certificate.key")
}

/// Writes both.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    fs::write(certificate_in(folder), CERTIFICATE.cert.pem())?;
    fs::write(key_in(folder), CERTIFICATE.signing_key.serialize_pem())
}
