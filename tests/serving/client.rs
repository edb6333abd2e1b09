//! An HTTP/1 client that sends just the bytes that a test gives it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PING: &str = "GET /v2/ HTTP/1.1\r\nHost: registry\r\n\r\n";

pub(crate) trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// One connection.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    end_writing: Box<dyn Fn()>,
}

/// The head of a response, and as much of its body as `Content-Length` says.
pub(crate) struct Response {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let other = stream.try_clone().unwrap();
        Client {
            stream: Box::new(stream),
            unread: Vec::new(),
            end_writing: Box::new(move || other.shutdown(Shutdown::Write).unwrap()),
        }
    }

    pub(crate) fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let other = stream.try_clone().unwrap();
        Client {
            stream: Box::new(stream),
            unread: Vec::new(),
            end_writing: Box::new(move || other.shutdown(Shutdown::Write).unwrap()),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends nothing more; what comes is still read.
    pub(crate) fn end_writing(&self) {
        (self.end_writing)();
    }

    /// Sends a request and reads its response.
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(request);
        self.response()
    }

    pub(crate) fn response(&mut self) -> Response {
        let head = loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break self.take(end + 4);
            }
            assert!(self.read_more(), "the connection ended before a response did");
        };
        let mut response = Response { head, body: String::new() };
        let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            assert!(self.read_more(), "the connection ended before the body did");
        }
        response.body = self.take(length);
        response
    }

    /// All that comes until the other side ends.
    pub(crate) fn rest(mut self) -> String {
        while self.read_more() {}
        let length = self.unread.len();
        self.take(length)
    }

    fn take(&mut self, length: usize) -> String {
        String::from_utf8(self.unread.drain(..length).collect()).unwrap()
    }

    fn read_more(&mut self) -> bool {
        let mut block = [0; 16 * 1024];
        match self.stream.read(&mut block) {
            Ok(length) => {
                self.unread.extend_from_slice(&block[..length]);
                length > 0
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing can be read: {error}"),
        }
    }
}

/// Opens an upload session and gives its location.
pub(crate) fn open_upload(address: SocketAddr) -> String {
    let request = "POST /v2/test/blobs/uploads/ HTTP/1.1\r\nHost: registry\r\nContent-Length: 0\r\n\r\n";
    let response = Client::connect(address).ask(request);
    assert_eq!(response.status(), 202, "{}", response.head);
    response.header("location").unwrap().to_owned()
}

/// The head of a PATCH that will send so many bytes.
pub(crate) fn patch(location: &str, length: usize) -> String {
    format!(
        "PATCH {location} HTTP/1.1\r\nHost: registry\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    )
}
