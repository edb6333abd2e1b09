//! HTTP/2 with prior knowledge, where it is enabled.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Bytes, Frame};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::Signal;

use crate::client::{Client, PING, open_upload};
use crate::process::{Process, serve};

fn enabled() -> Process {
    serve().configured("http:\n  addr: 127.0.0.1:0\n  h2c:\n    enabled: true\n").start()
}

async fn connect<B>(address: SocketAddr) -> SendRequest<B>
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
{
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let builder = Builder::new(TokioExecutor::new());
    let (client, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_and_http_1_1_are_spoken_on_the_same_port() {
    let mut registry = enabled();
    let mut client = connect(registry.address()).await;
    let request = Request::get("http://registry/v2/").body(Full::default()).unwrap();
    assert_eq!(client.send_request(request).await.unwrap().status(), StatusCode::OK);
    assert_eq!(Client::connect(registry.address()).ask(PING).status(), 200);
    registry.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_up_to_64_kib_and_hundreds_of_them_are_accepted_over_http_2_too() {
    let mut registry = enabled();
    let mut client = connect(registry.address()).await;
    let big = "a".repeat(65_536 - "authorization".len());
    let one = Request::get("http://registry/v2/").header("authorization", big);
    let response = client.send_request(one.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let many = (0..300).fold(Request::get("http://registry/v2/"), |request, number| {
        request.header(format!("x-mesh-{number}"), "b".repeat(190))
    });
    let response = client.send_request(many.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    registry.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_registry_stops_an_upload_over_http_2_finishes_and_an_idle_connection_ends_at_once() {
    let mut registry = enabled();
    let location = open_upload(registry.address());
    let mut idle = connect(registry.address()).await;
    let request = Request::get("http://registry/v2/").body(Full::default()).unwrap();
    idle.send_request(request).await.unwrap().collect().await.unwrap();

    let mut busy = connect(registry.address()).await;
    let request = Request::patch(format!("http://registry{location}")).body(slow_body()).unwrap();
    let response = tokio::spawn(busy.send_request(request));
    tokio::time::sleep(PAUSE * 2).await;
    registry.signal(Signal::TERM);
    assert_eq!(response.await.unwrap().unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(registry.wait().code(), Some(0), "{}", registry.log());
    assert!(idle.is_closed());
}

#[tokio::test]
async fn an_http_2_client_that_does_not_react_keeps_no_registry_from_stopping() {
    let mut registry = enabled();
    let mut client = connect(registry.address()).await;
    let request = Request::get("http://registry/v2/").body(Full::default()).unwrap();
    client.send_request(request).await.unwrap().collect().await.unwrap();
    let began = Instant::now();
    // Waits on the only thread: nothing of the client moves meanwhile.
    registry.stop();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

const PAUSE: Duration = Duration::from_millis(100);

/// Ten bytes, one at a time.
fn slow_body() -> impl Body<Data = Bytes, Error = Infallible> + Unpin + Send {
    let bytes = futures_util::stream::unfold(0, |sent| async move {
        tokio::time::sleep(PAUSE).await;
        let byte = Frame::data(Bytes::from_static(b"x"));
        (sent < 10).then_some((Ok(byte), sent + 1))
    });
    StreamBody::new(Box::pin(bytes))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_over_http_2_is_taken_in_one_request() {
    let mut registry = enabled();
    let location = open_upload(registry.address());
    let mut client = connect(registry.address()).await;
    let request = Request::builder().method(Method::PATCH).uri(format!("http://registry{location}"));
    let body = Full::new(Bytes::from(vec![7; 20 * 1024 * 1024]));
    let response = client.send_request(request.body(body).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    response.into_body().collect().await.unwrap();
    registry.stop();
}
