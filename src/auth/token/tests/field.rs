//! What token servers send, in the shapes that they have in the field.

use serde_json::json;

use super::certificates::Certificate;
use super::keys::{Key, RSA};
use super::*;

fn repository(name: &str) -> crate::oci::RepositoryName {
    name.parse().unwrap()
}

fn rsa() -> Key {
    Key::Rsa(aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&RSA.pkcs8()).unwrap())
}

#[test]
fn a_good_token_proves_who_asks_and_what_is_permitted() {
    let key = Key::p256();
    let verified = verify(&trusting(&[("k", &key)]), &key.token("k", &claims())).unwrap();
    assert_eq!((verified.subject.as_str(), verified.issuer.as_str()), ("jane", ISSUER));
    assert_eq!((verified.expires, verified.expired), (at(NOON + 300), false));
    assert_eq!((verified.issued_at, verified.id.as_deref()), (Some(noon()), Some("1")));
    assert!(verified.access.permits(&repository("team/app"), "push"));
}

#[test]
fn every_algorithm_is_verified_with_a_key_of_its_kind() {
    let (p256, p384, ed25519) = (Key::p256(), Key::p384(), Key::ed25519());
    let verifier = trusting(&[("p256", &p256), ("p384", &p384), ("ed", &ed25519), ("rsa", &RSA)]);
    for (algorithm, id, key) in [
        ("ES256", "p256", &p256),
        ("ES384", "p384", &p384),
        ("EdDSA", "ed", &ed25519),
        ("RS256", "rsa", &RSA),
        ("RS384", "rsa", &RSA),
        ("RS512", "rsa", &RSA),
        ("PS256", "rsa", &RSA),
        ("PS384", "rsa", &RSA),
        ("PS512", "rsa", &RSA),
    ] {
        let token = key.sign(&json!({"alg": algorithm, "kid": id}), &claims());
        assert!(verify(&verifier, &token).is_ok(), "{algorithm}");
    }
}

/// cesanta/docker_auth signs with the key of the certificate that it shares with the registry, and names it as libtrust did.
#[test]
fn docker_auth() {
    for key in [rsa(), Key::p256()] {
        let certificate = Certificate::root("docker_auth", key);
        let header =
            json!({"typ": "JWT", "alg": certificate.key.algorithm(), "kid": certificate.libtrust_id()});
        let claims = json!({
            "iss": ISSUER, "sub": "admin", "aud": SERVICE, "exp": NOON + 900, "nbf": NOON - 10, "iat": NOON,
            "jti": "5577006791947779410",
            "access": [{"type": "repository", "name": "samalba/my-app", "actions": ["pull", "push"]}],
        });
        let verified =
            verify(&trusting_certificates(&[&certificate]), &certificate.key.sign(&header, &claims));
        assert!(verified.unwrap().access.permits(&repository("samalba/my-app"), "push"));
    }
}

/// Without a scope docker_auth sends an empty list, others `null` or nothing; `docker login` asks so.
#[test]
fn a_token_without_access_is_good_and_permits_nothing() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    let mut without = claims();
    without.as_object_mut().unwrap().remove("access");
    for claims in [claims_with("access", json!([])), claims_with("access", json!(null)), without] {
        assert_eq!(verify(&verifier, &key.token("k", &claims)).unwrap().access, Default::default());
    }
}

/// Keycloak's protocol docker-v2: RS256, libtrust's id, the realm's URL as issuer, the client as audience.
#[test]
fn keycloak() {
    let certificate = Certificate::self_signed("master", rsa());
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": certificate.libtrust_id()});
    let claims = json!({
        "jti": "1b3a2c4d-7f0a-4d5e-9c41-1d2f3a4b5c6d", "exp": NOON + 60, "nbf": 0, "iat": NOON,
        "iss": ISSUER, "aud": SERVICE, "sub": "jane",
        "access": [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}],
    });
    let verified =
        verify(&trusting_certificates(&[&certificate]), &certificate.key.sign(&header, &claims)).unwrap();
    assert_eq!(verified.subject, "jane");
}

/// GitLab: RS256, libtrust's id, entries with more than the specification has, claims of its own.
#[test]
fn gitlab() {
    let certificate = Certificate::root("gitlab-issuer", rsa());
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": certificate.libtrust_id()});
    let claims = json!({
        "access": [{
            "type": "repository", "name": "group/project", "actions": ["pull"],
            "meta": {"project_path": "group/project", "project_id": 7, "root_namespace_id": 3},
        }],
        "jti": "9b3e2f6c-6d84-4a0e-8a71-7a8c6f9e2b1d", "aud": SERVICE, "sub": "root", "iss": ISSUER,
        "iat": NOON, "nbf": NOON - 5, "exp": NOON + 300,
        "auth_type": "gitlab_or_ldap", "user": "eyJ0eXAiOiJKV1QifQ.e30.x",
    });
    let verified =
        verify(&trusting_certificates(&[&certificate]), &certificate.key.sign(&header, &claims)).unwrap();
    assert!(verified.access.permits(&repository("group/project"), "pull"));
}

