//! Certificates for tests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use x509_parser::prelude::FromDer;

use super::NOON;
use super::keys::Key;

/// A certificate with its key.
pub(super) struct Certificate {
    made: rcgen::Certificate,
    parameters: CertificateParams,
    pub(super) key: Key,
}

impl Certificate {
    /// One that signed itself, and may sign others.
    pub(super) fn root(name: &str, key: Key) -> Self {
        let parameters = parameters(name, IsCa::Ca(BasicConstraints::Unconstrained));
        let made = parameters.self_signed(&pair(&key)).unwrap();
        Self { made, parameters, key }
    }

    /// One that signed itself and may sign no others.
    pub(super) fn self_signed(name: &str, key: Key) -> Self {
        let parameters = parameters(name, IsCa::NoCa);
        let made = parameters.self_signed(&pair(&key)).unwrap();
        Self { made, parameters, key }
    }

    /// One that this one signed, and that may sign others.
    pub(super) fn intermediate(&self, name: &str, key: Key) -> Self {
        self.sign(parameters(name, IsCa::Ca(BasicConstraints::Unconstrained)), key)
    }

    /// One that this one signed.
    pub(super) fn leaf(&self, name: &str, key: Key) -> Self {
        self.sign(parameters(name, IsCa::NoCa), key)
    }

    /// One that this one signed and that is valid only in these days, counted from noon's.
    pub(super) fn leaf_valid(&self, name: &str, key: Key, from: i64, until: i64) -> Self {
        let mut parameters = parameters(name, IsCa::NoCa);
        (parameters.not_before, parameters.not_after) = (day(from), day(until));
        self.sign(parameters, key)
    }

    fn sign(&self, parameters: CertificateParams, key: Key) -> Self {
        let issuer = Issuer::from_params(&self.parameters, pair(&self.key));
        let made = parameters.signed_by(&pair(&key), &issuer).unwrap();
        Self { made, parameters, key }
    }

    pub(super) fn pem(&self) -> String {
        self.made.pem()
    }

    /// As it stands in `x5c`.
    pub(super) fn x5c(&self) -> String {
        STANDARD.encode(self.made.der())
    }

    /// The id that libtrust gives to its key.
    pub(super) fn libtrust_id(&self) -> String {
        let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(self.made.der()).unwrap();
        super::super::public_key::libtrust_id(parsed.public_key().raw)
    }
}

/// A root that is no longer valid at noon.
pub(super) fn expired_root(key: Key) -> Certificate {
    let mut parameters = parameters("old root", IsCa::Ca(BasicConstraints::Unconstrained));
    (parameters.not_before, parameters.not_after) = (day(-20), day(-10));
    let made = parameters.self_signed(&pair(&key)).unwrap();
    Certificate { made, parameters, key }
}

fn parameters(name: &str, is_ca: IsCa) -> CertificateParams {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = is_ca;
    (parameters.not_before, parameters.not_after) = (day(-30), day(30));
    parameters
}

fn day(from_noon: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(i64::try_from(NOON).unwrap() + from_noon * 86_400).unwrap()
}

fn pair(key: &Key) -> KeyPair {
    let algorithm = match key {
        Key::P256(_) => &rcgen::PKCS_ECDSA_P256_SHA256,
        Key::P384(_) => &rcgen::PKCS_ECDSA_P384_SHA384,
        Key::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
        Key::Ed25519(_) => &rcgen::PKCS_ED25519,
    };
    KeyPair::from_der_and_sign_algo(&PrivateKeyDer::Pkcs8(key.pkcs8().into()), algorithm).unwrap()
}
