//! An upload session as a client sees it: it follows the `Location` of each answer.

use super::{Registry, Request, Response};

pub struct Upload<'a> {
    registry: &'a Registry,
    /// Where the next request goes: the newest `Location`.
    pub location: String,
}

impl<'a> Upload<'a> {
    pub fn at(registry: &'a Registry, location: String) -> Self {
        Self { registry, location }
    }

    /// The session's URL with `digest` added, as the closing PUT needs it.
    pub fn closing(&self, digest: &str) -> String {
        let separator = if self.location.contains('?') { '&' } else { '?' };
        format!("{}{separator}digest={digest}", self.location)
    }

    /// Appends a chunk without saying where it belongs.
    #[track_caller]
    pub fn patch(&mut self, bytes: impl Into<Vec<u8>>) -> Response {
        let request = Request::patch(&self.location).body(bytes);
        self.send(request)
    }

    /// Sends a chunk with `Content-Range: <range>`.
    #[track_caller]
    pub fn patch_range(&mut self, range: &str, bytes: impl Into<Vec<u8>>) -> Response {
        let request = Request::patch(&self.location).header("Content-Range", range).body(bytes);
        self.send(request)
    }

    /// Closes the session with the last bytes, which may be none.
    #[track_caller]
    pub fn put(&mut self, digest: &str, bytes: impl Into<Vec<u8>>) -> Response {
        let request = Request::put(self.closing(digest)).body(bytes);
        self.send(request)
    }

    /// Closes the session with a last chunk that says where it belongs.
    #[track_caller]
    pub fn put_range(&mut self, digest: &str, range: &str, bytes: impl Into<Vec<u8>>) -> Response {
        let request = Request::put(self.closing(digest)).header("Content-Range", range).body(bytes);
        self.send(request)
    }

    #[track_caller]
    pub fn status(&self) -> Response {
        self.registry.get(&self.location)
    }

    #[track_caller]
    pub fn cancel(&self) -> Response {
        self.registry.delete(&self.location)
    }

    /// The session holds exactly this many bytes. (`0-0` stands for none and for one: the protocol leaves no other way.)
    #[track_caller]
    pub fn expect_offset(&self, bytes: u64) {
        let last = bytes.saturating_sub(1);
        self.status().expect(204).expect_header("Range", &format!("0-{last}"));
    }

    /// Sends a request of any shape; an answer 202 moves the session to its `Location`.
    #[track_caller]
    pub fn send(&mut self, request: Request) -> Response {
        let response = self.registry.send(request);
        if response.status == 202 {
            self.location = response.location();
        }
        response
    }
}
