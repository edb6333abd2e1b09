//! URLs that point back here: `Location` and `Link`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::oci::{Digest, RepositoryName};
use crate::store::PayloadId;

/// What is escaped in the values of query strings.
const VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b':');

/// Writes URLs: relative to the host unless the operator has named one, so that they work behind any proxy.
#[derive(Debug)]
pub(super) struct Links {
    /// The host, or nothing.
    host: String,
    /// The path in front of `/v2/`, without a slash at its end.
    prefix: String,
}

impl Links {
    pub(super) fn new(host: Option<&str>, prefix: &str) -> Self {
        Self {
            host: host.unwrap_or_default().trim_end_matches('/').to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
        }
    }

    pub(super) fn blob(&self, repository: &RepositoryName, digest: &Digest) -> String {
        format!("{}{}/v2/{repository}/blobs/{digest}", self.host, self.prefix)
    }

    pub(super) fn manifest(&self, repository: &RepositoryName, digest: &Digest) -> String {
        format!("{}{}/v2/{repository}/manifests/{digest}", self.host, self.prefix)
    }

    pub(super) fn upload(&self, repository: &RepositoryName, id: PayloadId) -> String {
        format!("{}{}/v2/{repository}/blobs/uploads/{id}", self.host, self.prefix)
    }

    /// A `Link` to the next page: always relative, for some clients follow no other.
    pub(super) fn next_page(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let pairs: Vec<String> = parameters
            .iter()
            .map(|(key, value)| format!("{key}={}", utf8_percent_encode(value, VALUE)))
            .collect();
        format!("<{}/v2/{path}?{}>; rel=\"next\"", self.prefix, pairs.join("&"))
    }
}
