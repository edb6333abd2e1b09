//! Tokens that must be refused.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::certificates::{Certificate, expired_root};
use super::keys::{Key, RSA, unsigned};
use super::*;

fn parts(token: &str) -> [String; 3] {
    token.split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn no_algorithm_is_none() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"typ": "JWT", "alg": algorithm, "kid": "k"}).to_string();
        let message = unsigned(header.as_bytes(), claims().to_string().as_bytes());
        let [_, _, signature] = parts(&key.token("k", &claims()));
        for token in [format!("{message}."), message.clone(), format!("{message}.{signature}")] {
            assert!(refusal(&verifier, &token).contains("malformed"), "{algorithm}");
        }
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let certificate = Certificate::root("root", Key::p256());
    let verifier = trusting_certificates(&[&certificate]);
    let jwk = certificate.key.jwk("k");
    let point = [
        &[4],
        URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap().as_slice(),
        URL_SAFE_NO_PAD.decode(jwk["y"].as_str().unwrap()).unwrap().as_slice(),
    ]
    .concat();
    let pem = certificate.pem();
    let secrets = [pem.as_bytes(), &point, jwk["x"].as_str().unwrap().as_bytes(), b""];
    for secret in secrets {
        for (name, algorithm) in
            [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
        {
            let header = json!({"alg": name, "kid": certificate.libtrust_id()}).to_string();
            let message = unsigned(header.as_bytes(), claims().to_string().as_bytes());
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
            assert!(refusal(&verifier, &token).contains("HMAC"));
        }
    }
}

#[test]
fn an_algorithm_must_fit_its_key() {
    let (p256, p384, ed25519) = (Key::p256(), Key::p384(), Key::ed25519());
    let keys = [("p256", &p256), ("p384", &p384), ("ed", &ed25519), ("rsa", &*RSA)];
    let verifier = trusting(&keys);
    for (id, key) in keys {
        for algorithm in Algorithms::NAMES {
            let fits = *algorithm == key.algorithm() || (id == "rsa" && "RP".contains(&algorithm[..1]));
            let token = key.sign(&json!({"alg": algorithm, "kid": id}), &claims());
            if !fits {
                assert!(
                    refusal(&verifier, &token).contains("the key is for something else"),
                    "{algorithm} {id}"
                );
            }
        }
    }
}

#[test]
fn a_key_for_one_algorithm_is_not_used_for_another() {
    let mut jwk = RSA.jwk("k");
    jwk["alg"] = json!("PS256");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, json!({"keys": [jwk]}).to_string()).unwrap();
    let verifier = verifier(Source::jwks(file.path().to_str().unwrap(), &Outgoing::default()).unwrap());
    assert!(verify(&verifier, &RSA.sign(&json!({"alg": "PS256", "kid": "k"}), &claims())).is_ok());
    let message = refusal(&verifier, &RSA.sign(&json!({"alg": "RS256", "kid": "k"}), &claims()));
    assert!(message.contains("the key is for something else"), "{message}");
}

#[test]
fn an_issuer_an_audience_and_a_time_must_be_right() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    for (name, value, problem) in [
        ("iss", json!("evil.example.com"), "from issuer \"evil.example.com\""),
        ("iss", json!(null), "from issuer \"\""),
        ("iss", json!([ISSUER]), "from issuer \"\""),
        ("iss", json!(format!("{ISSUER}/")), "who is not trusted"),
        ("aud", json!("other.example.com"), "for \"other.example.com\""),
        ("aud", json!(["a", "b"]), "for \"a, b\""),
        ("aud", json!([]), "not for this registry"),
        ("aud", json!(null), "not for this registry"),
        ("aud", json!({SERVICE: true}), "not for this registry"),
        ("nbf", json!(NOON + 61), "not valid yet"),
        ("iat", json!(NOON + 61), "not valid yet"),
        ("exp", json!(null), "no number of seconds"),
        ("exp", json!("1800000300"), "no number of seconds"),
        ("exp", json!(-1), "no number of seconds"),
        ("exp", json!(1e300), "no number of seconds"),
        ("sub", json!(["jane"]), "its subject"),
        ("jti", json!(1), "its id"),
        ("access", json!("repository:a:pull"), "its access"),
        ("access", json!({"type": "repository"}), "its access"),
        ("access", json!([["repository", "a"]]), "its access"),
    ] {
        let message = refusal(&verifier, &key.token("k", &claims_with(name, value.clone())));
        assert!(message.contains(problem), "{name}: {value}: {message}");
    }
}

#[test]
fn what_a_token_says_is_shown_escaped_and_cut_short() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    let message = refusal(&verifier, &key.token(&format!("a\n\u{1b}[31m{}", "b".repeat(5_000)), &claims()));
    assert!(message.contains(r"a\n\u{1b}[31m") && message.len() < 300, "{message}");
}

