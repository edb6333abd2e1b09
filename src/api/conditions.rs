//! Conditional requests (RFC 9110, section 13). Entity tags are digests.

use axum::http::{HeaderMap, header};

use super::headers::text;
use crate::oci::Digest;
use crate::registry::Precondition;

/// The entity tag of content with this digest.
pub(super) fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Whether `If-None-Match` names what the client would get, so that it need not be sent again. Digests are understood
/// without quotes too, as distribution does.
pub(super) fn is_not_modified(headers: &HeaderMap, digest: &Digest) -> bool {
    entity_tags(headers, &header::IF_NONE_MATCH).any(|tag| tag == "*" || tag.parse() == Ok(*digest))
}

/// Whether `If-Range` allows a part to be sent: the client's other parts are of the same content.
pub(super) fn allows_range(headers: &HeaderMap, digest: &Digest) -> bool {
    text(headers, header::IF_RANGE).is_none_or(|value| value == etag(digest))
}

/// What must be true for a change to be made.
pub(super) fn precondition(headers: &HeaderMap) -> Option<Precondition> {
    if entity_tags(headers, &header::IF_NONE_MATCH).any(|tag| tag == "*") {
        return Some(Precondition::Absent);
    }
    let tags: Vec<&str> = entity_tags(headers, &header::IF_MATCH).collect();
    if tags.contains(&"*") {
        return Some(Precondition::Exists);
    }
    // What is no digest matches nothing.
    headers
        .contains_key(header::IF_MATCH)
        .then(|| Precondition::Matches(tags.iter().filter_map(|tag| tag.parse().ok()).collect()))
}

fn entity_tags<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|tag| {
        let tag = tag.trim();
        tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a value"))])
    }

    #[test]
    fn a_digest_is_recognised_quoted_weak_bare_and_in_a_list() {
        let digest: Digest = DIGEST.parse().expect("a digest");
        for value in
            [etag(&digest), format!("W/\"{DIGEST}\""), DIGEST.to_owned(), format!("\"a\", \"{DIGEST}\"")]
        {
            assert!(is_not_modified(&headers(header::IF_NONE_MATCH, &value), &digest), "{value}");
        }
        assert!(!is_not_modified(&headers(header::IF_NONE_MATCH, "\"other\""), &digest));
        assert!(!is_not_modified(&HeaderMap::new(), &digest));
    }

    #[test]
    fn a_part_is_sent_only_of_the_same_content() {
        let digest: Digest = DIGEST.parse().expect("a digest");
        assert!(allows_range(&HeaderMap::new(), &digest));
        assert!(allows_range(&headers(header::IF_RANGE, &etag(&digest)), &digest));
        assert!(!allows_range(&headers(header::IF_RANGE, "\"other\""), &digest));
        assert!(!allows_range(&headers(header::IF_RANGE, "Wed, 21 Oct 2015 07:28:00 GMT"), &digest));
    }

    #[test]
    fn preconditions_are_told_apart() {
        let digest: Digest = DIGEST.parse().expect("a digest");
        assert_eq!(precondition(&HeaderMap::new()), None);
        assert_eq!(precondition(&headers(header::IF_NONE_MATCH, "*")), Some(Precondition::Absent));
        assert_eq!(precondition(&headers(header::IF_MATCH, "*")), Some(Precondition::Exists));
        let matches = precondition(&headers(header::IF_MATCH, &etag(&digest)));
        assert_eq!(matches, Some(Precondition::Matches(vec![digest])));
        let nothing = precondition(&headers(header::IF_MATCH, "\"other\""));
        assert_eq!(nothing, Some(Precondition::Matches(Vec::new())));
    }
}
