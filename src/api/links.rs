//! URLs that point back here: `Location` and `Link`.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::observe::Transport;
use crate::oci::{Digest, RepositoryName};
use crate::store::PayloadId;

use super::Settings;
use super::headers::text;

/// What is escaped in the values of query strings.
const VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b':');

/// Writes URLs: paths unless the operator wants it otherwise, so that they work behind any proxy.
#[derive(Debug, Clone)]
pub(super) struct Links {
    /// The scheme and the host, or nothing.
    host: String,
    /// The path in front of `/v2/`, without a slash at its end.
    prefix: String,
}

impl Links {
    /// For the answer to a request with these headers that has come like this.
    pub(super) fn new(settings: &Settings, headers: &HeaderMap, transport: Transport) -> Self {
        let host = match &settings.host {
            Some(host) => host.trim_end_matches('/').to_owned(),
            None if settings.relative_urls => String::new(),
            None => origin(headers, transport).unwrap_or_default(),
        };
        Self { host, prefix: settings.prefix.trim_end_matches('/').to_owned() }
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

    /// The scheme and host that the client speaks to, and the URL of the token server there.
    pub(super) fn token_server(&self, parts: &Parts) -> (String, String) {
        let (host, base) = self.origin(parts);
        (host, format!("{base}/v2/token"))
    }

    /// The scheme and host that the client speaks to, and what URLs there begin with, up to `/v2/`.
    pub(super) fn origin(&self, parts: &Parts) -> (String, String) {
        let host = match self.host.as_str() {
            "" => {
                let transport = parts.extensions.get().copied().unwrap_or(Transport::Plain);
                // HTTP/2 has the host in the request's target.
                let authority =
                    || parts.uri.authority().map(|host| format!("{}://{host}", transport.scheme()));
                origin(&parts.headers, transport).or_else(authority).unwrap_or_default()
            }
            host => host.to_owned(),
        };
        let base = format!("{host}{}", self.prefix);
        (host, base)
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

/// How the client has reached this server: as the proxy in front of it says (`Forwarded`, RFC 7239, or else
/// `X-Forwarded-Proto` and `-Host`), or else by the request itself.
fn origin(headers: &HeaderMap, transport: Transport) -> Option<String> {
    const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
    let first = |name| text(headers, name).map(|list| list.split(',').next().unwrap_or_default().trim());
    let (mut scheme, mut host) = (first(X_FORWARDED_PROTO), first(X_FORWARDED_HOST));
    for pair in first(header::FORWARDED).unwrap_or_default().split(';') {
        match pair.trim().split_once('=') {
            Some((key, value)) if key.eq_ignore_ascii_case("proto") => scheme = Some(value.trim_matches('"')),
            Some((key, value)) if key.eq_ignore_ascii_case("host") => host = Some(value.trim_matches('"')),
            _ => {}
        }
    }
    let host = host.or_else(|| text(headers, header::HOST)).filter(|host| is_host(host))?;
    let scheme = scheme.filter(|scheme| ["http", "https"].contains(scheme));
    Some(format!("{}://{host}", scheme.unwrap_or(transport.scheme())))
}

/// Whether a text can be a host with a port: nothing in it ends the URL that is made of it, or the header that this stands in.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn link(settings: &Settings, headers: &[(&'static str, &'static str)]) -> String {
        link_over(Transport::Plain, settings, headers)
    }

    fn link_over(
        transport: Transport,
        settings: &Settings,
        headers: &[(&'static str, &'static str)],
    ) -> String {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let id = "00000000-0000-4000-8000-000000000000".parse().expect("an id");
        let link =
            Links::new(settings, &pairs.collect(), transport).upload(&"a/b".parse().expect("a name"), id);
        link.split_once("a/b").expect("the name").0.to_owned()
    }

    #[test]
    fn a_location_is_a_path_or_begins_as_the_operator_says() {
        let relative = Settings::default();
        let named = Settings { host: Some("https://example.com/".to_owned()), ..Settings::default() };
        let below = Settings { prefix: "/oci/".to_owned(), ..named.clone() };
        let headers = [("host", "internal:5000"), ("x-forwarded-proto", "https")];
        assert_eq!(link(&relative, &headers), "/v2/");
        assert_eq!(link(&named, &headers), "https://example.com/v2/");
        assert_eq!(link(&below, &headers), "https://example.com/oci/v2/");
    }

    #[test]
    fn a_location_can_be_made_from_how_the_request_came() {
        let settings = Settings { relative_urls: false, ..Settings::default() };
        assert_eq!(link(&settings, &[("host", "here:5000")]), "http://here:5000/v2/");
        let encrypted = |headers: &[_]| link_over(Transport::Encrypted, &settings, headers);
        assert_eq!(encrypted(&[("host", "here:5000")]), "https://here:5000/v2/");
        assert_eq!(encrypted(&[("host", "a"), ("x-forwarded-proto", "http")]), "http://a/v2/");
        let proxied =
            [("host", "here:5000"), ("x-forwarded-proto", "https, http"), ("x-forwarded-host", "there")];
        assert_eq!(link(&settings, &proxied), "https://there/v2/");
        let forwarded =
            [("host", "here"), ("forwarded", "for=1.2.3.4;proto=https;host=\"there:8443\", for=2.3.4.5")];
        assert_eq!(link(&settings, &forwarded), "https://there:8443/v2/");
        assert_eq!(link(&settings, &[]), "/v2/");
    }
}
