//! What matters of an answer's head.

use hyper::http::response::Parts;

use super::Failure;

/// The head of an answer (RFC 9112), and how long its body was.
#[derive(Debug, Default)]
pub struct Response {
    pub status: u16,
    /// The length of the body; for HEAD the one that was announced.
    pub length: u64,
    /// Where `Location` leads to on this server: path and query.
    location: Option<String>,
    pub(super) framing: Framing,
    /// Nothing more may be asked on this connection.
    pub(super) is_last: bool,
}

/// Where a body ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunks,
    #[default]
    EndOfConnection,
}

impl Response {
    /// `Location`, which has to be there.
    pub fn into_location(self) -> Result<String, Failure> {
        self.location.ok_or(Failure::Malformed("an upload has to be given a Location"))
    }

    /// Of HTTP/2, where frames tell the end of a body.
    pub(super) fn of_head(head: &Parts) -> Result<Self, Failure> {
        let mut response = Self { status: head.status.as_u16(), ..Self::default() };
        for (name, value) in &head.headers {
            response.take_header(name.as_str(), value.to_str().unwrap_or_default())?;
        }
        Ok(response)
    }

    pub(super) fn parse(head: &str) -> Result<Self, Failure> {
        let mut lines = head.split("\r\n");
        let mut response = Self::parse_status(lines.next().unwrap_or_default())?;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            response.take_header(name, value.trim())?;
        }
        Ok(response)
    }

    fn parse_status(line: &str) -> Result<Self, Failure> {
        const MALFORMED: Failure = Failure::Malformed("the status line is none of HTTP/1");
        let rest = line.strip_prefix("HTTP/1.").ok_or(MALFORMED)?;
        let status = rest.get(2..5).and_then(|digits| digits.parse().ok()).ok_or(MALFORMED)?;
        Ok(Self { status, is_last: rest.starts_with('0'), ..Self::default() })
    }

    fn take_header(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        if name.eq_ignore_ascii_case("content-length") {
            self.length = value.parse().map_err(|_| Failure::Malformed("Content-Length is no number"))?;
            if self.framing != Framing::Chunks {
                self.framing = Framing::Length;
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.framing = Framing::Chunks;
        } else if name.eq_ignore_ascii_case("connection") {
            self.is_last |= value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("location") {
            self.location = Some(path_of(value).to_owned());
        }
        Ok(())
    }
}

/// What is behind scheme and host, where they are there.
fn path_of(location: &str) -> &str {
    let Some((_, rest)) = location.split_once("://") else {
        return location;
    };
    rest.find('/').map_or("/", |at| &rest[at..])
}
