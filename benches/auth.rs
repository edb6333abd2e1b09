//! Logins: what every request pays before and after it is known who asks, and what a token costs.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use criterion::{Criterion, criterion_group, criterion_main};
use holdfast::auth::policy::{Groups, Policies, Policy};
use holdfast::auth::token::{Access, Algorithms, Issuer, Scope, Source, TrustedKeys, Verifier};
use holdfast::auth::{Action, Authority, FailureLimit, Settings};
use holdfast::observe::Peer;
use holdfast::oci::{Glob, RepositoryName};
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

/// What a request costs at the door: before anything is verified, after it was, and where it is no good.
fn door(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("htpasswd");
    std::fs::write(&users, format!("alice:{}", bcrypt::hash("secret", 4).unwrap())).unwrap();
    let policy = |number: usize| Policy {
        who: vec![format!("user:user{number}").parse().unwrap()],
        may: vec![Action::Pull],
        at: vec![Glob::parse(&format!("team{number}/**")).unwrap()],
    };
    let mut list: Vec<Policy> = (0..100).map(policy).collect();
    list.push(Policy { who: vec!["user:alice".parse().unwrap()], ..list[0].clone() });
    let authority = Authority::new(&Settings {
        htpasswd: Some(users),
        realm: "bench".to_owned(),
        token: None,
        issuers: Vec::new(),
        policies: Some(Policies { list, groups: Groups::new() }),
        robots: folder.path().join("robots.json"),
        keys: folder.path().join("keys"),
        lifetime: LIFETIME,
        rotation: LIFETIME * 1000,
        failures: FailureLimit { most: 0, window: LIFETIME },
        wait: LIFETIME,
    })
    .unwrap();
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let headers = |authorization: &str| -> HeaderMap {
        [(header::AUTHORIZATION, authorization.parse().unwrap())].into_iter().collect()
    };
    let ask = |headers: &HeaderMap| threads.block_on(authority.authenticate(headers, Peer::Local));
    let alice = headers(&format!("Basic {}", STANDARD.encode("alice:secret")));
    let caller = ask(&alice).unwrap();
    let (issued, _) = authority.issue(&caller, &[SCOPE.parse().unwrap()]).unwrap().unwrap();
    let token = headers(&format!("Bearer {}", issued.token));
    let unsigned = issued.token.rsplit_once('.').unwrap().0;
    let forged = headers(&format!("Bearer {unsigned}.{}", URL_SAFE_NO_PAD.encode([7; 64])));
    let nonsense = headers(&format!("Bearer {}", "x".repeat(16 << 10)));
    let repository: RepositoryName = "team0/app".parse().unwrap();
    let mut group = criterion.benchmark_group("door");
    group.bench_function("stranger", |bencher| bencher.iter(|| ask(&HeaderMap::new()).unwrap()));
    group.bench_function("password, verified before", |bencher| bencher.iter(|| ask(&alice).unwrap()));
    group.bench_function("token, verified before", |bencher| bencher.iter(|| ask(&token).unwrap()));
    group.bench_function("forged token", |bencher| bencher.iter(|| ask(&forged).unwrap_err()));
    group.bench_function("16 KiB of nonsense", |bencher| bencher.iter(|| ask(&nonsense).unwrap_err()));
    group.bench_function("101 policies", |bencher| {
        bencher.iter(|| assert!(caller.may(Action::Pull, black_box(&repository))));
    });
}

criterion_group!(benches, own_tokens, tokens_of_others, door);
criterion_main!(benches);
