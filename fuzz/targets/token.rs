//! Tokens: nothing that was not signed is accepted, no byte of what was signed can be another one, and what is accepted says
//! what a plain reading of its claims finds.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arbitrary::{Result, Unstructured};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast::auth::token::{Algorithms, Scope, Source, TrustedKeys, Verified, Verifier};
use holdfast::outgoing::Outgoing;
use serde_json::Value;

const ISSUER: &str = "issuer";
const SERVICE: &str = "registry";
const HEADER: &str = r#"{"typ":"JWT","alg":"EdDSA","kid":"ed"}"#;
const CLAIMS: &str = r#"{"iss":"issuer","sub":"jane","aud":"registry","exp":1800000300,"nbf":1800000000,"iat":1800000000,"access":[{"type":"repository","name":"team/app","actions":["pull"]}]}"#;

/// Of RFC 7515, A.2 and A.3: an RSA key and one for ES256, with which nobody signs here.
const OTHER_KEYS: &str = r#"{"kty":"RSA","kid":"rsa","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},{"kty":"EC","kid":"ec","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

/// The key that signs.
static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap());

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let (keys, bundle) = (folder.path().join("jwks"), folder.path().join("bundle"));
    let x = URL_SAFE_NO_PAD.encode(KEY.public_key());
    let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"{x}"}},{OTHER_KEYS}]}}"#);
    std::fs::write(&keys, jwks).unwrap();
    std::fs::write(&bundle, include_str!("token/certificate.pem")).unwrap();
    let sources = [
        Source::jwks(keys.to_str().unwrap(), &Outgoing::default()).unwrap(),
        Source::bundle(bundle).unwrap(),
    ];
    let keys = TrustedKeys::of(sources.map(Arc::new));
    Verifier::new(vec![ISSUER.to_owned()], SERVICE.to_owned(), Algorithms::default(), keys)
});

pub fn token(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    match first % 4 {
        0 => unsigned(&String::from_utf8_lossy(rest)),
        1 => signed(rest),
        // Too few bytes are no input.
        2 => drop(changed(&mut Unstructured::new(rest))),
        _ => scope(&String::from_utf8_lossy(rest)),
    }
}

fn verify(token: &str) -> Option<Verified> {
    let noon: SystemTime = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    VERIFIER.verify(token, noon).ok()
}

/// Whatever stands there, and whatever header and claims stand there: nobody has signed it.
fn unsigned(text: &str) {
    assert_eq!(verify(text), None);
    let parts: Vec<String> = text.splitn(3, '\n').map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
    assert_eq!(verify(&parts.join(".")), None);
}

fn sign(header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(KEY.sign(message.as_bytes())))
}

/// Any header and any claims, signed. The first line is the header; without it, it is the usual one.
fn signed(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let header = if end == 0 { HEADER.as_bytes() } else { &data[..end] };
    let claims = data.get(end + usize::from(data.get(end) == Some(&b'\n'))..).unwrap_or_default();
    let Some(verified) = verify(&sign(header, claims)) else {
        return;
    };
    let header: Value = serde_json::from_slice(header).unwrap();
    let claims: Value = serde_json::from_slice(claims).unwrap();
    assert_eq!(header["alg"], "EdDSA");
    assert_eq!(claims["iss"], ISSUER);
    assert!(claims["aud"] == SERVICE || claims["aud"].as_array().unwrap().contains(&SERVICE.into()));
    assert_eq!(verified.subject, claims["sub"].as_str().unwrap_or_default());
    for entry in verified.access.entries() {
        let granted = claims["access"].as_array().unwrap();
        let same =
            || granted.iter().filter(|other| other["type"] == *entry.kind && other["name"] == *entry.name);
        let names = |other: &Value, action: &str| {
            other["actions"].as_array().is_some_and(|actions| actions.contains(&action.into()))
        };
        assert!(entry.actions.iter().all(|action| same().any(|other| names(other, action))));
    }
}

/// A good token of which some bytes are others.
fn changed(input: &mut Unstructured<'_>) -> Result<()> {
    let good = sign(HEADER.as_bytes(), CLAIMS.as_bytes());
    assert!(verify(&good).is_some());
    let mut bytes = good.clone().into_bytes();
    for _ in 0..input.int_in_range(1..=4)? {
        let place = input.choose_index(bytes.len())?;
        bytes[place] = input.int_in_range(b' '..=b'~')?;
    }
    let changed = String::from_utf8(bytes).unwrap();
    assert_eq!(verify(&changed).is_some(), changed == good, "{changed}");
    Ok(())
}

fn scope(text: &str) {
    if let Ok(scope) = text.parse::<Scope>() {
        assert_eq!(scope.to_string().parse::<Scope>(), Ok(scope));
    }
}
