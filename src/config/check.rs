//! Checks of single texts: addresses, URLs, prefixes, headers. Each says what is wrong and how to write it.

/// Accepts a text, perhaps in another form, or says what is wrong with it.
pub(super) type Check = fn(&str) -> Result<String, String>;

/// Headers that the server itself sets, because they frame the message or because clients act on them.
const OWN_HEADERS: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "docker-content-digest",
    "docker-upload-uuid",
    "keep-alive",
    "location",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const EMPTY: &str = "an empty text is none: leave the key out for the default";

/// Any text but an empty one.
pub(super) fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err(EMPTY.to_owned()) } else { Ok(text.to_owned()) }
}

/// A path of a folder. U+FFFD stands for what was no Unicode: such a path would not be the one that was meant.
pub(super) fn folder(text: &str) -> Result<String, String> {
    if text.contains(['\0', '\u{fffd}']) {
        return Err("the path must be UTF-8, without NUL".to_owned());
    }
    not_empty(text)
}

/// A path of a file.
pub(super) fn file(text: &str) -> Result<String, String> {
    folder(text)
}

/// A path of a file, or nothing.
pub(super) fn file_if_any(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { file(text) }
}

pub(super) const REQUIRE_CLIENT_CERT: &str = "require-and-verify-client-cert";
pub(super) const VERIFY_CLIENT_CERT: &str = "verify-client-cert-if-given";

/// What is asked of clients' certificates; nothing stands for the default, as in distribution.
pub(super) fn client_auth(text: &str) -> Result<String, String> {
    match text {
        "" => Ok(REQUIRE_CLIENT_CERT.to_owned()),
        REQUIRE_CLIENT_CERT | VERIFY_CLIENT_CERT => Ok(text.to_owned()),
        "require-any-client-cert" => Err(unverified(text, REQUIRE_CLIENT_CERT)),
        "request-client-cert" => Err(unverified(text, VERIFY_CLIENT_CERT)),
        _ => Err(format!("{text:?} is not known: write {REQUIRE_CLIENT_CERT} or {VERIFY_CLIENT_CERT}")),
    }
}

fn unverified(text: &str, instead: &str) -> String {
    format!("{text} takes certificates that nobody has signed, which proves nothing: write {instead}")
}

pub(super) const TLS_1_2: &str = "tls1.2";
pub(super) const TLS_1_3: &str = "tls1.3";

/// A version of TLS; nothing stands for the default, as in distribution.
pub(super) fn minimum_tls(text: &str) -> Result<String, String> {
    match text {
        "" => Ok(TLS_1_2.to_owned()),
        TLS_1_2 | TLS_1_3 => Ok(text.to_owned()),
        "tls1.0" | "tls1.1" => {
            Err(format!("{text} is broken and not spoken any more: the least is {TLS_1_2}"))
        }
        _ => Err(format!("{text:?} is no version of TLS: write {TLS_1_2} or {TLS_1_3}")),
    }
}

/// The cipher suites that there are, under the names of the IANA, which Go and distribution use. Those of TLS 1.3 have no
/// `_WITH_`.
pub(crate) const CIPHER_SUITES: [&str; 9] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// The name of a cipher suite.
pub(super) fn cipher_suite(text: &str) -> Result<String, String> {
    match CIPHER_SUITES.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not spoken: there are {}", CIPHER_SUITES.join(", "))),
    }
}

/// The production directory of Let's Encrypt.
pub(super) const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The directory of an ACME server; nothing stands for Let's Encrypt, as in distribution.
pub(super) fn directory_url(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(LETS_ENCRYPT.to_owned());
    }
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'[';
    let host = text.strip_prefix("https://").and_then(|rest| rest.bytes().next());
    match host.is_some_and(is_host) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no directory of an ACME server: write it like {LETS_ENCRYPT}")),
    }
}

/// An address of mail, or nothing.
pub(super) fn email_if_any(text: &str) -> Result<String, String> {
    let is_address = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b",?&".contains(&byte));
    match text.is_empty() || (is_address && is_plain) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no address of mail: write one, like operator@example.com")),
    }
}

/// The name of a host that a certificate can be ordered for, in lower case.
pub(super) fn public_host(text: &str) -> Result<String, String> {
    let malformed = |why: &str| Err(format!("{text:?} cannot be ordered for: {why}"));
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !text.is_ascii() {
        return malformed("write it as the domain name system has it, with xn--");
    }
    if text.contains('*') {
        return malformed("a wildcard cannot be proved on this server's port, so name each host");
    }
    if text.contains(['/', ':']) {
        return malformed("write the host alone, without https:// before it and without a port");
    }
    if text.parse::<std::net::Ipv4Addr>().is_ok() {
        return malformed("it is an address, so write the name that leads to it");
    }
    if text.len() > 253 || !text.split('.').all(is_label) {
        return malformed("letters, digits and - between dots make a name, like registry.example.com");
    }
    Ok(text.to_ascii_lowercase())
}