/// distribution 3 names the key of a bundle by its thumbprint.
#[test]
fn the_key_of_a_bundle_goes_by_its_thumbprint() {
    for key in [rsa(), Key::p256(), Key::p384(), Key::ed25519()] {
        let certificate = Certificate::root("root", key);
        let jwk = serde_json::from_value(certificate.key.jwk("")).unwrap();
        let thumbprint = super::super::public_key::PublicKey::of_jwk(&jwk).unwrap().thumbprint;
        let token = certificate.key.token(&thumbprint, &claims());
        assert!(verify(&trusting_certificates(&[&certificate]), &token).is_ok());
    }
}

#[test]
fn a_chain_of_certificates_leads_to_a_root() {
    let root = Certificate::root("root", rsa());
    let intermediate = root.intermediate("intermediate", Key::p384());
    let leaf = intermediate.leaf("leaf", Key::p256());
    let other = Certificate::root("other", Key::p256());
    let verifier = trusting_certificates(&[&other, &root]);
    let header = json!({"alg": "ES256", "x5c": [leaf.x5c(), intermediate.x5c()]});
    assert!(verify(&verifier, &leaf.key.sign(&header, &claims())).is_ok());
    let in_jwk = json!({"alg": "ES256", "jwk": {
        "kty": "EC", "crv": "P-256", "x": "", "y": "", "x5c": [leaf.x5c(), intermediate.x5c()],
    }});
    assert!(verify(&verifier, &leaf.key.sign(&in_jwk, &claims())).is_ok());
}

/// Portus, and registries that are set up with one self-signed certificate.
#[test]
fn a_trusted_certificate_is_a_chain_of_itself() {
    for certificate in [Certificate::root("a", Key::p256()), Certificate::self_signed("b", Key::p256())] {
        let header = json!({"alg": "ES256", "x5c": [certificate.x5c()]});
        let token = certificate.key.sign(&header, &claims());
        assert!(verify(&trusting_certificates(&[&certificate]), &token).is_ok());
    }
}

/// libtrust's token servers put the whole key into the header.
#[test]
fn a_key_in_the_header_is_accepted_if_it_is_trusted() {
    let certificate = Certificate::root("root", Key::p256());
    let header = json!({"alg": "ES256", "jwk": certificate.key.jwk("AAAA:BBBB")});
    let token = certificate.key.sign(&header, &claims());
    assert!(verify(&trusting_certificates(&[&certificate]), &token).is_ok());
    assert!(verify(&trusting(&[("other name", &certificate.key)]), &token).is_ok());
}

#[test]
fn without_certificates_a_chain_in_the_header_is_passed_over_for_the_key_that_it_names() {
    let leaf = Certificate::self_signed("leaf", Key::p256());
    let token = leaf.key.sign(&json!({"alg": "ES256", "kid": "k", "x5c": [leaf.x5c()]}), &claims());
    assert!(verify(&trusting(&[("k", &leaf.key)]), &token).is_ok());
    assert!(verify(&trusting(&[("k", &Key::p256())]), &token).is_err());
}

#[test]
fn an_expired_token_that_is_good_otherwise_is_told_apart() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    let token = key.token("k", &claims());
    for (now, expired) in [(NOON + 360, false), (NOON + 361, true), (NOON + 1_000_000, true)] {
        assert_eq!(verifier.verify(&token, at(now)).unwrap().expired, expired);
    }
}

#[test]
fn only_the_algorithms_that_are_configured_count() {
    let (p256, ed25519) = (Key::p256(), Key::ed25519());
    let jwks = json!({"keys": [p256.jwk("p256"), ed25519.jwk("ed")]});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, jwks.to_string()).unwrap();
    let source = Source::jwks(file.path().to_str().unwrap(), &Outgoing::default()).unwrap();
    let keys = TrustedKeys::of([Arc::new(source)]);
    let algorithms = Algorithms::named(["EdDSA"]);
    let verifier =
        Verifier::new(vec!["other".to_owned(), ISSUER.to_owned()], SERVICE.to_owned(), algorithms, keys);
    assert!(verify(&verifier, &ed25519.token("ed", &claims())).is_ok());
    let message = refusal(&verifier, &p256.token("p256", &claims()));
    assert!(message.contains("ES256") && message.contains("signingalgorithms"), "{message}");
}
