//! One HTTP/1 connection, blocking, plain or over TLS, with every byte in the test's hands. What comes back is parsed strictly: what the
//! grammar does not allow fails the test.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::{Request, Response};

/// Longer than anything a test waits for on purpose.
const PATIENCE: Duration = Duration::from_secs(40);

pub struct Connection {
    stream: Box<dyn Stream>,
    /// Bytes that came in and were not yet asked for.
    buffer: Vec<u8>,
    /// The peer has ended without saying so: by a reset, or over TLS without `close_notify`.
    is_cut_off: bool,
    host: String,
    configured_headers: Vec<(String, String)>,
}

/// What bytes are written to and read from.
trait Stream: Read + Write + Send {
    fn socket(&self) -> &TcpStream;

    fn session(&self) -> Option<&ClientConnection>;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }

    fn session(&self) -> Option<&ClientConnection> {
        None
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }

    fn session(&self) -> Option<&ClientConnection> {
        Some(&self.conn)
    }
}

/// A status line and the header lines under it.
struct Head {
    version: String,
    status: u16,
    headers: Vec<(String, String)>,
}

impl Connection {
    /// Connects; `configured_headers` are those that every response has to carry.
    pub fn open(address: SocketAddr, configured_headers: Vec<(String, String)>) -> Self {
        let connection = Self::try_open(address).unwrap_or_else(|| panic!("nobody listens on {address}"));
        Self { configured_headers, ..connection }
    }

    /// Connects to a server that may be gone.
    pub fn try_open(address: SocketAddr) -> Option<Self> {
        Some(Self::over(Box::new(connect(address).ok()?), address))
    }

