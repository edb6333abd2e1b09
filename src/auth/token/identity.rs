//! Identity tokens (OpenID Connect), by which CI systems prove which job is asking, so that no secret has to be stored there.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::join_all;
use serde_json::{Map, Value};

use super::error::{Excerpt, KeyError, TokenError};
use super::jws::{Algorithms, Jws};
use super::public_key::PublicKey;
use super::source::Source;
use crate::outgoing::Outgoing;

/// Somebody whose identity tokens are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityIssuer {
    /// What it is called here.
    pub name: String,
    /// What stands in its tokens as their issuer, character by character, and where its configuration is found. It is https,
    /// or on loopback.
    pub url: String,
    /// For whom its tokens must be meant.
    pub audience: String,
}

/// Verifies identity tokens.
#[derive(Clone, Debug)]
pub struct Identities {
    issuers: Vec<(IdentityIssuer, Arc<Source>)>,
    algorithms: Algorithms,
}

/// What an identity token proves.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Which issuer's it is, by its name here.
    pub issuer_name: String,
    /// Who it is, in the words of the issuer.
    pub subject: String,
    /// When it expires.
    pub expires: SystemTime,
    /// All that it says of itself.
    pub claims: Map<String, Value>,
}

impl Identities {
    /// The algorithms that are accepted.
    const ALGORITHMS: &[&str] = &["RS256", "ES256", "PS256", "ES384", "EdDSA"];

    /// Those of these issuers. Nobody is asked for keys before this runs or a token needs them.
    pub fn of(issuers: Vec<IdentityIssuer>, outgoing: &Outgoing) -> Result<Self, KeyError> {
        let source = |issuer: IdentityIssuer| {
            let source = Source::discovery(&issuer.url, outgoing)?;
            Ok((issuer, Arc::new(source)))
        };
        let issuers = issuers.into_iter().map(source).collect::<Result<_, KeyError>>()?;
        Ok(Self { issuers, algorithms: Algorithms::named(Self::ALGORITHMS) })
    }

    /// Verifies a token: its issuer must be one of those, its key (by `kid` alone) published by that issuer, and it must be meant
    /// for the issuer's audience and valid now, one minute of difference between the clocks allowed for. A key that is not
    /// known may be a new one: then the issuer is asked, unless it was in the last ten seconds.
    pub async fn verify(&self, token: &str, now: SystemTime) -> Result<Identity, TokenError> {
        let jws = Jws::parse(token)?;
        jws.check_algorithm(&self.algorithms)?;
        let claims = jws.claims()?;
        let named = claims.text("iss").unwrap_or_default();
        let source = self.source_of(named).ok_or_else(|| TokenError::Issuer(Excerpt::of(named)))?;
        let kid = jws.header.kid.as_deref().ok_or(TokenError::Malformed("it does not name its key (kid)"))?;
        jws.verify(&*key(source, kid).await?, &self.algorithms)?;
        let mut issuers = self.issuers.iter().map(|(issuer, _)| issuer);
        let meant = issuers
            .find(|issuer| issuer.url == named && claims.check_audience(&issuer.audience).is_ok())
            .ok_or_else(|| TokenError::Audience(Excerpt::of(&audience(&claims.0))))?;
        let validity = claims.validity(now)?;
        if validity.expired {
            return Err(TokenError::Expired);
        }
        let subject = claims.text("sub").ok_or(TokenError::Malformed("it has no subject (sub)"))?;
        Ok(Identity {
            issuer_name: meant.name.clone(),
            subject: subject.to_owned(),
            expires: validity.expires,
            claims: claims.0,
        })
    }

    /// Where the keys of an issuer come from.
    fn source_of(&self, url: &str) -> Option<&Arc<Source>> {
        self.issuers.iter().find(|(issuer, _)| issuer.url == url).map(|(_, source)| source)
    }

    /// Keeps the keys fresh, for as long as it is polled. Does not return.
    pub async fn run(&self) {
        join_all(self.issuers.iter().map(|(_, source)| source.run())).await;
    }
}

async fn key(source: &Arc<Source>, kid: &str) -> Result<Arc<PublicKey>, TokenError> {
    if let Some(key) = source.keys().named(kid) {
        return Ok(key);
    }
    source.refresh().await;
    source.keys().named(kid).ok_or_else(|| TokenError::UnknownKey(Excerpt::of(kid)))
}

fn audience(claims: &Map<String, Value>) -> String {
    claims.get("aud").map_or_else(String::new, Value::to_string)
}
