//! HTTP/1.1 (RFC 9112). A request goes out in one vectored write, a body comes in through one buffer.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::iter;
use std::time::Instant;

use rustls::HandshakeKind;

use super::connection::{AnswerSink, PATIENCE, Protocol, Sink, TICK};
use super::encryption::Stream;
use super::response::Framing;
use super::{Failure, Request, Response, Stop, Target};

/// Small enough for the processor's cache, large enough that system calls do not count.
const BUFFER: usize = 256 << 10;

/// A connection on which HTTP/1.1 is spoken.
pub(super) struct Http1 {
    target: Target,
    stop: Stop,
    /// None once nothing more may be asked on it.
    stream: Option<Stream>,
    head: Vec<u8>,
    buffer: Box<[u8]>,
    /// What of the buffer has been received and not been looked at.
    start: usize,
    end: usize,
}

impl Protocol for Http1 {
    fn open(&mut self) -> Result<(), Failure> {
        let stream = self.target.connect(TICK)?;
        (self.stream, self.start, self.end) = (Some(stream), 0, 0);
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    fn handshake(&self) -> Option<HandshakeKind> {
        self.stream.as_ref().and_then(Stream::handshake)
    }

    fn leave(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            stream.say_farewell();
        }
    }

    fn abandon(&mut self) {
        self.stream = None;
    }

    fn exchange(&mut self, request: &Request<'_>, sink: AnswerSink<'_>) -> Result<Response, Failure> {
        let sent = self.send(request);
        let mut response = match (self.read_response(), sent) {
            (Ok(response), Ok(())) => response,
            // It has answered without reading everything; nobody knows what it takes the rest for.
            (Ok(mut response), Err(_)) => {
                response.is_last = true;
                response
            }
            (Err(_), Err(failure)) | (Err(failure), Ok(())) => return Err(failure),
        };
        let status = response.status;
        self.read_body(request, &mut response, &mut |bytes| sink(status, bytes))?;
        Ok(response)
    }
}

impl Http1 {
    pub(super) fn closed(target: &Target, stop: &Stop) -> Self {
        Self {
            target: target.clone(),
            stop: stop.clone(),
            stream: None,
            head: Vec::new(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    fn send(&mut self, request: &Request<'_>) -> Result<(), Failure> {
        let mut head = std::mem::take(&mut self.head);
        request.write_head(self.target.host(), self.target.authorization(), &mut head)?;
        let body = request.slices().iter().map(|slice| IoSlice::new(slice));
        let mut slices: Vec<_> = iter::once(IoSlice::new(&head)).chain(body).collect();
        let sent = self.write_all(&mut slices).and_then(|()| self.flush());
        self.head = head;
        sent
    }

    fn write_all(&mut self, mut slices: &mut [IoSlice<'_>]) -> Result<(), Failure> {
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let written = self.patiently(|stream, _| stream.write_vectored(slices))?;
            IoSlice::advance_slices(&mut slices, written);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.patiently(|stream, _| stream.flush().map(|()| 0)).map(drop)
    }

    /// The head of the answer itself, after those that only say that it is under way (RFC 9110, section 15.2).
    fn read_response(&mut self) -> Result<Response, Failure> {
        loop {
            let response = Response::parse(&self.read_head()?)?;
            if !matches!(response.status, 100..=199) {
                return Ok(response);
            }
        }
    }

    fn read_head(&mut self) -> Result<String, Failure> {
        const END: &[u8] = b"\r\n\r\n";
        loop {
            let received = self.received();
            if let Some(length) = received.windows(END.len()).position(|window| window == END) {
                let head = String::from_utf8_lossy(received.split_at(length).0).into_owned();
                self.start += length + END.len();
                return Ok(head);
            }
            if received.len() == BUFFER {
                return Err(Failure::Malformed("its head is longer than 256 KiB"));
            }
            self.fill()?;
        }
    }

    /// RFC 9112, section 6.3.
    fn read_body(
        &mut self,
        request: &Request<'_>,
        response: &mut Response,
        sink: Sink<'_>,
    ) -> Result<(), Failure> {
        if request.is_head() || matches!(response.status, 204 | 304) {
            return Ok(());
        }
        match response.framing {
            Framing::Length => self.take(response.length, sink)?,
            Framing::Chunks => response.length = self.take_chunks(sink)?,
            Framing::EndOfConnection => {
                response.is_last = true;
                response.length = self.take_rest(sink)?;
            }
        }
        Ok(())
    }

    fn take_chunks(&mut self, sink: Sink<'_>) -> Result<u64, Failure> {
        const MALFORMED: Failure = Failure::Malformed("a chunk has no length");
        let mut total = 0;
        loop {
            let line = self.read_line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = u64::from_str_radix(digits, 16).map_err(|_| MALFORMED)?;
            if length == 0 {
                while !self.read_line()?.trim().is_empty() {}
                return Ok(total);
            }
            self.take(length, sink)?;
            self.read_line()?;
            total += length;
        }
    }

    fn read_line(&mut self) -> Result<String, Failure> {
        const LONGEST: usize = 8 << 10;
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') && line.len() < LONGEST {
            self.take(1, &mut |byte| line.extend_from_slice(byte))?;
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn take(&mut self, mut length: u64, sink: Sink<'_>) -> Result<(), Failure> {
        while length > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let wanted = usize::try_from(length).unwrap_or(usize::MAX);
            let bytes = self.received();
            let bytes = bytes.split_at(wanted.min(bytes.len())).0;
            sink(bytes);
            let taken = bytes.len();
            length -= taken as u64;
            self.start += taken;
        }
        Ok(())
    }

    fn take_rest(&mut self, sink: Sink<'_>) -> Result<u64, Failure> {
        let mut total = 0;
        loop {
            let length = self.received().len() as u64;
            self.take(length, sink)?;
            total += length;
            match self.fill() {
                Ok(()) => {}
                Err(Failure::Connection(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Ok(total);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    fn received(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn fill(&mut self) -> Result<(), Failure> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let end = self.end;
        match self.patiently(|stream, buffer| stream.read(buffer.split_at_mut(end).1))? {
            0 => Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            length => {
                self.end += length;
                Ok(())
            }
        }
    }

    /// Does what may take several ticks, unless it is to stop or nothing comes of it for too long.
    fn patiently(
        &mut self,
        mut act: impl FnMut(&mut Stream, &mut [u8]) -> io::Result<usize>,
    ) -> Result<usize, Failure> {
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected).map_err(io::Error::from)?;
        let mut began = None;
        loop {
            self.stop.check()?;
            match act(stream, &mut self.buffer) {
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if began.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                        return Err(io::Error::from(ErrorKind::TimedOut).into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