    /// Connects, and shakes hands as this client.
    pub fn open_tls(address: SocketAddr, client: &Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::IpAddress(address.ip().into());
        let mut session = ClientConnection::new(Arc::clone(client), name).map_err(io::Error::other)?;
        let mut socket = connect(address)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self::over(Box::new(StreamOwned::new(session, socket)), address))
    }

    fn over(stream: Box<dyn Stream>, address: SocketAddr) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            is_cut_off: false,
            host: address.to_string(),
            configured_headers: Vec::new(),
        }
    }

    /// What was agreed on in the handshake.
    pub fn session(&self) -> &ClientConnection {
        self.stream.session().unwrap()
    }

    /// Sends the whole request to a server that may end meanwhile; the status of the answer when a whole head came.
    pub fn try_status(mut self, request: &Request) -> Option<u16> {
        self.write_request(request);
        while !self.buffer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            if !self.fill() {
                return None;
            }
        }
        Some(self.read_head().status)
    }

    /// Sends the whole request to a server that may end meanwhile; the answer when all of it came.
    #[track_caller]
    pub fn try_send(&mut self, request: &Request) -> Option<Response> {
        self.write_request(request);
        while !self.has_whole_answer(request) {
            if !self.fill() {
                return None;
            }
        }
        Some(self.read_response(request))
    }

    /// Whether a head, and as many bytes behind it as it says, have come in.
    fn has_whole_answer(&self, request: &Request) -> bool {
        let end = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let Some(head) = end.and_then(|end| self.buffer.get(..end)) else { return false };
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length =
            length.filter(|_| request.method != "HEAD").map_or(0, |text| text.trim().parse().unwrap());
        self.buffer.len() >= head.len() + 4 + length
    }

    /// Sends the whole request and reads its answer.
    #[track_caller]
    pub fn send(&mut self, request: &Request) -> Response {
        self.write_request(request);
        self.read_response(request)
    }

    /// Sends the whole request; false if the server closed before it had all of it. It may answer early and close: that is
    /// no failure here, the answer tells.
    pub fn write_request(&mut self, request: &Request) -> bool {
        let mut bytes = request.head_bytes(&self.host);
        bytes.extend_from_slice(&request.body_bytes());
        self.stream.write_all(&bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Sends the request line and headers alone.
    pub fn write_head(&mut self, request: &Request) {
        let head = request.head_bytes(&self.host);
        self.write(&head);
    }

    /// Sends these bytes and nothing else.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    /// Says that nothing more will be sent; answers can still be read.
    pub fn finish_writing(&self) {
        let _already_closed = self.stream.socket().shutdown(Shutdown::Write);
    }

    /// Reads the final response to `request`, and holds it to the rules that every response of the registry obeys.
    #[track_caller]
    pub fn read_response(&mut self, request: &Request) -> Response {
        let response = self.read_bare_response(request);
        response.check_rules_for_all(&self.configured_headers);
        response
    }

    /// Like [`Connection::read_response`] for what the HTTP layer answers before the registry sees the request.
    #[track_caller]
    pub fn read_bare_response(&mut self, request: &Request) -> Response {
        let mut interim = Vec::new();
        let mut head = self.read_head();
        while head.status < 200 {
            interim.push(head.status);
            head = self.read_head();
        }
        let mut response = Response {
            request: format!("{} {}", request.method, request.target),
            version: head.version,
            status: head.status,
            headers: head.headers,
            body: Vec::new(),
            interim,
        };
        response.body = self.read_body(&response);
        response
    }

    /// Reads one interim response and gives its status.
    #[track_caller]
    pub fn read_interim(&mut self) -> u16 {
        let head = self.read_head();
        assert!(head.status < 200, "a final response, status {}, where an interim one was due", head.status);
        head.status
    }

    /// Whether the peer has ended in a way that nobody could have forged. Only after everything was read.
    pub fn was_closed_cleanly(&self) -> bool {
        !self.is_cut_off
    }

    /// Everything up to the end of the stream, as it came.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// Reads what has come in, and keeps nothing of it.
    #[track_caller]
    pub fn skip_some(&mut self) {
        assert!(self.fill(), "the connection ended");
        self.buffer.clear();
    }

    /// Reads to the end of the stream and keeps nothing of it; how many bytes came.
    pub fn skip_to_end(mut self) -> usize {
        let mut skipped = self.buffer.len();
        self.buffer.clear();
        while self.fill() {
            skipped += self.buffer.len();
            self.buffer.clear();
        }
        skipped
    }

    /// The server has closed, or closes now that nothing more is sent, and sends nothing further.
    #[track_caller]
    pub fn expect_end(mut self) {
        self.finish_writing();
        let rest = self.read_to_end();
        assert!(rest.is_empty(), "bytes after the end of the response: {:?}", String::from_utf8_lossy(&rest));
    }

    /// True when nothing comes in for `time`.
    pub fn stays_silent_for(&mut self, time: Duration) -> bool {
        let socket = self.stream.socket();
        socket.set_read_timeout(Some(time)).unwrap();
        let mut byte = [0; 1];
        let silent = socket.peek(&mut byte).is_err_and(|error| is_timeout(error.kind()));
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        silent && self.buffer.is_empty()
    }

    /// Reads more into the buffer; false at the end of the stream, a reset by the peer included.
    fn fill(&mut self) -> bool {
        let mut block = [0; 64 * 1024];
        match self.stream.read(&mut block) {
            Ok(0) => false,
            Ok(length) => {
                self.buffer.extend_from_slice(&block[..length]);
                true
            }
            Err(error) if is_timeout(error.kind()) => panic!("nothing came for {PATIENCE:?}"),
            Err(_reset) => {
                self.is_cut_off = true;
                false
            }
        }
    }

    fn read_exact(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill(), "the connection ended {} bytes early", length - self.buffer.len());
        }
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut searched = 0;
        loop {
            let window = self.buffer.get(searched..).unwrap_or_default();
            if let Some(found) = window.windows(end.len()).position(|bytes| bytes == end) {
                return self.read_exact(searched + found + end.len());
            }
            searched = self.buffer.len().saturating_sub(end.len() - 1);
            let seen = self.buffer.len();
            assert!(self.fill(), "the connection ended in mid-response: {:?}", &self.buffer[..seen.min(200)]);
        }
    }

    fn read_head(&mut self) -> Head {
        let bytes = self.read_until(b"\r\n\r\n");
        let text = String::from_utf8(bytes).unwrap();
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let (version, status) = parse_status_line(lines.next().unwrap());
        Head { version, status, headers: lines.map(parse_header).collect() }
    }

    fn read_body(&mut self, response: &Response) -> Vec<u8> {
        let length = response.find_header("Content-Length").map(|text| text.parse::<usize>().unwrap());
        let chunked = response.find_header("Transfer-Encoding").map(|coding| assert_eq!(coding, "chunked"));
        if matches!(response.status, 204 | 304) || response.request.starts_with("HEAD ") {
            assert!(chunked.is_none(), "a transfer coding without a body in the answer to {response}");
            assert!(
                response.status != 204 || length.is_none(),
                "204 has no Content-Length, RFC 9110 8.6: {response}"
            );
            return Vec::new();
        }
        match (length, chunked) {
            (Some(length), None) => self.read_exact(length),
            (None, Some(())) => self.read_chunks(response),
            (None, None) => panic!("neither Content-Length nor chunks in the answer to {response}"),
            (Some(_), Some(())) => panic!("Content-Length and chunks in the answer to {response}"),
        }
    }

    fn read_chunks(&mut self, response: &Response) -> Vec<u8> {
        assert!(response.version == "HTTP/1.1", "chunks for an HTTP/1.0 client in the answer to {response}");
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.read_until(b"\r\n")).unwrap();
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            let chunk = self.read_exact(size + 2);
            assert!(chunk.ends_with(b"\r\n"), "a chunk without its end in the answer to {response}");
            if size == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn parse_status_line(line: &str) -> (String, u16) {
    let mut words = line.splitn(3, ' ');
    let version = words.next().unwrap().to_owned();
    assert!(version == "HTTP/1.1" || version == "HTTP/1.0", "a malformed status line: {line:?}");
    let status = words.next().unwrap_or_default();
    assert!(status.len() == 3, "a malformed status line: {line:?}");
    (version, status.parse().unwrap())
}

fn parse_header(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a malformed header line: {line:?}"));
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    assert!(!name.is_empty() && name.chars().all(token), "a malformed header name: {line:?}");
    assert!(
        !value.contains(|c: char| c.is_control() && c != '\t'),
        "a control character in a header: {line:?}"
    );
    (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
