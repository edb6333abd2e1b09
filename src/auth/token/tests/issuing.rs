//! Holdfast's own tokens.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::super::{Access, Issuer, Scope};
use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const QUARTER: Duration = Duration::from_secs(900);

fn issuer(folder: &std::path::Path) -> Issuer {
    Issuer::open(ISSUER.to_owned(), folder, 30 * DAY, QUARTER, noon()).unwrap()
}

fn verifier_of(issuer: &Issuer) -> Verifier {
    let keys = TrustedKeys::of([issuer.source()]);
    Verifier::new(vec![issuer.name().to_owned()], SERVICE.to_owned(), Algorithms::named(["ES256"]), keys)
}

fn access(scopes: &str) -> Access {
    Scope::parse_all([scopes]).unwrap().into_iter().collect()
}

#[test]
fn what_is_issued_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer(folder.path());
    let access = access("repository:team/app:pull,push registry:catalog:*");
    let issued = issuer.issue("jane", SERVICE, &access, &Value::Null, QUARTER, noon()).unwrap();
    assert_eq!((issued.expires_in, issued.issued_at), (QUARTER, noon()));
    let verified = verify(&verifier_of(&issuer), &issued.token).unwrap();
    assert_eq!((verified.subject.as_str(), &verified.access), ("jane", &access));
    assert_eq!((verified.expires, verified.id), (noon() + QUARTER, Some(issued.jti.clone())));
    assert!(!format!("{issued:?}").contains(&issued.token[..20]));
}

#[test]
fn a_token_is_of_the_shape_that_the_specification_has() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer(folder.path());
    let issued =
        issuer.issue("jane", SERVICE, &access("repository:a:pull"), &Value::Null, QUARTER, noon()).unwrap();
    let decoded = |part: usize| {
        let part = URL_SAFE_NO_PAD.decode(issued.token.split('.').nth(part).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&part).unwrap()
    };
    let jwks: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    assert_eq!(decoded(0), json!({"typ": "JWT", "alg": "ES256", "kid": jwks["keys"][0]["kid"]}));
    assert_eq!(
        decoded(1),
        json!({
            "iss": ISSUER, "sub": "jane", "aud": SERVICE, "exp": NOON + 900, "nbf": NOON, "iat": NOON,
            "jti": issued.jti, "access": [{"type": "repository", "name": "a", "actions": ["pull"]}],
        })
    );
}

#[test]
fn the_published_keys_verify_and_are_public() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer(folder.path());
    let published = issuer.jwks();
    let jwks: Value = serde_json::from_str(&published).unwrap();
    let mut names: Vec<&String> = jwks["keys"][0].as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"], "and no `d`");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, published).unwrap();
    let verifier = verifier(Source::jwks(file.path().to_str().unwrap(), &Outgoing::default()).unwrap());
    let issued = issuer.issue("", SERVICE, &Access::default(), &Value::Null, QUARTER, noon()).unwrap();
    assert_eq!(verify(&verifier, &issued.token).unwrap().subject, "");
}

#[test]
fn a_token_of_the_old_key_is_good_until_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer(folder.path());
    let verifier = verifier_of(&issuer);
    let last = noon() + 30 * DAY;
    let old = issuer.issue("jane", SERVICE, &Access::default(), &Value::Null, QUARTER, last).unwrap();
    issuer.maintain(last).unwrap();
    let new = issuer.issue("jane", SERVICE, &Access::default(), &Value::Null, QUARTER, last).unwrap();
    assert_ne!(old.token.split('.').next(), new.token.split('.').next(), "another key signs");
    for token in [&old.token, &new.token] {
        assert!(!verifier.verify(token, last + QUARTER).unwrap().expired);
    }
    issuer.maintain(last + DAY).unwrap();
    assert!(matches!(verifier.verify(&old.token, last + DAY), Err(TokenError::UnknownKey(_))));
    assert!(verifier.verify(&new.token, last + DAY).unwrap().expired);
}

#[tokio::test]
async fn two_processes_that_share_a_folder_verify_each_others_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (issuer(folder.path()), issuer(folder.path()));
    let later = noon() + 30 * DAY;
    one.maintain(later).unwrap();
    let by_new = one.issue("jane", SERVICE, &Access::default(), &Value::Null, QUARTER, later).unwrap();
    let by_old = two.issue("jane", SERVICE, &Access::default(), &Value::Null, QUARTER, later).unwrap();
    assert!(verifier_of(&one).verify(&by_old.token, later).is_ok());
    assert!(verifier_of(&two).verify_with_new_keys(&by_new.token, later).await.is_ok());
    two.maintain(later).unwrap();
    assert_eq!(one.jwks(), two.jwks());
}