#[test]
fn an_unknown_key_signs_nothing() {
    let (trusted, own) = (Key::p256(), Key::p256());
    let verifier = trusting(&[("k", &trusted)]);
    assert!(refusal(&verifier, &own.token("other", &claims())).contains("not trusted (\"other\")"));
    assert!(refusal(&verifier, &own.token("k", &claims())).contains("signature"));
    for header in [json!({"alg": "ES256"}), json!({"alg": "ES256", "kid": null})] {
        assert!(
            refusal(&verifier, &trusted.sign(&header, &claims())).contains("neither x5c nor jwk nor kid")
        );
    }
}

#[test]
fn a_key_of_the_attackers_own_in_the_header_is_not_trusted() {
    let (trusted, own) = (Key::p256(), Key::p256());
    let verifier = trusting(&[("k", &trusted)]);
    for header in [
        json!({"alg": "ES256", "jwk": own.jwk("k")}),
        json!({"alg": "ES256", "jwk": own.jwk("k"), "kid": "k"}),
        json!({"alg": "ES256", "jwk": own.jwk("k"), "jku": "https://evil.example.com/jwks", "kid": "k"}),
    ] {
        assert!(refusal(&verifier, &own.sign(&header, &claims())).contains("not trusted"));
    }
    let secret = json!({"alg": "ES256", "jwk": {"kty": "oct", "k": "AAAA"}, "kid": "k"});
    assert!(refusal(&verifier, &trusted.sign(&secret, &claims())).contains("its jwk"));
    let pointing =
        json!({"alg": "ES256", "jku": "https://evil.example.com/jwks", "x5u": "https://evil.example.com/c"});
    assert!(refusal(&verifier, &own.sign(&pointing, &claims())).contains("neither"));
}

#[test]
fn a_chain_of_the_attackers_own_leads_nowhere() {
    let root = Certificate::root("root", Key::p256());
    let verifier = trusting_certificates(&[&root]);
    let own = Certificate::root("root", Key::p256());
    let intermediate = own.intermediate("intermediate", Key::p256());
    let leaf = intermediate.leaf("leaf", Key::p256());
    for (chain, key) in [
        (vec![leaf.x5c(), intermediate.x5c(), own.x5c()], &leaf.key),
        (vec![leaf.x5c(), intermediate.x5c(), root.x5c()], &leaf.key),
        (vec![leaf.x5c(), root.x5c()], &leaf.key),
        // Signed by itself, with the root's name.
        (vec![own.x5c()], &own.key),
        (vec![Certificate::self_signed("root", Key::p256()).x5c()], &own.key),
        (vec![own.x5c(), root.x5c()], &own.key),
        (vec![], &own.key),
        (vec![STANDARD.encode("no certificate")], &own.key),
        (vec!["!".to_owned()], &own.key),
    ] {
        let token = key.sign(&json!({"alg": "ES256", "x5c": chain}), &claims());
        assert!(refusal(&verifier, &token).contains("certificates"), "{}", chain.len());
    }
    // The root itself, with which somebody else has signed.
    let token = own.key.sign(&json!({"alg": "ES256", "x5c": [root.x5c()]}), &claims());
    assert!(refusal(&verifier, &token).contains("signature"));
}

#[test]
fn who_may_not_sign_certificates_vouches_for_nobody() {
    let root = Certificate::root("root", Key::p256());
    let leaf = root.leaf("leaf", Key::p256());
    let below = leaf.leaf("below", Key::p256());
    let token = below.key.sign(&json!({"alg": "ES256", "x5c": [below.x5c(), leaf.x5c()]}), &claims());
    assert!(refusal(&trusting_certificates(&[&root]), &token).contains("certificates"));
}

#[test]
fn certificates_count_while_they_are_valid() {
    let root = Certificate::root("root", Key::p256());
    let verifier = trusting_certificates(&[&root]);
    for (from, until, is_good) in [(-2, 2, true), (-4, -2, false), (2, 4, false)] {
        let leaf = root.leaf_valid("leaf", Key::p256(), from, until);
        let token = leaf.key.sign(&json!({"alg": "ES256", "x5c": [leaf.x5c()]}), &claims());
        assert_eq!(verify(&verifier, &token).is_ok(), is_good, "{from} to {until}");
    }
    let old = expired_root(Key::p256());
    let leaf = old.leaf("leaf", Key::p256());
    let verifier = trusting_certificates(&[&old]);
    for (chain, key) in [(vec![leaf.x5c()], &leaf.key), (vec![old.x5c()], &old.key)] {
        let token = key.sign(&json!({"alg": "ES256", "x5c": chain}), &claims());
        assert!(refusal(&verifier, &token).contains("certificates"));
    }
}

