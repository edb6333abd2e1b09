//! A request as it will go over the wire: nothing is added that the test did not ask for, `Host` and the body's framing
//! excepted.

/// One HTTP/1 request. Built up by value: `Request::put(path).header("Content-Type", kind).body(bytes)`.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    version: &'static str,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// No body and no header that would speak of one.
    None,
    /// A body announced by `Content-Length`.
    Sized(Vec<u8>),
    /// A body in these chunks, without `Content-Length`.
    Chunked(Vec<Vec<u8>>),
    /// `Content-Length` alone: the test writes the body itself, or does not.
    Announced(u64),
}

impl Request {
    /// A request without a body; POST, PUT and PATCH say `Content-Length: 0`, as clients do.
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        let body = match method {
            "POST" | "PUT" | "PATCH" => Body::Sized(Vec::new()),
            _ => Body::None,
        };
        Self {
            method: method.to_owned(),
            target: target.into(),
            version: "HTTP/1.1",
            headers: Vec::new(),
            body,
        }
    }

    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    pub fn head(target: impl Into<String>) -> Self {
        Self::new("HEAD", target)
    }

    pub fn post(target: impl Into<String>) -> Self {
        Self::new("POST", target)
    }

    pub fn put(target: impl Into<String>) -> Self {
        Self::new("PUT", target)
    }

    pub fn patch(target: impl Into<String>) -> Self {
        Self::new("PATCH", target)
    }

    pub fn delete(target: impl Into<String>) -> Self {
        Self::new("DELETE", target)
    }

    /// Adds a header line; a name given twice is sent twice.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Whether it has a header of this name.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    /// The body, announced by its `Content-Length`.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Sized(bytes.into());
        self
    }

    /// The body in chunks of its own choice, without `Content-Length`.
    pub fn chunked<C: AsRef<[u8]>>(mut self, chunks: impl IntoIterator<Item = C>) -> Self {
        self.body = Body::Chunked(chunks.into_iter().map(|chunk| chunk.as_ref().to_vec()).collect());
        self
    }

    /// Announces `length` bytes and sends none of them.
    pub fn announcing(mut self, length: u64) -> Self {
        self.body = Body::Announced(length);
        self
    }

    /// Sends neither a body nor a header that speaks of one.
    pub fn without_body(mut self) -> Self {
        self.body = Body::None;
        self
    }

    pub fn http_1_0(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// The request line and headers, blank line included.
    pub fn head_bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {host}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match &self.body {
            Body::None => {}
            Body::Sized(bytes) => head.push_str(&format!("Content-Length: {}\r\n", bytes.len())),
            Body::Chunked(_) => head.push_str("Transfer-Encoding: chunked\r\n"),
            Body::Announced(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The body as it goes over the wire, chunk framing included.
    pub fn body_bytes(&self) -> Vec<u8> {
        match &self.body {
            Body::None | Body::Announced(_) => Vec::new(),
            Body::Sized(bytes) => bytes.clone(),
            Body::Chunked(chunks) => {
                let mut wire = Vec::new();
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    wire.extend_from_slice(chunk);
                    wire.extend_from_slice(b"\r\n");
                }
                wire.extend_from_slice(b"0\r\n\r\n");
                wire
            }
        }
    }
}
