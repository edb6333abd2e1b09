//! A pull by a slow client, over either version of HTTP, that does not trust what it gets.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{Registry, Request};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    pub(crate) const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    /// Asks for a payload and lets its beginning come, then does `meanwhile`, then reads on to the end of the response.
    /// The body as far as it came, which must be less than was announced.
    pub(crate) fn pull_in_vain(self, registry: &Registry, path: &str, meanwhile: impl FnOnce()) -> Vec<u8> {
        match self {
            Self::Http1 => over_http_1(registry, path, meanwhile),
            Self::Http2 => tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap()
                .block_on(over_http_2(registry, path, meanwhile)),
        }
    }
}

/// Long enough for a server to fill all buffers on the way.
const PAUSE: Duration = Duration::from_millis(300);

fn over_http_1(registry: &Registry, path: &str, meanwhile: impl FnOnce()) -> Vec<u8> {
    let mut connection = registry.connect();
    connection.write_request(&Request::get(path));
    std::thread::sleep(PAUSE);
    meanwhile();
    let answer = connection.read_to_end();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(answer.len());
    let (head, body) = answer.split_at(answer.len().min(end + 4));
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    if let Some(announced) = announced {
        assert!(body.len() < announced.parse().unwrap(), "a complete answer, {announced} bytes: {head}");
    }
    body.to_vec()
}

async fn over_http_2(registry: &Registry, path: &str, meanwhile: impl FnOnce()) -> Vec<u8> {
    let stream = tokio::net::TcpStream::connect(registry.address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get(format!("http://registry{path}")).body(Empty::<Bytes>::new()).unwrap();
    let Ok(response) = client.send_request(request).await else { return Vec::new() };
    let mut body = response.into_body();
    tokio::time::sleep(PAUSE).await;
    meanwhile();
    let mut received = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return received };
        received.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    panic!("the answer ended well after {} bytes", received.len());
}
