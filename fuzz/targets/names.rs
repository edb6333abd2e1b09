//! Names, tags, digests and paths: exactly those of the grammar are accepted, they are written as they were read, and no path
//! brings the API out of its manners.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::LazyLock;

use holdfast::oci::{Digest, Reference, RepositoryName, Tag};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use regex_lite::Regex;

use super::world::World;

pub fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let name = check::<RepositoryName>(&text, |text| text.len() <= 255 && is_match(&NAME, text));
    let tag = check::<Tag>(&text, |text| is_match(&TAG, text));
    let digest = check::<Digest>(&text, |text| is_match(&DIGEST, text));
    let reference = check::<Reference>(&text, |text| {
        if text.contains(':') { is_match(&DIGEST, text) } else { is_match(&TAG, text) }
    });
    assert_eq!(reference, tag || digest);
    ask_for(&text);
    if name {
        endpoints_of(&text);
    }
}

// OCI distribution specification, "Pulling manifests"; the digests are those of the registered algorithms.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\A[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\z").unwrap()
});
static TAG: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\z").unwrap());
static DIGEST: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\A((sha256|blake3):[0-9a-f]{64}|sha512:[0-9a-f]{128})\z").unwrap());

fn is_match(regex: &Regex, text: &str) -> bool {
    regex.is_match(text)
}

/// Whether the text is accepted, which it is if it should be, and as what it is.
fn check<T: FromStr + Display>(text: &str, should_be: impl Fn(&str) -> bool) -> bool {
    match text.parse::<T>() {
        Ok(value) => {
            assert!(should_be(text), "accepted {text:?}");
            assert_eq!(value.to_string(), text);
            true
        }
        Err(_) => {
            assert!(!should_be(text), "refused {text:?}");
            false
        }
    }
}

/// As a path, every byte escaped but the slashes: whatever it is, the answer is none, or an error in the form of errors.
fn ask_for(text: &str) {
    let escaped: Vec<_> =
        text.split('/').map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()).collect();
    let path = format!("/v2/{}", escaped.join("/"));
    if path.len() > 8_000 {
        return;
    }
    World::with(|world| {
        let answer = world.send("GET", &path, &[], b"");
        if answer.status.is_client_error() {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert!(
                body["errors"][0]["code"].is_string() && body["errors"][0]["message"].is_string(),
                "{body}"
            );
        }
        assert!(answer.status.is_client_error() || answer.status == 200, "{path}: {}", answer.status);
    });
}

/// The endpoints of a repository that does not exist, whatever words its name is made of.
fn endpoints_of(name: &str) {
    let digest = format!("sha256:{}", "0".repeat(64));
    World::with(|world| {
        for (path, code) in [
            (format!("/v2/{name}/tags/list"), "NAME_UNKNOWN"),
            (format!("/v2/{name}/manifests/latest"), "MANIFEST_UNKNOWN"),
            (format!("/v2/{name}/manifests/{digest}"), "MANIFEST_UNKNOWN"),
            (format!("/v2/{name}/blobs/{digest}"), "BLOB_UNKNOWN"),
            (format!("/v2/{name}/blobs/uploads/0"), "BLOB_UPLOAD_UNKNOWN"),
        ] {
            let answer = world.send("GET", &path, &[], b"").expect(404);
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body["errors"][0]["code"], code, "{path}");
        }
        world.send("GET", &format!("/v2/{name}/referrers/{digest}"), &[], b"").expect(200);
    });
}
