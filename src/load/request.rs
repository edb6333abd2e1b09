//! What is asked.

use std::fmt;
use std::io::Write;

use bytes::Bytes;

/// A request; its body is a list of slices that are sent as they lie.
pub struct Request<'a> {
    method: &'static str,
    path: &'a str,
    headers: Vec<(&'static str, &'a str)>,
    body: Option<Vec<Bytes>>,
}

impl<'a> Request<'a> {
    pub fn new(method: &'static str, path: &'a str) -> Self {
        Self { method, path, headers: Vec::new(), body: None }
    }

    pub fn header(mut self, name: &'static str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn body(mut self, slices: Vec<Bytes>) -> Self {
        self.body = Some(slices);
        self
    }

    pub(super) fn method(&self) -> &'static str {
        self.method
    }

    /// The path and the query.
    pub(super) fn path(&self) -> &'a str {
        self.path
    }

    pub(super) fn headers(&self) -> &[(&'static str, &'a str)] {
        &self.headers
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Writes everything in front of the body into `head`, in place of what was there.
    pub(super) fn write_head(
        &self,
        host: &str,
        authorization: Option<&str>,
        head: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        head.clear();
        write!(head, "{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path)?;
        if let Some(authorization) = authorization {
            write!(head, "Authorization: {authorization}\r\n")?;
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        if let Some(body) = &self.body {
            let length: usize = body.iter().map(Bytes::len).sum();
            write!(head, "Content-Length: {length}\r\n")?;
        }
        head.extend_from_slice(b"\r\n");
        Ok(())
    }

    pub(super) fn slices(&self) -> &[Bytes] {
        self.body.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Request<'_> {
    /// The method and the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
