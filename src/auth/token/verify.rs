//! Bearer tokens, verified as distribution verifies them.

use std::time::SystemTime;

use serde_json::Value;

use super::access::Access;
use super::error::{Excerpt, TokenError};
use super::jws::{Algorithms, Jws};
use super::keys::TrustedKeys;

/// Verifies the tokens of one authority.
#[derive(Clone, Debug)]
pub struct Verifier {
    issuers: Vec<String>,
    service: String,
    algorithms: Algorithms,
    keys: TrustedKeys,
}

/// What a token proves.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// Whom it was issued to; empty if that is nobody in particular.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// What it permits.
    pub access: Access,
    /// When it expires.
    pub expires: SystemTime,
    /// Whether it has, more than a minute ago. The caller decides what it is still good for: the upload that it began is one
    /// such thing, and everything else is none.
    pub expired: bool,
    /// When it was issued, where it says so.
    pub issued_at: Option<SystemTime>,
    /// Its own id (`jti`), where it has one.
    pub id: Option<String>,
    /// The claim `holdfast`: of a token of our own, what was put there; null without one.
    pub own: Value,
}

impl Verifier {
    /// For tokens of any of these issuers, for this service (the audience).
    pub fn new(issuers: Vec<String>, service: String, algorithms: Algorithms, keys: TrustedKeys) -> Self {
        Self { issuers, service, algorithms, keys }
    }

    /// Verifies a token with the keys that are there. Besides the signature, the issuer and the audience must be right, and the
    /// token valid by now, one minute of difference between the clocks allowed for. At most 16 KiB are read.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Verified, TokenError> {
        let jws = Jws::parse(token)?;
        jws.check_algorithm(&self.algorithms)?;
        let key = self.keys.find(&jws.header, now)?;
        jws.verify(&key, &self.algorithms)?;
        let claims = jws.claims()?;
        let issuer = claims.text("iss").unwrap_or_default();
        if !self.issuers.iter().any(|trusted| trusted == issuer) {
            return Err(TokenError::Issuer(Excerpt::of(issuer)));
        }
        claims.check_audience(&self.service)?;
        let validity = claims.validity(now)?;
        Ok(Verified {
            subject: claims.get("sub", "its subject (sub) is no text")?,
            issuer: issuer.to_owned(),
            access: claims.get("access", "its access is no list of resources with actions")?,
            expires: validity.expires,
            expired: validity.expired,
            issued_at: validity.issued_at,
            id: claims.get("jti", "its id (jti) is no text")?,
            own: claims.get("holdfast", "never: any value will do")?,
        })
    }

    /// The same, but a key that is not known may be a new one: then the sources of keys are asked, unless they were in the last
    /// ten seconds, and what they say now counts.
    pub async fn verify_with_new_keys(&self, token: &str, now: SystemTime) -> Result<Verified, TokenError> {
        match self.verify(token, now) {
            Err(TokenError::UnknownKey(_)) => {
                self.keys.refresh().await;
                self.verify(token, now)
            }
            outcome => outcome,
        }
    }

    /// Keeps the keys fresh, for as long as it is polled. Does not return.
    pub async fn run(&self) {
        self.keys.run().await;
    }
}
