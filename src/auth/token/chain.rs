//! Certificates that are trusted, and chains of certificates that lead to one of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter,
    anchor_from_trusted_cert,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::error::TokenError;
use super::public_key::{PublicKey, libtrust_id};

/// A certificate that is trusted.
#[derive(Debug)]
struct Root {
    certificate: CertificateDer<'static>,
    anchor: TrustAnchor<'static>,
    valid: Period,
}

/// From when until when a certificate is valid, in seconds since 1970, ends included.
#[derive(Clone, Copy, Debug)]
struct Period {
    from: i64,
    until: i64,
}

impl Period {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self { from: validity.not_before.timestamp(), until: validity.not_after.timestamp() }
    }

    fn contains(self, now: Duration) -> bool {
        i64::try_from(now.as_secs()).is_ok_and(|now| (self.from..=self.until).contains(&now))
    }
}

/// The certificates that are trusted.
#[derive(Debug, Default)]
pub(super) struct Roots(Vec<Root>);

/// A certificate's key under the ids by which tokens may name it.
pub(super) struct Named {
    pub(super) key: PublicKey,
    pub(super) libtrust_id: String,
}

impl Roots {
    /// The certificates of a bundle in PEM, and their keys, but for those of a kind that signs no tokens.
    pub(super) fn of_bundle(pem: &[u8]) -> Result<(Self, Vec<Named>), String> {
        let (mut roots, mut keys) = (Vec::new(), Vec::new());
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let place = format!("certificate {}", index + 1);
            let certificate = certificate.map_err(|error| format!("{place} is not PEM: {error}"))?;
            let (root, key) = read(certificate)
                .ok_or_else(|| format!("{place} is no X.509 certificate that can be read"))?;
            roots.push(root);
            keys.extend(key);
        }
        match roots.is_empty() {
            true => Err("there is no certificate in it: it must hold one or more in PEM".to_owned()),
            false => Ok((Self(roots), keys)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of the first certificate of a chain that leads, all of it being valid now, to one that is trusted. A trusted
    /// certificate is a chain of itself.
    pub(super) fn leaf_key(&self, chain: &[Vec<u8>], now: SystemTime) -> Result<PublicKey, TokenError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let refused = |problem: &dyn ToString| TokenError::Certificates(problem.to_string());
        let (leaf, between) = chain.split_first().ok_or_else(|| refused(&"the list is empty"))?;
        let (_, parsed) =
            X509Certificate::from_der(leaf).map_err(|_| refused(&"the first is none that can be read"))?;
        match self.0.iter().find(|root| root.certificate.as_ref() == leaf) {
            Some(_) if Period::of(&parsed).contains(now) => {}
            Some(_) => return Err(refused(&"it is one of them, but not valid now")),
            None => self.verify(leaf, between, now).map_err(|error| refused(&error))?,
        }
        let key = PublicKey::of_certificate(parsed.public_key());
        key.ok_or_else(|| refused(&"its key is of a kind that signs no tokens"))
    }

    fn verify(&self, leaf: &[u8], between: &[Vec<u8>], now: Duration) -> Result<(), webpki::Error> {
        let valid = self.0.iter().filter(|root| root.valid.contains(now));
        let anchors: Vec<TrustAnchor<'_>> = valid.map(|root| root.anchor.clone()).collect();
        let between: Vec<CertificateDer<'_>> =
            between.iter().map(|certificate| CertificateDer::from(certificate.as_slice())).collect();
        let leaf = CertificateDer::from(leaf);
        let time = UnixTime::since_unix_epoch(now);
        EndEntityCert::try_from(&leaf)?
            .verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &between, time, AnyUsage, None, None)
            .map(drop)
    }
}

/// Certificates are issued for servers, clients or code; none is issued for signing tokens.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _usages: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

fn read(certificate: CertificateDer<'static>) -> Option<(Root, Option<Named>)> {
    let anchor = anchor_from_trusted_cert(&certificate).ok()?.to_owned();
    let (_, parsed) = X509Certificate::from_der(&certificate).ok()?;
    let (valid, info) = (Period::of(&parsed), parsed.public_key());
    let key = PublicKey::of_certificate(info);
    let named = key.map(|key| Named { key, libtrust_id: libtrust_id(info.raw) });
    Some((Root { certificate, anchor, valid }, named))
}
