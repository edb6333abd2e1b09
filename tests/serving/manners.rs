//! Clients that do not do as most do: slow, impatient, or stuck. The router is the test's own.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use holdfast::server::{Address, Location, Server, Settings};

use crate::client::{Client, patch};

/// Serves the router until the test's runtime ends.
async fn serve(router: Router) -> SocketAddr {
    let settings = Settings {
        headers: Vec::new(),
        header_timeout: Duration::from_secs(30),
        idle_timeout: Duration::ZERO,
        keep_alive_timeout: Duration::from_secs(60),
        drain_timeout: Duration::ZERO,
        wait_timeout: Duration::from_secs(1),
        max_connections: 16,
        max_header_bytes: 64 * 1024,
        tls: None,
        http2: false,
        logged: false,
        trusted_proxies: Vec::new(),
        files: None,
    };
    let server = Server::bind(&Address::parse("127.0.0.1:0").unwrap(), settings).await.unwrap();
    let Location::Tcp(address) = server.endpoint().location.clone() else {
        unreachable!("it was bound to a TCP address");
    };
    tokio::spawn(server.run(router, std::future::pending(), || ()));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_refused_in_the_middle_of_its_upload_gets_to_read_why() {
    let address = serve(Router::new().fallback(async || (StatusCode::FORBIDDEN, "because"))).await;
    let mut client = Client::connect(address);
    client.send(patch("/anywhere", 8 * 1024 * 1024));
    client.send(vec![7; 8 * 1024 * 1024]);
    let response = client.response();
    assert_eq!((response.status(), response.body.as_str()), (403, "because"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_ends_its_side_after_the_request_gets_an_answer_that_takes_a_while() {
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "here"
    };
    let mut client = Client::connect(serve(Router::new().fallback(slow)).await);
    client.send("GET /v2/ HTTP/1.0\r\n\r\n");
    client.end_writing();
    assert_eq!(client.response().body, "here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_is_dropped_when_it_took_no_byte_for_long_enough() {
    const LENGTH: usize = 256 * 1024 * 1024;
    let body = Bytes::from(vec![7; LENGTH]);
    let address = serve(Router::new().fallback(async move || Body::from(body))).await;
    let mut stream = TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n").unwrap();
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(8));

    let mut received = 0;
    let mut block = vec![0; 1024 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut block) {
        received += length;
    }
    assert!(received < LENGTH, "everything came, {received} bytes");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_slowly_gets_everything() {
    const LENGTH: usize = 64 * 1024 * 1024;
    let body = Bytes::from(vec![7; LENGTH]);
    let address = serve(Router::new().fallback(async move || Body::from(body))).await;
    let mut stream = TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /v2/ HTTP/1.0\r\n\r\n").unwrap();
    let began = Instant::now();
    let mut received = 0;
    let mut block = vec![0; 1024 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut block) {
        received += length;
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(received > LENGTH, "{received} bytes");
    assert!(began.elapsed() > Duration::from_secs(6), "too quick to tell: {:?}", began.elapsed());
}
