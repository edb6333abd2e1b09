//! HTTP/2 (RFC 9113), one stream at a time. A runtime of its own drives a connection while somebody waits for an answer on it.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;
use std::vec;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Uri;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connection::{AnswerSink, PATIENCE, Protocol, Sink, TICK};
use super::{Failure, Request, Response, Stop, Target};

// What Go's client announces, which docker, containerd, buildkit, skopeo and podman are made with (`net/http`:
// `transportDefaultStreamFlow`, `transportDefaultConnFlow`, and the smallest frames that there are).
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 1 << 30;
const FRAME: u32 = 16 << 10;

/// A connection on which HTTP/2 is spoken: over TLS if that is agreed on by ALPN, else with prior knowledge.
pub(super) struct Http2 {
    target: Target,
    stop: Stop,
    /// None once nothing more may be asked on it. Nothing of a session moves but while its runtime waits for something.
    session: Option<(Runtime, Session)>,
}

struct Session {
    sender: SendRequest<Slices>,
    /// Ends when the connection does.
    driver: JoinHandle<hyper::Result<()>>,
    handshake: Option<HandshakeKind>,
}

impl Http2 {
    pub(super) fn closed(target: &Target, stop: &Stop) -> Self {
        Self { target: target.clone(), stop: stop.clone(), session: None }
    }

    fn question(&self, request: &Request<'_>, moved: &Moved) -> Result<hyper::Request<Slices>, Failure> {
        let scheme = if self.target.is_encrypted() { "https" } else { "http" };
        let uri = format!("{scheme}://{}{}", self.target.host(), request.path());
        let uri = Uri::try_from(uri).map_err(|_| Failure::Malformed("Location leads to no path"))?;
        let mut builder = hyper::Request::builder().method(request.method()).uri(uri);
        if let Some(authorization) = self.target.authorization() {
            builder = builder.header("authorization", authorization);
        }
        for (name, value) in request.headers() {
            builder = builder.header(*name, *value);
        }
        builder
            .body(Slices::new(request.slices().to_vec(), moved.clone()))
            .map_err(|error| io::Error::new(ErrorKind::InvalidInput, error).into())
    }
}

impl Protocol for Http2 {
    fn open(&mut self) -> Result<(), Failure> {
        self.session = None;
        let encryption = self.target.encryption()?;
        let socket = self.target.connect_socket()?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let shake_hands = async {
            let socket = TcpStream::from_std(socket)?;
            let Some(encryption) = encryption else {
                return begin(socket, None).await;
            };
            let stream = encryption.agree_on_http2(socket).await?;
            let handshake = stream.get_ref().1.handshake_kind();
            begin(stream, handshake).await
        };
        let session = runtime.block_on(patiently(&self.stop, &Moved::default(), shake_hands))?;
        self.session = Some((runtime, session));
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.session.is_some()
    }

    fn handshake(&self) -> Option<HandshakeKind> {
        self.session.as_ref().and_then(|(_, session)| session.handshake)
    }

    fn leave(&mut self) {
        if let Some((runtime, Session { sender, driver, .. })) = self.session.take() {
            drop(sender);
            let _it_may_be_gone = runtime.block_on(async { timeout(TICK, driver).await });
        }
    }

    fn abandon(&mut self) {
        self.session = None;
    }

    fn exchange(&mut self, request: &Request<'_>, sink: AnswerSink<'_>) -> Result<Response, Failure> {
        let moved = Moved::default();
        let question = self.question(request, &moved)?;
        let session = self.session.as_mut().ok_or(ErrorKind::NotConnected);
        let (runtime, Session { sender, driver, .. }) = session.map_err(io::Error::from)?;
        let ask = async {
            let (head, body) = sender.send_request(question).await?.into_parts();
            let mut response = Response::of_head(&head)?;
            let received = receive(body, &moved, &mut |bytes| sink(response.status, bytes)).await?;
            if !request.is_head() {
                response.length = received;
            }
            response.is_last = sender.is_closed();
            Ok(response)
        };
        let outcome = runtime.block_on(patiently(&self.stop, &moved, ask));
        // What has ended the connection says more than what came of that for the request.
        if matches!(outcome, Err(Failure::Connection(_) | Failure::Http2(_)))
            && driver.is_finished()
            && let Ok(Err(error)) = runtime.block_on(driver)
        {
            return Err(error.into());
        }
        outcome
    }
}

/// Begins HTTP/2 on a stream that has gone through this handshake.
async fn begin<S>(stream: S, handshake: Option<HandshakeKind>) -> Result<Session, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    Ok(Session { sender, driver, handshake })
}

/// Hands a body on as it comes; gives its length.
async fn receive(mut body: Incoming, moved: &Moved, sink: Sink<'_>) -> Result<u64, Failure> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame?.into_data() {
            moved.add(bytes.len() as u64);
            length += bytes.len() as u64;
            sink(&bytes);
        }
    }
    Ok(length)
}

/// Waits, unless it is to stop or nothing moves for too long.
async fn patiently<T>(
    stop: &Stop,
    moved: &Moved,
    act: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut act = pin!(act);
    let (mut before, mut since) = (moved.total(), Instant::now());
    loop {
        stop.check()?;
        if let Ok(outcome) = timeout(TICK, act.as_mut()).await {
            return outcome;
        }
        let now = moved.total();
        if now != before {
            (before, since) = (now, Instant::now());
        } else if since.elapsed() > PATIENCE {
            return Err(io::Error::from(ErrorKind::TimedOut).into());
        }
    }
}

/// How many bytes of bodies have gone out or come in.
#[derive(Clone, Default)]
struct Moved(Arc<AtomicU64>);

impl Moved {
    fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of a request: its slices, as they lie.
struct Slices {
    slices: vec::IntoIter<Bytes>,
    /// In bytes.
    rest: u64,
    moved: Moved,
}

impl Slices {
    /// Without those that are empty: a server may take many frames with nothing in them for an attack.
    fn new(mut slices: Vec<Bytes>, moved: Moved) -> Self {
        let rest = slices.iter().map(|slice| slice.len() as u64).sum();
        slices.retain(|slice| !slice.is_empty());
        Self { slices: slices.into_iter(), rest, moved }
    }
}

impl Body for Slices {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let slice = self.slices.next();
        if let Some(slice) = &slice {
            self.rest -= slice.len() as u64;
            self.moved.add(slice.len() as u64);
        }
        Poll::Ready(slice.map(|slice| Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest)
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        let cause = error.source();
        if let Some(cause) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
            return io::Error::new(cause.kind(), cause.to_string()).into();
        }
        if error.is_canceled() || error.is_closed() {
            return io::Error::new(ErrorKind::ConnectionAborted, error.to_string()).into();
        }
        let reason = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        Self::Http2(reason)
    }
}
