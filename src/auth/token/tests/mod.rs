//! Tokens as they are in the field, and as those who attack make them.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod attacks;
mod certificates;
mod field;
mod freshness;
mod identity;
mod issuing;
mod keys;
mod provider;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Algorithms, Source, TokenError, TrustedKeys, Verified, Verifier};
use crate::config::{Config, Sources};
use crate::outgoing::Outgoing;
use certificates::Certificate;
use keys::Key;

const ISSUER: &str = "auth.example.com";
const SERVICE: &str = "registry.example.com";
const NOON: u64 = 1_800_000_000;

fn noon() -> SystemTime {
    at(NOON)
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Claims that are good at noon.
fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "jane", "aud": SERVICE, "jti": "1",
        "iat": NOON, "nbf": NOON, "exp": NOON + 300,
        "access": [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}],
    })
}

/// Good claims with one of them replaced.
fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn verifier(source: Source) -> Verifier {
    let keys = TrustedKeys::of([Arc::new(source)]);
    Verifier::new(vec![ISSUER.to_owned()], SERVICE.to_owned(), Algorithms::default(), keys)
}

/// A verifier that trusts these keys, under these ids.
fn trusting(keys: &[(&str, &Key)]) -> Verifier {
    let jwks = json!({"keys": keys.iter().map(|(id, key)| key.jwk(id)).collect::<Vec<_>>()});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, jwks.to_string()).unwrap();
    verifier(Source::jwks(file.path().to_str().unwrap(), &Outgoing::default()).unwrap())
}

/// A verifier that trusts these certificates.
fn trusting_certificates(certificates: &[&Certificate]) -> Verifier {
    let file = tempfile::NamedTempFile::new().unwrap();
    let pem: String = certificates.iter().map(|certificate| certificate.pem()).collect();
    std::fs::write(&file, pem).unwrap();
    verifier(Source::bundle(file.path()).unwrap())
}

fn verify(verifier: &Verifier, token: &str) -> Result<Verified, TokenError> {
    verifier.verify(token, noon())
}

#[test]
fn the_algorithms_that_a_configuration_may_name_are_those_that_are_known_here() {
    let variable = |name: &str, value: &str| (format!("REGISTRY_AUTH_TOKEN_{name}"), value.to_owned());
    let environment = [("REALM", "https://a"), ("SERVICE", "s"), ("ISSUER", "i"), ("JWKS", "/k")]
        .map(|(name, value)| variable(name, value));
    let loaded = Config::load(Sources { environment, ..Default::default() });
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.config.auth.token.unwrap().signingalgorithms, Algorithms::NAMES);
}

/// What is said of a token that must be refused. Never a part of the token.
fn refusal(verifier: &Verifier, token: &str) -> String {
    let message = verify(verifier, token).expect_err("it is to be refused").to_string();
    let long = token.split('.').filter(|part| part.len() > 20);
    for part in long {
        assert!(!message.contains(&part[..20]), "{message}");
    }
    message
}
