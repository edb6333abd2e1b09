//! The registry over HTTP/2 with prior knowledge: bodies without a length, many requests on one connection.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{Holdfast, OCI_INDEX, bytes_of, index, sha256, to_bytes};
use crate::verified_pulls::Pulled;

struct Client(SendRequest<Full<Bytes>>);

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// Sends a request and gives the whole answer.
    async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let (head, body) = self.begin(method, path, headers, body).await.unwrap().into_parts();
        Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// Sends a request and gives the answer, whose body is still to come.
    async fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(format!("http://registry.example.com{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        self.0.send_request(request).await
    }
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// Pulls a blob, however that ends.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn pull(address: SocketAddr, path: &str, range: Option<&str>) -> Pulled {
    let headers: Vec<_> = range.into_iter().map(|range| ("range", range)).collect();
    let response = Client::connect(address).await.begin("GET", path, &headers, b"").await;
    let Ok(response) = response else { return Pulled::default() };
    let status = response.status().as_u16();
    let announced = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let (mut stream, mut body) = (response.into_body(), Vec::new());
    loop {
        match stream.frame().await {
            None => return Pulled { status, announced, body, is_whole: true },
            Some(Err(_reset)) => return Pulled { status, announced, body, is_whole: false },
            Some(Ok(frame)) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
        }
    }
}

fn enabled() -> Holdfast {
    Holdfast::configured("http: {h2c: {enabled: true}}\n")
}

#[tokio::test]
async fn blobs_and_manifests_are_pushed_and_pulled_over_http_2() {
    let registry = enabled();
    let mut client = Client::connect(registry.address).await;
    let bytes = bytes_of(3 * 1024 * 1024, 1);
    let digest = sha256(&bytes);
    let post = client.send("POST", "/v2/a/b/blobs/uploads/", &[], b"").await;
    assert_eq!(post.status, 202);
    let location = post.header("location").to_owned();
    let patch = client.send("PATCH", &location, &[], &bytes[..1_000_000]).await;
    assert_eq!((patch.status.as_u16(), patch.header("range")), (202, "0-999999"));
    let put = client.send("PUT", &format!("{location}?digest={digest}"), &[], &bytes[1_000_000..]).await;
    assert_eq!((put.status.as_u16(), put.header("docker-content-digest")), (201, digest.as_str()));
    let got = client.send("GET", &format!("/v2/a/b/blobs/{digest}"), &[], b"").await;
    assert_eq!((got.status.as_u16(), got.header("content-length")), (200, "3145728"));
    assert!(got.body == bytes, "other bytes");
    let manifest = to_bytes(&index(&[]));
    let put = client.send("PUT", "/v2/a/b/manifests/latest", &[("content-type", OCI_INDEX)], &manifest).await;
    assert_eq!(put.status, 201);
    let got = client.send("GET", "/v2/a/b/manifests/latest", &[], b"").await;
    assert_eq!((got.status.as_u16(), got.body.as_ref()), (200, manifest.as_slice()));
}

#[tokio::test]
async fn ranges_and_head_work_over_http_2() {
    let registry = enabled();
    let digest = registry.push_blob("a/b", "0123456789");
    let path = format!("/v2/a/b/blobs/{digest}");
    let mut client = Client::connect(registry.address).await;
    let part = client.send("GET", &path, &[("range", "bytes=2-5")], b"").await;
    assert_eq!((part.status.as_u16(), part.body.as_ref()), (206, b"2345".as_slice()));
    let parts = client.send("GET", &path, &[("range", "bytes=0-1,8-9")], b"").await;
    assert_eq!(parts.status, 206);
    assert_eq!(parts.header("content-length"), parts.body.len().to_string());
    let head = client.send("HEAD", &path, &[], b"").await;
    assert_eq!((head.status.as_u16(), head.header("content-length"), head.body.len()), (200, "10", 0));
}

#[tokio::test]
async fn a_refusal_over_http_2_is_the_same_json() {
    let registry = enabled();
    let mut client = Client::connect(registry.address).await;
    let gone = "/v2/a/b/blobs/uploads/00000000-0000-4000-8000-000000000000";
    for _ in 0..20 {
        let answer = client.send("PATCH", gone, &[], &bytes_of(200_000, 2)).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["errors"][0]["code"], "BLOB_UPLOAD_UNKNOWN");
    }
}
