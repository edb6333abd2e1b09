//! One HTTP/1.1 connection, kept alive. A request goes out in one vectored write, a body comes in through one buffer.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::iter;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Small enough for the processor's cache, large enough that system calls do not count.
const BUFFER: usize = 256 << 10;

/// An answer that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request; its body is a list of slices that are sent as they lie.
pub struct Request<'a> {
    method: &'static str,
    path: &'a str,
    headers: Vec<(&'static str, &'a str)>,
    body: Option<Vec<IoSlice<'a>>>,
}

impl<'a> Request<'a> {
    pub fn new(method: &'static str, path: &'a str) -> Self {
        Self { method, path, headers: Vec::new(), body: None }
    }

    pub fn header(mut self, name: &'static str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn body(mut self, slices: Vec<IoSlice<'a>>) -> Self {
        self.body = Some(slices);
        self
    }

    fn write_head(&self, host: &str, head: &mut Vec<u8>) -> io::Result<()> {
        head.clear();
        write!(head, "{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path)?;
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        if let Some(body) = &self.body {
            let length: usize = body.iter().map(|slice| slice.len()).sum();
            write!(head, "Content-Length: {length}\r\n")?;
        }
        head.extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// What matters of an answer's head.
#[derive(Debug, Default)]
pub struct Response {
    pub status: u16,
    /// The length of the body; for HEAD the one that was announced.
    pub length: u64,
    /// Where `Location` leads to on this server: path and query.
    pub location: Option<String>,
    is_chunked: bool,
}

impl Response {
    /// The answer, if it has this status.
    pub fn expect(self, status: u16) -> io::Result<Self> {
        match self.status == status {
            true => Ok(self),
            false => Err(io::Error::other(format!("expected status {status}, got {self:?}"))),
        }
    }

    /// The answer, if its body has this length.
    pub fn expect_length(self, length: u64) -> io::Result<Self> {
        match self.length == length {
            true => Ok(self),
            false => Err(io::Error::other(format!("expected {length} bytes, got {self:?}"))),
        }
    }

    /// `Location`, which has to be there.
    pub fn into_location(self) -> io::Result<String> {
        let Self { status, location, .. } = self;
        location.ok_or_else(|| io::Error::other(format!("an answer with status {status} has no Location")))
    }

    fn parse(head: &str) -> io::Result<Self> {
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)).and_then(|digits| digits.parse().ok());
        let mut response = Self { status: status.ok_or(ErrorKind::InvalidData)?, ..Self::default() };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                response.length = value.parse().map_err(io::Error::other)?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                response.is_chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("location") {
                response.location = Some(path_of(value).to_owned());
            }
        }
        Ok(response)
    }
}

/// What is behind scheme and host, where they are there.
fn path_of(location: &str) -> &str {
    let Some((_, rest)) = location.split_once("://") else {
        return location;
    };
    rest.find('/').map_or("/", |at| &rest[at..])
}

/// A connection.
pub struct Connection {
    stream: TcpStream,
    host: String,
    head: Vec<u8>,
    buffer: Box<[u8]>,
    /// What of the buffer has been received and not been looked at.
    start: usize,
    end: usize,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Ok(Self { stream, host: address.to_string(), head: Vec::new(), buffer, start: 0, end: 0 })
    }

    /// Sends a request and throws the body of its answer away.
    pub fn send(&mut self, request: Request<'_>) -> io::Result<Response> {
        self.exchange(request, &mut |_| ())
    }

    /// Sends a request and hands the body of its answer on, piece by piece.
    pub fn exchange(&mut self, request: Request<'_>, sink: &mut dyn FnMut(&[u8])) -> io::Result<Response> {
        let is_head = request.method == "HEAD";
        request.write_head(&self.host, &mut self.head)?;
        let body = request.body.unwrap_or_default();
        let mut slices: Vec<_> = iter::once(IoSlice::new(&self.head)).chain(body).collect();
        write_all(&mut self.stream, &mut slices)?;
        let mut response = Response::parse(&self.read_head()?)?;
        let has_body = !is_head && !matches!(response.status, 204 | 304);
        match (has_body, response.is_chunked) {
            (false, _) => {}
            (true, false) => self.take(response.length, sink)?,
            (true, true) => response.length = self.take_chunks(sink)?,
        }
        Ok(response)
    }

    fn read_head(&mut self) -> io::Result<String> {
        const END: &[u8] = b"\r\n\r\n";
        loop {
            let received = &self.buffer[self.start..self.end];
            if let Some(length) = received.windows(END.len()).position(|window| window == END) {
                let head = String::from_utf8_lossy(&received[..length]).into_owned();
                self.start += length + END.len();
                return Ok(head);
            }
            self.fill()?;
        }
    }

    fn take_chunks(&mut self, sink: &mut dyn FnMut(&[u8])) -> io::Result<u64> {
        let mut total = 0;
        loop {
            let line = self.read_line()?;
            let length = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            self.take(length, sink)?;
            self.read_line()?;
            total += length;
            if length == 0 {
                return Ok(total);
            }
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            self.take(1, &mut |byte| line.extend_from_slice(byte))?;
        }
        String::from_utf8(line).map_err(io::Error::other)
    }

    fn take(&mut self, mut length: u64, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        while length > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let wanted = usize::try_from(length).unwrap_or(usize::MAX);
            let end = self.start.saturating_add(wanted).min(self.end);
            sink(&self.buffer[self.start..end]);
            length -= (end - self.start) as u64;
            self.start = end;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        match self.stream.read(&mut self.buffer[self.end..])? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            length => {
                self.end += length;
                Ok(())
            }
        }
    }
}

fn write_all(stream: &mut TcpStream, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let written = stream.write_vectored(slices)?;
        IoSlice::advance_slices(&mut slices, written);
    }
    Ok(())
}
