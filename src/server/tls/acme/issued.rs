//! A certificate that an ACME server has issued, with its key.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::server::tls::leaf::Leaf;

/// How a file tells which directory its certificate was ordered from, before the first section of PEM.
const DIRECTORY: &str = "Directory: ";

#[derive(Debug)]
pub(super) struct Issued {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) leaf: Leaf,
    /// Where it was ordered, if that is known.
    pub(super) directory: Option<String>,
    /// When another one is to be ordered, in seconds since 1970.
    pub(super) due: i64,
}

impl Issued {
    /// What is kept in a file: the private key, then the certificate and those that lead to its root.
    pub(super) fn to_pem(directory: &str, key: &str, chain: &str) -> String {
        format!("{DIRECTORY}{directory}\n\n{key}{chain}")
    }

    /// An error tells what is wrong, and never what the key is.
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "it holds no private key".to_owned())?;
        let key = any_supported_type(&key).map_err(|_| "its private key is of no known kind".to_owned())?;
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| "it is no valid PEM".to_owned())?;
        let leaf = chain.first().ok_or_else(|| "it holds no certificate".to_owned())?;
        let leaf = Leaf::parse(leaf).map_err(|error| format!("its certificate cannot be read: {error}"))?;
        let key = CertifiedKey::new(chain, key);
        key.keys_match().map_err(|_| "its private key does not fit its certificate".to_owned())?;
        let due = due(leaf.not_before, leaf.not_after, RandomState::new().hash_one(&leaf.serial));
        Ok(Self { key: Arc::new(key), leaf, directory: directory(pem), due })
    }

    pub(super) fn log(&self, host: &str) {
        let Leaf { serial, expires, .. } = &self.leaf;
        tracing::info!(host, serial, expires, "a certificate that TLS is spoken with");
    }
}

fn directory(pem: &[u8]) -> Option<String> {
    let first = pem.split(|&byte| byte == b'\n').next()?;
    Some(std::str::from_utf8(first).ok()?.strip_prefix(DIRECTORY)?.to_owned())
}

/// When a third of its time is left, or up to a twentieth earlier, by chance: many certificates of one day are not renewed in
/// one moment.
fn due(not_before: i64, not_after: i64, chance: u64) -> i64 {
    let lifetime = (not_after - not_before).max(0);
    let scatter = i64::try_from(chance % 1024).expect("it is less than 1024");
    not_after - lifetime / 3 - lifetime / 20 * scatter / 1024
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60;

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(["a.example.com".to_owned()]).unwrap();
        (key.serialize_pem(), parameters.self_signed(&key).unwrap().pem())
    }

    #[test]
    fn a_certificate_is_due_when_a_third_of_its_time_is_left_or_a_little_earlier() {
        assert_eq!(due(0, 90 * DAY, 0), 60 * DAY);
        let earliest = due(0, 90 * DAY, 1023);
        assert!((55 * DAY..56 * DAY).contains(&earliest), "{earliest}");
        let days_of_six = due(0, 6 * DAY, 1023);
        assert!((3 * DAY..4 * DAY).contains(&days_of_six), "{days_of_six}");
        assert_eq!(due(5, 0, 7), 0);
    }

    #[test]
    fn a_file_is_read_with_and_without_the_directory_as_that_of_distribution_is() {
        let (key, chain) = pair();
        let own = Issued::from_pem(Issued::to_pem("https://acme.example/dir", &key, &chain).as_bytes());
        assert_eq!(own.unwrap().directory.as_deref(), Some("https://acme.example/dir"));
        let theirs = Issued::from_pem(format!("{key}{chain}").as_bytes()).unwrap();
        assert_eq!(theirs.directory, None);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let ((key, chain), (other, _)) = (pair(), pair());
        for (pem, problem) in [
            (String::new(), "it holds no private key"),
            (key, "it holds no certificate"),
            (chain.clone(), "it holds no private key"),
            (format!("{other}{chain}"), "its private key does not fit its certificate"),
        ] {
            assert_eq!(Issued::from_pem(pem.as_bytes()).unwrap_err(), problem);
        }
    }
}
