//! A response, and the questions that tests ask of it. Every question that fails prints the whole exchange.

use serde_json::Value;

/// The error codes of the distribution specification, "Error Codes".
const CODES: [&str; 14] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
];

/// One final HTTP/1 response, with the interim ones that came before it.
#[derive(Clone, Debug)]
pub struct Response {
    /// The request that it answers, for messages: `GET /v2/`.
    pub request: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    pub status: u16,
    /// Names as they came; look them up with [`Response::header`], which ignores case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Statuses of the 1xx responses that came before.
    pub interim: Vec<u16>,
}

impl Response {
    /// The status is `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert!(self.status == status, "expected status {status} in answer to {self}");
        self
    }

    /// The status is `status` and the error body names `code` alone (at least once) with a message.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let response = self.expect(status);
        let codes = response.error_codes();
        assert!(codes.iter().all(|found| found == code), "expected the error {code} in answer to {response}");
        response
    }

    /// Every value of the header, in order.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The header's only value, or `None` when it is absent. Twice is a failure.
    #[track_caller]
    pub fn find_header(&self, name: &str) -> Option<&str> {
        let values = self.headers(name);
        assert!(values.len() <= 1, "{name} is repeated in the answer to {self}");
        values.first().copied()
    }

    /// The header's only value.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.find_header(name).unwrap_or_else(|| panic!("no header {name} in the answer to {self}"))
    }

    /// The header is there once and has this value.
    #[track_caller]
    pub fn expect_header(self, name: &str, value: &str) -> Self {
        assert!(self.header(name) == value, "expected {name}: {value} in the answer to {self}");
        self
    }

    /// The header is not there.
    #[track_caller]
    pub fn expect_no_header(self, name: &str) -> Self {
        assert!(self.headers(name).is_empty(), "expected no {name} in the answer to {self}");
        self
    }

    /// The body is exactly these bytes.
    #[track_caller]
    pub fn expect_body(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        assert!(
            self.body == bytes,
            "expected the body {} ({} bytes) in answer to {self}",
            abbreviate(bytes),
            bytes.len()
        );
        self
    }

    /// `Location`, which by default is a path of this server, never an URL that names a host.
    #[track_caller]
    pub fn location(&self) -> String {
        let location = self.header("Location");
        assert!(
            location.starts_with('/') && !location.starts_with("//"),
            "Location is not a path in the answer to {self}"
        );
        location.to_owned()
    }

    /// The target of the only link, which must be relative and lead to the next page.
    #[track_caller]
    pub fn next_link(&self) -> String {
        let link = self.header("Link");
        let parts = link.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (target, relation) = parts.unwrap_or_else(|| panic!("a malformed link in the answer to {self}"));
        assert!(relation == "; rel=\"next\"", "a link of another relation in the answer to {self}");
        assert!(target.starts_with("/v2/"), "a link that is not relative in the answer to {self}");
        target.to_owned()
    }

    /// How many bytes an upload session holds by its `Range: 0-<last>`. The protocol has one text, `0-0`, for none and for
    /// one byte: it is taken for none.
    #[track_caller]
    pub fn held_bytes(&self) -> usize {
        let last = self.header("Range").strip_prefix("0-").and_then(|last| last.parse::<usize>().ok());
        match last.unwrap_or_else(|| panic!("a malformed range in the answer to {self}")) {
            0 => 0,
            last => last + 1,
        }
    }

    /// `Content-Length` as a number.
    #[track_caller]
    pub fn content_length(&self) -> u64 {
        self.header("Content-Length").parse().unwrap()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}) in the answer to {self}"))
    }

    /// The codes of the error body, in order.
    #[track_caller]
    pub fn error_codes(&self) -> Vec<String> {
        self.errors().iter().map(|error| error["code"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// All messages and details of the error body as one text.
    #[track_caller]
    pub fn error_text(&self) -> String {
        self.errors().iter().map(|error| format!("{} {}\n", error["message"], error["detail"])).collect()
    }

    #[track_caller]
    fn errors(&self) -> Vec<Value> {
        let body = self.json();
        let errors = body["errors"].as_array();
        errors
            .filter(|errors| !errors.is_empty())
            .unwrap_or_else(|| panic!("no errors in the answer to {self}"))
            .clone()
    }

    /// What holds for every response of the registry, whatever was asked.
    #[track_caller]
    pub fn check_rules_for_all(&self, configured_headers: &[(String, String)]) {
        assert!(
            self.header("Docker-Distribution-Api-Version") == "registry/2.0",
            "another API version in the answer to {self}"
        );
        for (name, value) in configured_headers {
            assert!(
                self.headers(name).contains(&value.as_str()),
                "no configured {name} in the answer to {self}"
            );
        }
        if self.status >= 400 && !self.request.starts_with("HEAD ") {
            self.check_error_body();
        }
        assert!(self.headers("Content-Encoding").is_empty(), "a compressed answer to {self}");
    }

    /// Specification, "Error Codes": JSON, at least one entry, a listed code where the client is at fault, and a message that
    /// a person can act on.
    #[track_caller]
    fn check_error_body(&self) {
        let kind = self.header("Content-Type");
        assert!(
            kind.split(';').next() == Some("application/json"),
            "an error that is not JSON in the answer to {self}"
        );
        for error in self.errors() {
            let code = error["code"].as_str().unwrap_or_default();
            let well_formed = !code.is_empty() && code.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            assert!(well_formed, "a malformed error code in the answer to {self}");
            let listed = CODES.contains(&code) || self.status >= 500;
            assert!(listed, "an error code that the specification does not list in the answer to {self}");
            let message = error["message"].as_str().unwrap_or_default();
            assert!(!message.is_empty(), "an error without a message in the answer to {self}");
        }
    }
}

impl std::fmt::Display for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\n  {} {}", self.request, self.version, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "  {name}: {value}")?;
        }
        write!(f, "  {} ({} bytes)", abbreviate(&self.body), self.body.len())
    }
}

/// The first bytes of a body as text, for messages.
fn abbreviate(bytes: &[u8]) -> String {
    const SHOWN: usize = 600;
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    String::from_utf8_lossy(shown).into_owned()
}