/// An address, or nothing.
pub(super) fn address_if_any(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { address(text) }
}

/// An absolute URL, or nothing.
pub(super) fn url_if_any(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { url(text) }
}

/// A path of a file, or nothing.
pub(super) fn path_if_any(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { folder(text) }
}

/// A path of a file, a URL from which keys may be fetched, or nothing.
pub(super) fn jwks(text: &str) -> Result<String, String> {
    if text.starts_with("https://") || text.starts_with("http://") {
        issuer_url(text)
    } else {
        path_if_any(text)
    }
}

/// A text that can stand between quotes in a header, or nothing.
pub(super) fn quotable(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    match text.bytes().all(allowed) {
        true => Ok(text.to_owned()),
        false => {
            Err("clients get it in a header: visible ASCII without \" and \\ can stand there".to_owned())
        }
    }
}

/// What people log in to, as a challenge names it.
pub(super) fn htpasswd_realm(text: &str) -> Result<String, String> {
    match text {
        "" => Err("it must not be empty".to_owned()),
        _ => quotable(text),
    }
}

/// Whether a realm names a way to log in. Some clients look for these words in the whole challenge.
pub(super) fn names_a_scheme(realm: &str) -> bool {
    let is_scheme = |word: &str| word.eq_ignore_ascii_case("basic") || word.eq_ignore_ascii_case("bearer");
    realm.split(|c: char| !c.is_ascii_alphanumeric()).any(is_scheme)
}

/// A URL that clients get tokens from, or nothing.
pub(super) fn realm(text: &str) -> Result<String, String> {
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    if text.is_empty() || (is_url && !text.contains(' ')) {
        return quotable(text);
    }
    Err("a URL begins with https:// or http://: write it like https://auth.example.com/token".to_owned())
}

/// A path of a URL, which begins with `/`.
pub(super) fn url_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && !text.contains([' ', '?', '#']) {
        return quotable(text);
    }
    Err(format!("{text:?} is no path of a URL: write it like /auth/token"))
}

/// The path of metrics on the debug listener, which has others.
pub(super) fn metrics_path(text: &str) -> Result<String, String> {
    match text {
        "/livez" | "/readyz" | "/debug/health" => {
            Err(format!("{text} answers probes: choose another path, such as /metrics"))
        }
        text => url_path(text).map_err(|_| format!("{text:?} is no path of a URL: write it like /metrics")),
    }
}

/// A name of letters, digits, `.`, `_` and `-`.
pub(super) fn word(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match !text.is_empty() && text.bytes().all(allowed) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no name: letters, digits, `.`, `_` and `-` make one")),
    }
}

/// A URL from which keys may be fetched, left as it is written.
pub(super) fn issuer_url(text: &str) -> Result<String, String> {
    let is_graphic =
        text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['#', '@', '\\', '"']);
    let host = |scheme: &str| text.strip_prefix(scheme).and_then(|rest| rest.split(['/', '?']).next());
    match (host("https://"), host("http://")) {
        (Some(host), _) if is_graphic && !host.is_empty() => Ok(text.to_owned()),
        (_, Some(host)) if is_graphic && is_loopback(host) => Ok(text.to_owned()),
        (_, Some(_)) => {
            Err("keys that come over plain http cannot be trusted: give an https:// URL".to_owned())
        }
        _ => Err(format!("{text:?} is no URL: write it like https://login.example.com")),
    }
}

/// A URL to which something may be sent.
pub(super) fn http_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?']).next()).filter(|host| !host.is_empty());
    match host.is_some() && text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#') {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no URL: write it like https://listener.example.com/events")),
    }
}

/// A URL to which something may be sent, or nothing.
pub(super) fn http_url_if_any(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { http_url(text) }
}

/// A share of a whole.
pub(super) fn share(text: &str) -> Result<String, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(text.to_owned()),
        _ => Err(format!("{text:?} is no share: write a number from 0 to 1, such as 0.1")),
    }
}

/// A URL that is asked whether something else is well.
pub(super) fn probed_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    match text.bytes().all(|byte| byte.is_ascii_graphic()) && !host.is_empty() {
        true if host.contains('@') => {
            Err("what logs in there stands in headers: {Authorization: [...]}, not in the URL".to_owned())
        }
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no URL: write it like http://db.example.com/health")),
    }
}

