//! Headers that registries have and HTTP has not, and how their values are written and read.

use std::ops::Range;

use axum::http::{HeaderMap, HeaderName, header};

use super::error::Error;

pub(super) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(super) const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
pub(super) const DOCKER_API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
pub(super) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
pub(super) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
pub(super) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// `Cache-Control` of what is served: for how long, and to whom a cache may give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caching {
    /// Content under a digest never changes.
    pub(super) immutable: &'static str,
    /// Content under a tag may have changed since.
    pub(super) revalidate: &'static str,
}

impl Caching {
    /// Where everybody may have everything.
    const PUBLIC: Self = Self { immutable: "public, max-age=31536000, immutable", revalidate: "no-cache" };
    /// Where it depends on who asks.
    const PRIVATE: Self =
        Self { immutable: "private, max-age=31536000, immutable", revalidate: "private, no-cache" };

    pub(super) fn new(is_private: bool) -> Self {
        if is_private { Self::PRIVATE } else { Self::PUBLIC }
    }
}

/// An upload's `Range`: the positions of the bytes that it has. None and one look the same; clients know.
pub(super) fn upload_range(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

/// An upload's `Content-Range`: `FIRST-LAST`, inclusive (distribution specification, "Pushing a blob in chunks"). HTTP's own
/// form, `bytes FIRST-LAST/TOTAL`, is understood as well.
pub(super) fn content_range(headers: &HeaderMap) -> Result<Option<Range<u64>>, Error> {
    let Some(value) = headers.get(header::CONTENT_RANGE) else {
        return Ok(None);
    };
    let parsed = value.to_str().ok().and_then(parse_content_range);
    let invalid = || Error::ContentRange(String::from_utf8_lossy(value.as_bytes()).into_owned());
    parsed.map(Some).ok_or_else(invalid)
}

fn parse_content_range(text: &str) -> Option<Range<u64>> {
    let positions = match text.strip_prefix("bytes ") {
        Some(rest) => rest.split_once('/')?.0,
        None => text,
    };
    let (first, last) = positions.split_once('-')?;
    let (first, end) = (number(first)?, number(last)?.checked_add(1)?);
    (first <= end).then_some(first..end)
}

/// A number in digits alone: no sign, no space.
pub(super) fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The header's text, where there is one.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `Content-Length`.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, header::CONTENT_LENGTH).and_then(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_content_range_is_inclusive(first in 0..u64::MAX / 2, length in 1..u64::MAX / 2) {
            let last = first + length - 1;
            for text in [format!("{first}-{last}"), format!("bytes {first}-{last}/*")] {
                prop_assert_eq!(parse_content_range(&text), Some(first..last + 1));
            }
        }

        #[test]
        fn any_text_is_a_content_range_or_none(text in "\\PC*|[0-9]{0,25}-[0-9]{0,25}") {
            if let Some(range) = parse_content_range(&text) {
                prop_assert!(range.start <= range.end);
            }
        }
    }

    #[test]
    fn what_is_no_content_range_is_refused() {
        for text in
            ["", "-", "1-", "-1", "+1-2", "3-1", "a-b", "0-18446744073709551615", "0-4/5", "bytes 0-4"]
        {
            assert_eq!(parse_content_range(text), None, "{text:?}");
        }
    }
}
