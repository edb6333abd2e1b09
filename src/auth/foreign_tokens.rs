//! Tokens of another server (`auth.token`), as distribution takes them.

use std::path::PathBuf;
use std::sync::Arc;

use crate::outgoing::Outgoing;

use super::challenge::{Bearer, Realm};
use super::token::{Algorithms, KeyError, Source, TrustedKeys, Verifier};

/// `auth.token`
#[derive(Debug, Clone)]
pub struct TokenSettings {
    pub realm: Realm,
    pub service: String,
    pub issuer: String,
    /// Certificates in PEM.
    pub rootcertbundle: Option<PathBuf>,
    /// The path or the URL of a set of JSON web keys.
    pub jwks: Option<String>,
    /// Names of algorithms.
    pub algorithms: Vec<&'static str>,
}

/// Verifies them, and says where they are to be had.
pub(super) struct ForeignTokens {
    pub(super) verifier: Verifier,
    pub(super) issuer: String,
    realm: Realm,
    service: String,
}

impl ForeignTokens {
    pub(super) fn new(settings: &TokenSettings, outgoing: &Outgoing) -> Result<Self, KeyError> {
        let TokenSettings { realm, service, issuer, rootcertbundle, jwks, algorithms } = settings.clone();
        let bundle = rootcertbundle.map(Source::bundle).transpose()?;
        let jwks = jwks.map(|place| Source::jwks(&place, outgoing)).transpose()?;
        let keys = TrustedKeys::of(bundle.into_iter().chain(jwks).map(Arc::new));
        let algorithms = Algorithms::named(algorithms);
        let verifier = Verifier::new(vec![issuer.clone()], service.clone(), algorithms, keys);
        Ok(Self { verifier, issuer, realm, service })
    }

    pub(super) fn bearer(&self) -> Bearer {
        let (realm, service) = (self.realm.clone(), self.service.clone());
        Bearer { realm, service, scope: None, error: None }
    }
}