/// Whether a host, perhaps with a port, is this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// `HOST:PORT`, `:PORT` or `[IPv6]:PORT`.
pub(super) fn address(text: &str) -> Result<String, String> {
    let malformed = |why: &str| format!("{text:?} is not an address: {why}");
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') {
        return Err(malformed("write HOST:PORT, [IPv6]:PORT or :PORT, without http:// before it"));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| malformed("the port is missing, as in :5000"))?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err() {
        return Err(malformed("the port must be a number from 0 to 65535"));
    }
    match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(Some(ip)) if is_ipv6(ip) => Ok(text.to_owned()),
        Some(_) => Err(malformed("between [ and ] stands no IPv6 address")),
        None if host.contains([':', ']']) => {
            Err(malformed("an IPv6 address is written in [ ], as in [::1]:5000"))
        }
        None => Ok(text.to_owned()),
    }
}

/// An IPv6 address, perhaps with a zone.
fn is_ipv6(text: &str) -> bool {
    let ip = text.split_once('%').map_or(text, |(ip, _)| ip);
    ip.parse::<std::net::Ipv6Addr>().is_ok()
}

/// An absolute URL; the `/` at its end is dropped.
fn url(text: &str) -> Result<String, String> {
    let malformed = |why: &str| format!("{why}: write it like https://registry.example.com");
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or_else(|| malformed("a URL begins with https:// or http://"))?;
    let host = rest.split('/').next().unwrap_or_default();
    if host.is_empty() {
        return Err(malformed("the URL names no host"));
    }
    if rest.contains(['?', '#', '@', '\\']) || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(malformed("the URL may hold a host, a port and a path, and nothing else"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A prefix of paths, made to begin and end with `/`.
pub(super) fn prefix(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    if !text.bytes().all(allowed) {
        return Err(format!("{text:?} is not a prefix: letters, digits and -._~ between slashes make one"));
    }
    let parts: Vec<&str> = text.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        [""] => Ok("/".to_owned()),
        parts if parts.iter().any(|part| matches!(*part, "" | "." | "..")) => {
            Err(format!("{text:?} is not a prefix: //, /./ and /../ cannot stand in it"))
        }
        parts => Ok(format!("/{}/", parts.join("/"))),
    }
}

/// Permission bits in octal, such as `0660`.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal =
        !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if octal && mode <= 0o777 => Ok(mode),
        _ => Err(format!("{text:?} is not a mode: write it in octal, as in \"0660\"")),
    }
}

/// A name for a header that every response gets; `again` says that it was given before.
pub(super) fn header_name(name: &str, again: bool) -> Result<(), String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(format!("{name:?} is not the name of a header"));
    }
    if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err("the registry itself sets this header".to_owned());
    }
    if again {
        return Err(
            "the header was given before, spelt with other capitals: list its values in one place".to_owned()
        );
    }
    Ok(())
}

