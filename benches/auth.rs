//! Tokens: what every request of a registry with logins pays for, and what a token server pays for each that it gives out.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use holdfast::auth::token::{Access, Algorithms, Issuer, Scope, Source, TrustedKeys, Verifier};
use holdfast::outgoing::Outgoing;

const SCOPE: &str = "repository:team/project/component:pull,push";
const LIFETIME: Duration = Duration::from_secs(900);

fn verifier(source: Arc<Source>) -> Verifier {
    let keys = TrustedKeys::of([source]);
    Verifier::new(vec!["issuer".to_owned()], "registry".to_owned(), Algorithms::default(), keys)
}

fn own_tokens(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let issuer = Issuer::open("issuer".to_owned(), folder.path(), LIFETIME, LIFETIME, now).unwrap();
    let access: Access = [SCOPE.parse::<Scope>().unwrap()].into_iter().collect();
    let issue =
        || issuer.issue("jane", "registry", &access, &serde_json::Value::Null, LIFETIME, now).unwrap();
    let (token, verifier) = (issue().token, verifier(issuer.source()));
    let mut group = criterion.benchmark_group("token");
    group.bench_function("issue/ES256", |bencher| bencher.iter(issue));
    group.bench_function("verify/ES256", |bencher| {
        bencher.iter(|| verifier.verify(black_box(&token), now).unwrap());
    });
    group.bench_function("scope", |bencher| bencher.iter(|| black_box(SCOPE).parse::<Scope>().unwrap()));
}

/// As GitLab, Keycloak and docker_auth sign.
fn tokens_of_others(criterion: &mut Criterion) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let n = encode(key.public_key().modulus().big_endian_without_leading_zero());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, format!(r#"{{"keys":[{{"kty":"RSA","e":"AQAB","n":"{n}","kid":"k"}}]}}"#)).unwrap();
    let source = Source::jwks(file.path().to_str().unwrap(), &Outgoing::default()).unwrap();
    let claims = r#"{"iss":"issuer","aud":"registry","exp":4000000000,"access":[]}"#;
    let message = format!("{}.{}", encode(br#"{"alg":"RS256","kid":"k"}"#), encode(claims.as_bytes()));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    let (token, verifier) = (format!("{message}.{}", encode(&signature)), verifier(Arc::new(source)));
    let now = SystemTime::now();
    criterion.bench_function("token/verify/RS256", |bencher| {
        bencher.iter(|| verifier.verify(black_box(&token), now).unwrap());
    });
}

criterion_group!(benches, own_tokens, tokens_of_others);
criterion_main!(benches);