#[test]
fn a_signature_is_of_the_whole_token_and_nothing_else() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    let [header, payload, signature] = parts(&key.token("k", &claims()));
    let [_, other, _] = parts(&key.token("k", &claims_with("sub", json!("root"))));
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    for token in [
        format!("{header}.{other}.{signature}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}.{zeros}"),
        format!("{header}.{payload}.{}", &signature[..42]),
        format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode([1; 70])),
    ] {
        let message = refusal(&verifier, &token);
        assert!(message.contains("signature"), "{message}");
    }
}

#[test]
fn a_token_has_three_parts_in_base64url_without_padding() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    let good = key.token("k", &claims());
    let [header, payload, signature] = parts(&good);
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{good}"),
        format!("{good}="),
        format!("{good}=="),
        format!("{good} "),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.."),
        format!("{header}.{payload}"),
        format!("{header}.ä.{signature}"),
        good.replace('.', ".\n"),
        good.replace('_', "/").replace('-', "+") + "+/",
    ] {
        assert!(verify(&verifier, &token).is_err(), "{token:?}");
    }
    assert!(verify(&verifier, &good).is_ok());
}

#[test]
fn the_last_letter_of_a_signature_has_one_spelling() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    let token = key.token("k", &claims());
    let (rest, last) = token.split_at(token.len() - 1);
    let spellings = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').map(char::from);
    let accepted: Vec<char> =
        spellings.filter(|letter| verify(&verifier, &format!("{rest}{letter}")).is_ok()).collect();
    assert_eq!(accepted, last.chars().collect::<Vec<_>>());
}

#[test]
fn a_token_that_is_too_long_is_not_looked_at() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    let token = key.token("k", &claims_with("padding", json!("x".repeat(16 * 1024))));
    assert!(refusal(&verifier, &token).contains("16384 are the most"));
}

#[test]
fn json_within_json_ends_somewhere() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let header = br#"{"alg":"ES256","kid":"k"}"#;
    let claims = claims().to_string();
    let with = |depth| format!("{},\"x\":{}}}", &claims[..claims.len() - 1], deep(depth));
    assert!(verify(&verifier, &key.sign_bytes(header, with(100).as_bytes())).is_ok());
    assert!(refusal(&verifier, &key.sign_bytes(header, with(5_000).as_bytes())).contains("claims"));
    let header = format!(r#"{{"alg":"ES256","kid":"k","x":{}}}"#, deep(5_000));
    assert!(refusal(&verifier, &key.sign_bytes(header.as_bytes(), claims.as_bytes())).contains("header"));
}

#[test]
fn nothing_stands_twice_in_a_token() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    let good = br#"{"alg":"ES256","kid":"k"}"#;
    let claims = claims().to_string();
    for name in ["sub", "iss", "aud", "exp", "access", "whatever\":1,\"whatever"] {
        let twice = format!("{},\"{name}\":1}}", &claims[..claims.len() - 1]);
        assert!(refusal(&verifier, &key.sign_bytes(good, twice.as_bytes())).contains("once"), "{name}");
    }
    for header in [
        r#"{"alg":"ES256","alg":"none","kid":"k"}"#,
        r#"{"alg":"none","alg":"ES256","kid":"k"}"#,
        r#"{"alg":"ES256","kid":"k","kid":"k"}"#,
    ] {
        assert!(refusal(&verifier, &key.sign_bytes(header.as_bytes(), claims.as_bytes())).contains("header"));
    }
}

#[test]
fn what_is_no_json_object_in_utf_8_is_refused() {
    let key = Key::p256();
    let verifier = trusting(&[("k", &key)]);
    let (header, claims) = (br#"{"alg":"ES256","kid":"k"}"#.as_slice(), claims().to_string());
    let latin = claims.replace("jane", "j\u{fffd}ne").into_bytes();
    let latin: Vec<u8> =
        latin.strip_suffix(b"}").unwrap().iter().copied().chain(*b",\"x\":\"\xe4\"}").collect();
    for payload in [
        latin.as_slice(),
        b"",
        b"null",
        b"[]",
        b"\"x\"",
        b"{",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b"{\"iss\":\"\\ud800\"}",
    ] {
        assert!(refusal(&verifier, &key.sign_bytes(header, payload)).contains("claims"));
    }
    for header in [b"{\"alg\":\"ES256\",\"kid\":\"\xff\"}".as_slice(), b"", b"null", b"[]", b"{}"] {
        assert!(refusal(&verifier, &key.sign_bytes(header, claims.as_bytes())).contains("header"));
    }
}

#[test]
fn extensions_that_must_be_understood_are_not() {
    let key = Key::p256();
    let header = json!({"alg": "ES256", "kid": "k", "crit": ["b64"], "b64": false});
    let message = refusal(&trusting(&[("k", &key)]), &key.sign(&header, &claims()));
    assert!(message.contains("crit"), "{message}");
}