/// A value for a header: visible ASCII with spaces and tabs between.
pub(super) fn header_value(value: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t';
    if value.bytes().all(allowed) && value.trim() == value {
        return Ok(());
    }
    Err("a header's value is visible ASCII, without line breaks, and without blanks at its ends".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for text in
            [":5000", "127.0.0.1:0", "localhost:5000", "[::1]:5000", "[fe80::1%eth0]:5000", "0.0.0.0:65535"]
        {
            assert_eq!(address(text), Ok(text.to_owned()));
        }
        for (text, reason) in [
            ("5000", "the port is missing"),
            ("localhost", "the port is missing"),
            ("localhost:", "from 0 to 65535"),
            ("localhost:http", "from 0 to 65535"),
            (":65536", "from 0 to 65535"),
            (":+80", "from 0 to 65535"),
            ("::1:5000", "in [ ]"),
            ("[::1:5000", "no IPv6 address"),
            ("[example]:5000", "no IPv6 address"),
            ("http://localhost:5000", "without http://"),
            ("local host:5000", "write HOST:PORT"),
        ] {
            let message = address(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }

    #[test]
    fn a_host_is_an_absolute_url_without_a_slash_at_its_end() {
        assert_eq!(url("https://r.example.com/"), Ok("https://r.example.com".to_owned()));
        assert_eq!(
            url("http://r.example.com:5000/images"),
            Ok("http://r.example.com:5000/images".to_owned())
        );
        for text in [
            "r.example.com",
            "https://",
            "ftp://x",
            "https://u:p@x",
            "https://x?y",
            "https://x y",
            "https:///x",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_way_of_asking_for_certificates_that_proves_nothing_is_refused_with_the_one_to_use() {
        assert_eq!(client_auth("").as_deref(), Ok("require-and-verify-client-cert"));
        for (text, instead) in [
            ("request-client-cert", "write verify-client-cert-if-given"),
            ("require-any-client-cert", "write require-and-verify-client-cert"),
            ("none", "write require-and-verify-client-cert or verify-client-cert-if-given"),
        ] {
            let message = client_auth(text).unwrap_err();
            assert!(message.ends_with(instead), "{message}");
        }
    }

    #[test]
    fn tls_before_1_2_is_refused() {
        assert_eq!(minimum_tls("").as_deref(), Ok("tls1.2"));
        assert_eq!(minimum_tls("tls1.3").as_deref(), Ok("tls1.3"));
        for text in ["tls1.0", "tls1.1"] {
            let message = minimum_tls(text).unwrap_err();
            assert!(message.ends_with("the least is tls1.2"), "{message}");
        }
        assert!(minimum_tls("1.2").is_err());
    }

    #[test]
    fn a_cipher_suite_that_is_not_spoken_is_refused_with_those_that_are() {
        assert!(cipher_suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256").is_ok());
        let message = cipher_suite("TLS_RSA_WITH_RC4_128_SHA").unwrap_err();
        assert!(message.contains("there are TLS_AES_256_GCM_SHA384, "), "{message}");
    }

    #[test]
    fn a_host_that_no_certificate_can_be_ordered_for_is_refused_with_what_to_write() {
        assert_eq!(public_host("Registry.Example.com"), Ok("registry.example.com".to_owned()));
        for (host, advice) in [
            ("*.example.com", "name each host"),
            ("https://a.example.com", "write the host alone"),
            ("a.example.com:443", "write the host alone"),
            ("[::1]", "write the host alone"),
            ("192.0.2.1", "write the name that leads to it"),
            ("bücher.example", "xn--"),
            ("", "like registry.example.com"),
            ("a..example", "like registry.example.com"),
            ("-a.example", "like registry.example.com"),
            ("a_b.example", "like registry.example.com"),
        ] {
            let message = public_host(host).unwrap_err();
            assert!(message.contains(advice), "{message}");
        }
    }

    #[test]
    fn the_directory_of_an_acme_server_is_an_https_url_and_nothing_is_lets_encrypt() {
        assert_eq!(directory_url(""), Ok(LETS_ENCRYPT.to_owned()));
        for url in [LETS_ENCRYPT, "https://127.0.0.1:14000/dir", "https://[::1]/acme/", "https://ca/?a=b"] {
            assert_eq!(directory_url(url), Ok(url.to_owned()));
        }
        for url in ["http://ca.example/dir", "https://", "https:///dir", "ca.example", "https://a b"] {
            assert!(directory_url(url).unwrap_err().contains(LETS_ENCRYPT), "{url}");
        }
    }

    #[test]
    fn an_address_of_mail_has_a_name_and_a_host() {
        for address in ["", "operator@example.com"] {
            assert_eq!(email_if_any(address), Ok(address.to_owned()));
        }
        for address in ["operator", "@example.com", "a@", "a b@c", "a@b,c@d"] {
            assert!(email_if_any(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_prefix_begins_and_ends_with_a_slash() {
        for (text, normal) in [("/", "/"), ("//", "/"), ("a", "/a/"), ("/a/b", "/a/b/"), ("/a/b/", "/a/b/")] {
            assert_eq!(prefix(text), Ok(normal.to_owned()), "{text}");
        }
        for text in ["/a//b", "/../a", "/a/.", "/a b", "/a?b", "/ä", "/%41"] {
            assert!(prefix(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mode_is_octal() {
        assert_eq!(mode("0660"), Ok(0o660));
        assert_eq!(mode("660"), Ok(0o660));
        assert_eq!(mode("0o600"), Ok(0o600));
        for text in ["", "0o", "888", "1777", "rw", "-1", "+60"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_that_would_break_a_response_are_refused() {
        assert_eq!(header_name("X-Content-Type-Options", false), Ok(()));
        for name in ["", "X Y", "X:Y", "X\n", "Content-Length", "transfer-encoding", "É"] {
            assert!(header_name(name, false).is_err(), "{name:?}");
        }
        assert!(header_name("X-Y", true).is_err());
        assert_eq!(header_value("max-age=1; includeSubDomains"), Ok(()));
        for value in ["a\r\nb", "a\0", " a", "a ", "ä"] {
            assert!(header_value(value).is_err(), "{value:?}");
        }
    }
}
