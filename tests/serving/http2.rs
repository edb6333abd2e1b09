//! HTTP/2 with prior knowledge, where it is enabled.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::client::{Client, PING, open_upload};
use crate::process::{Process, serve};

fn enabled() -> Process {
    serve()
        .configured("http:\n  addr: 127.0.0.1:0\n  h2c:\n    enabled: true\n")
        .start()
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let builder = Builder::new(TokioExecutor::new());
    let (client, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn http_2_and_http_1_1_are_spoken_on_the_same_port() {
    let mut registry = enabled();
    let mut client = connect(registry.address()).await;
    let request = Request::get("http://registry/v2/")
        .body(Full::default())
        .unwrap();
    assert_eq!(
        client.send_request(request).await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(Client::connect(registry.address()).ask(PING).status(), 200);
    registry.stop();
}

#[tokio::test]
async fn headers_up_to_64_kib_and_hundreds_of_them_are_accepted_over_http_2_too() {
    let mut registry = enabled();
    let mut client = connect(registry.address()).await;
    let big = "a".repeat(65_536 - "authorization".len());
    let one = Request::get("http://registry/v2/").header("authorization", big);
    let response = client
        .send_request(one.body(Full::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let many = (0..300).fold(Request::get("http://registry/v2/"), |request, number| {
        request.header(format!("x-mesh-{number}"), "b".repeat(190))
    });
    let response = client
        .send_request(many.body(Full::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    registry.stop();
}

#[tokio::test]
async fn a_large_upload_over_http_2_is_taken_in_one_request() {
    let mut registry = enabled();
    let location = open_upload(registry.address());
    let mut client = connect(registry.address()).await;
    let request = Request::builder()
        .method(Method::PATCH)
        .uri(format!("http://registry{location}"));
    let body = Full::new(Bytes::from(vec![7; 20 * 1024 * 1024]));
    let response = client
        .send_request(request.body(body).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    response.into_body().collect().await.unwrap();
    registry.stop();
}
