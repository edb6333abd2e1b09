//! Identity tokens, from an issuer that the test starts.

use serde_json::json;

use super::super::{Identities, Identity, IdentityIssuer};
use super::keys::{Key, RSA};
use super::provider::{CONFIGURATION, Provider};
use super::*;

fn identities(url: &str) -> Identities {
    let issuer = |name: &str, audience: &str| IdentityIssuer {
        name: name.to_owned(),
        url: url.to_owned(),
        audience: audience.to_owned(),
    };
    Identities::of(vec![issuer("ci", SERVICE), issuer("second", "other")], &Outgoing::default()).unwrap()
}

/// What GitHub Actions says of a job.
fn job(issuer: &str) -> Value {
    json!({
        "iss": issuer, "aud": SERVICE, "sub": "repo:octo-org/octo-repo:ref:refs/heads/main",
        "iat": NOON, "nbf": NOON - 600, "exp": NOON + 300, "jti": "6",
        "repository": "octo-org/octo-repo", "ref": "refs/heads/main", "run_attempt": "1",
    })
}

async fn verify(identities: &Identities, token: &str) -> Result<Identity, TokenError> {
    identities.verify(token, noon()).await
}

#[tokio::test]
async fn an_identity_is_what_an_issuer_signs_for_this_audience() {
    let (p256, p384, ed25519) = (Key::p256(), Key::p384(), Key::ed25519());
    let keys = [("a", &p256), ("b", &p384), ("c", &ed25519), ("d", &*RSA)];
    let provider = Provider::openid(&keys);
    let identities = identities(&provider.url(""));
    for (id, key) in keys {
        let identity = verify(&identities, &key.token(id, &job(&provider.url("")))).await.unwrap();
        assert_eq!(identity.issuer_name, "ci");
        assert_eq!(identity.subject, "repo:octo-org/octo-repo:ref:refs/heads/main");
        assert_eq!(identity.claims["repository"], "octo-org/octo-repo");
    }
    let pss = RSA.sign(&json!({"alg": "PS256", "kid": "d"}), &job(&provider.url("")));
    assert!(verify(&identities, &pss).await.is_ok());
    assert_eq!((provider.asked(CONFIGURATION), provider.asked("/keys")), (1, 1), "the keys are kept");
}

#[tokio::test]
async fn one_issuer_may_be_trusted_for_two_audiences() {
    let key = Key::p256();
    let provider = Provider::openid(&[("k", &key)]);
    let mut job = job(&provider.url(""));
    job["aud"] = json!("other");
    assert_eq!(
        verify(&identities(&provider.url("")), &key.token("k", &job)).await.unwrap().issuer_name,
        "second"
    );
}

#[tokio::test]
async fn what_is_wrong_with_an_identity_is_told() {
    let key = Key::p256();
    let provider = Provider::openid(&[("k", &key)]);
    let identities = identities(&provider.url(""));
    for (name, value, problem) in [
        ("iss", json!("https://evil.example.com"), "not trusted"),
        ("iss", json!(provider.url("/")), "not trusted"),
        ("aud", json!("else"), "not for this registry"),
        ("exp", json!(NOON - 61), "expired"),
        ("nbf", json!(NOON + 61), "not valid yet"),
        ("sub", json!(null), "no subject"),
    ] {
        let mut job = job(&provider.url(""));
        job[name] = value;
        let message = verify(&identities, &key.token("k", &job)).await.unwrap_err().to_string();
        assert!(message.contains(problem), "{name}: {message}");
    }
    let job = job(&provider.url(""));
    for (token, problem) in [
        (Key::p256().token("k", &job), "signature"),
        (Key::p256().token("other", &job), "not trusted (\"other\")"),
        (key.sign(&json!({"alg": "ES256"}), &job), "(kid)"),
        (Key::p256().sign(&json!({"alg": "ES256", "jwk": key.jwk("k")}), &job), "(kid)"),
        (key.sign(&json!({"alg": "HS256", "kid": "k"}), &job), "HMAC"),
        (key.sign(&json!({"alg": "RS512", "kid": "k"}), &job), "RS512"),
    ] {
        let message = verify(&identities, &token).await.unwrap_err().to_string();
        assert!(message.contains(problem), "{problem}: {message}");
    }
}

#[tokio::test]
async fn a_configuration_of_another_issuer_brings_no_keys() {
    let key = Key::p256();
    let provider = Provider::openid(&[("k", &key)]);
    let keys = provider.url("/keys");
    for configuration in [
        json!({"issuer": "https://evil.example.com", "jwks_uri": keys}),
        json!({"issuer": provider.url("/"), "jwks_uri": keys}),
        json!({"issuer": provider.url(""), "jwks_uri": "http://example.com/keys"}),
        json!({"issuer": provider.url("")}),
        json!([]),
    ] {
        provider.answer(CONFIGURATION, &configuration);
        let outcome = verify(&identities(&provider.url("")), &key.token("k", &job(&provider.url("")))).await;
        assert!(matches!(outcome, Err(TokenError::UnknownKey(_))), "{configuration}");
    }
    assert_eq!(provider.asked("/keys"), 0);
}

#[test]
fn an_issuer_over_plain_http_is_refused_unless_it_is_on_loopback() {
    let issuer = IdentityIssuer {
        name: "a".to_owned(),
        url: "http://ci.example.com".to_owned(),
        audience: "b".to_owned(),
    };
    let message = Identities::of(vec![issuer], &Outgoing::default()).unwrap_err().to_string();
    assert!(message.contains("neither https nor on loopback"), "{message}");
}
